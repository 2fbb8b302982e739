"""Images from other sites, fetched from real TLS servers; addresses that lead inwards reach nothing."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_django import Settings

from album.exceptions import UnsupportedMedia
from album.models import MediaItem
from album.services.external_images import (
    ExternalImageRefused,
    ExternalImageUnavailable,
    Network,
    attach_external_image,
    check_url,
    is_public,
)
from tests.cast import Cast, scene_bytes

HOST, OTHER = "img.example.org", "cdn.example.net"
PHOTO = scene_bytes(seed=1)
HALF = PHOTO[: len(PHOTO) // 2]
Answer = Callable[[BaseHTTPRequestHandler], None]


def send(handler: BaseHTTPRequestHandler, status: int = 200, body: bytes = PHOTO, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@dataclass
class Site:
    """A TLS server on loopback with its ``answers`` by path. ``hits`` are the hosts and paths asked for."""

    server: ThreadingHTTPServer
    trusted: Path
    hits: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    connections: int = 0

    def network(self, **changes: object) -> Network:
        """The outside world in which every name leads to this server, whose authority is trusted."""
        values: dict[str, object] = {
            "resolve": lambda host: ["127.0.0.1"],
            "is_allowed": lambda address: address == "127.0.0.1",
            "context": ssl.create_default_context(cafile=str(self.trusted)),
            "port": self.server.server_port,
        }
        return Network(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (``ca.pem``) and a certificate for the two hosts (``site.pem``, ``site.key``)."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text(f"subjectAltName=DNS:{HOST},DNS:{OTHER}\n")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test", "-days", "2")
    openssl("req", *new_key, "-keyout", "site.key", "-out", "site.csr", "-subj", f"/CN={HOST}")
    sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    openssl("x509", "-req", "-in", "site.csr", "-out", "site.pem", *sign)
    return folder


@pytest.fixture
def site(certificates: Path, settings: Settings) -> Iterator[Site]:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = [HOST, ".example.net"]
    yield from serve(certificates)


def serve(certificates: Path, address: str = "127.0.0.1", port: int = 0) -> Generator[Site, None, None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.hits.append((self.headers["Host"], self.path))
            site.answers.get(self.path, send)(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        daemon_threads = True

        def get_request(self):
            connection, client = super().get_request()
            site.connections += 1
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), client

        def handle_error(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "site.pem", certificates / "site.key")
    server = Server((address, port), Handler)
    site = Site(server, certificates / "ca.pem")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(cast: Cast, site: Site, url: str = f"https://{HOST}/kit.jpg", **changes: object) -> MediaItem:
    network = site.network(**changes)
    return attach_external_image(owner=cast.dora, album=cast.shared, url=url, network=network).item


def test_an_image_is_stored_as_an_upload_of_the_one_who_asked(cast: Cast, site: Site) -> None:
    item = fetch(cast, site, f"https://{HOST}:443/kits/K%C3%B6ln%20home.jpg?size=large")
    assert (item.owner, item.original_name, item.path.read_bytes()) == (cast.dora, "Köln home.jpg", PHOTO)
    assert list(cast.shared.items.all()) == [item]
    assert site.hits == [(HOST, "/kits/K%C3%B6ln%20home.jpg?size=large")]


def test_delivered_twice_it_is_one_item(cast: Cast, site: Site) -> None:
    assert fetch(cast, site) == fetch(cast, site)
    assert MediaItem.objects.count() == 1


def test_redirects_within_allowed_hosts_are_followed(cast: Cast, site: Site) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, 302, b"", Location=f"https://{OTHER}/a/b.jpg")
    site.answers["/a/b.jpg"] = lambda handler: send(handler, 301, b"", Location="../c.jpg")
    item = fetch(cast, site)
    assert item.original_name == "kit.jpg"
    assert site.hits == [(HOST, "/kit.jpg"), (OTHER, "/a/b.jpg"), (OTHER, "/c.jpg")]


def test_redirects_without_end_are_not(cast: Cast, site: Site) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, 307, b"", Location="/kit.jpg")
    with pytest.raises(ExternalImageRefused, match="more than 3"):
        fetch(cast, site)
    assert len(site.hits) == 4


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/a.jpg",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://img.example.org/a.jpg",
        "//img.example.org/a.jpg",
        "a.jpg",
        "https:///a.jpg",
        f"https://{HOST}:8443/a.jpg",
        f"https://{HOST}:99999/a.jpg",
        f"https://user:secret@{HOST}/a.jpg",
        f"https://{HOST}@127.0.0.1/a.jpg",
        f"https://{HOST}\\@127.0.0.1/a.jpg",
        f"https://{HOST}/a.jpg\r\nHost: other",
        f"https://{HOST} /a.jpg",
        "https://other.example.org/a.jpg",
        f"https://{HOST}.evil.example/a.jpg",
        f"https://evil{HOST}/a.jpg",
        "https://example.net/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https://[::1/a.jpg",
        "https://2130706433/a.jpg",
        "https://0x7f000001/a.jpg",
        "https://\uff11\uff12\uff17.0.0.1/a.jpg",
        "https://" + "a" * 300 + ".example.net/a.jpg",
        f"https://{HOST}/" + "a" * 2000,
    ],
)
def test_such_an_address_is_refused_at_the_door(site: Site, url: str) -> None:
    with pytest.raises(ExternalImageRefused):
        check_url(url)


@pytest.mark.parametrize("url", [f"https://{HOST.upper()}./a.jpg", f"https://{OTHER}/ä b.jpg".replace(" ", "%20")])
def test_such_an_address_is_taken(site: Site, url: str) -> None:
    assert check_url(url).host in (HOST, OTHER)


def test_without_allowed_hosts_nothing_is_fetched(settings: Settings) -> None:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = []
    with pytest.raises(ExternalImageRefused, match="ALLOWED_EXTERNAL_IMAGE_HOSTS"):
        check_url(f"https://{HOST}/a.jpg")


INWARD = [
    *(
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
    ),
    *("192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:93.184.216.34", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::1", "2002:7f00:1::", "2002:5db8:d822::", "2001:0:53aa:64c::1"),
]


@pytest.mark.parametrize("address", INWARD)
def test_such_an_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_such_an_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "0x7f000001", "2130706433", "localhost"])
def test_an_inward_host_is_not_asked_even_where_it_is_allowed(
    cast: Cast, site: Site, settings: Settings, host: str
) -> None:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = [host.strip("[]")]
    real = Network(context=ssl.create_default_context(cafile=str(site.trusted)), port=site.server.server_port)
    begun = time.monotonic()
    with pytest.raises(ExternalImageRefused, match="public internet"):
        attach_external_image(owner=cast.alice, album=cast.shared, url=f"https://{host}/a.jpg", network=real)
    assert time.monotonic() - begun < 10
    assert site.connections == 0


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1/x", "http://img.example.org/x", "file:///etc/passwd", "https://["]
)
def test_a_redirect_inwards_is_not_followed(cast: Cast, site: Site, location: str) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, 302, b"", Location=location)
    with pytest.raises(ExternalImageRefused):
        fetch(cast, site)
    assert site.connections == 1


def test_a_name_that_changes_its_address_meanwhile_is_asked_once(
    cast: Cast, site: Site, certificates: Path, settings: Settings
) -> None:
    """The check sees a public address; had the connection resolved anew, it would meet the canary on loopback."""
    public, canary = "127.0.0.2", "127.0.0.1"
    outside = serve(certificates, public, site.server.server_port)
    real = next(outside)
    answers = iter([[public], [canary], [canary]])

    def allow(address: str) -> bool:
        return ipaddress.ip_address(address) == ipaddress.ip_address(public)

    fetch(cast, site, resolve=lambda host: next(answers), is_allowed=allow)
    assert (real.connections, site.connections) == (1, 0)

    # A redirect to the same name resolves anew, and is checked anew.
    real.answers["/kit.jpg"] = lambda handler: send(handler, 302, b"", Location="/next.jpg")
    answers = iter([[public], [canary]])
    with pytest.raises(ExternalImageRefused, match="public internet"):
        fetch(cast, site, resolve=lambda host: next(answers), is_allowed=allow)
    assert (real.connections, site.connections) == (2, 0)
    outside.close()


def test_one_inward_address_among_public_ones_is_enough_to_refuse(cast: Cast, site: Site) -> None:
    with pytest.raises(ExternalImageRefused, match="public internet"):
        fetch(cast, site, resolve=lambda host: ["127.0.0.1", "127.0.0.2"])
    assert site.connections == 0


def test_a_dead_address_is_passed_over(cast: Cast, site: Site) -> None:
    assert fetch(cast, site, resolve=lambda host: ["127.0.0.9", "127.0.0.1"], is_allowed=lambda address: True)


def test_a_name_that_nobody_knows_is_worth_another_try(cast: Cast, site: Site) -> None:
    def fail(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(ExternalImageUnavailable, match="resolved"):
        fetch(cast, site, resolve=fail)


def test_a_certificate_for_another_name_or_by_nobody_is_refused(cast: Cast, site: Site, settings: Settings) -> None:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["www.example.com", HOST]
    with pytest.raises(ExternalImageRefused, match="certificate"):
        fetch(cast, site, "https://www.example.com/a.jpg")
    with pytest.raises(ExternalImageRefused, match="certificate"):
        fetch(cast, site, context=ssl.create_default_context())
    assert site.hits == []


def test_proxies_of_the_environment_are_not_asked(cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(cast, site)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_in_trouble_is_worth_another_try(cast: Cast, site: Site, status: int) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, status, b"internal words")
    with pytest.raises(ExternalImageUnavailable, match=str(status)) as caught:
        fetch(cast, site)
    assert "internal words" not in str(caught.value)


@pytest.mark.parametrize("status", [204, 403, 404])
def test_a_refusal_is_not(cast: Cast, site: Site, status: int) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, status, b"" if status == 204 else b"internal words")
    with pytest.raises(ExternalImageRefused, match=str(status)) as caught:
        fetch(cast, site)
    assert "internal words" not in str(caught.value)


def test_what_is_no_image_is_refused_without_its_words(cast: Cast, site: Site) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, body=b"<html>internal words</html>")
    with pytest.raises(UnsupportedMedia) as caught:
        fetch(cast, site)
    assert "internal words" not in str(caught.value)
    assert not MediaItem.objects.exists()


def test_too_many_bytes_are_refused_however_they_are_announced(cast: Cast, site: Site, settings: Settings) -> None:
    settings.EXTERNAL_IMAGE_MAX_BYTES = 1_000_000

    def unannounced(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"10000\r\n" + PHOTO[:2] + b"\xff" + bytes(0xFFFD) + b"\r\n")

    site.answers["/kit.jpg"] = unannounced
    site.answers["/big.jpg"] = lambda handler: send(handler, body=PHOTO, Content_Length="1000001")
    for url in (f"https://{HOST}/kit.jpg", f"https://{HOST}/big.jpg"):
        with pytest.raises(ExternalImageRefused, match="larger than 1 MB"):
            fetch(cast, site, url)
    assert not MediaItem.objects.exists()


def test_a_compressed_answer_is_refused(cast: Cast, site: Site) -> None:
    site.answers["/kit.jpg"] = lambda handler: send(handler, Content_Encoding="gzip")
    with pytest.raises(ExternalImageRefused, match="compressed"):
        fetch(cast, site)


def test_half_an_image_is_not_kept(cast: Cast, site: Site, settings: Settings) -> None:
    def without_length(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(HALF)
        handler.wfile.flush()
        handler.connection.close()  # no farewell: like a cut line

    site.answers["/kit.jpg"] = lambda handler: send(handler, body=HALF, Content_Length=str(len(PHOTO)))
    site.answers["/cut.jpg"] = without_length
    for url in (f"https://{HOST}/kit.jpg", f"https://{HOST}/cut.jpg"):
        with pytest.raises(ExternalImageUnavailable):
            fetch(cast, site, url)
    assert not MediaItem.objects.exists()
    assert not list(Path(settings.MEDIA_ROOT).rglob("*.part"))


@pytest.mark.parametrize("what", ["head", "body", "silence", "handshake"])
def test_a_site_that_drips_is_left_at_the_deadline(cast: Cast, site: Site, what: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        if what == "silence":
            time.sleep(5)
            return
        start = b"HTTP/1.1 200 OK\r\nX-Slow: " if what == "head" else b"HTTP/1.1 200 OK\r\n\r\n" + HALF
        handler.wfile.write(start)
        for _ in range(100):
            handler.wfile.write(b"a")
            time.sleep(0.05)

    site.answers["/kit.jpg"] = drip
    port = site.server.server_port
    silent = socket.create_server(("127.0.0.1", 0))
    if what == "handshake":
        port = silent.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(ExternalImageUnavailable):
        fetch(cast, site, port=port, total_s=0.7)
    assert time.monotonic() - begun < 2
    silent.close()
    assert not MediaItem.objects.exists()
