"""An image from another site: fetched from an allowed host and from nowhere else, then stored as any upload.

A name is resolved once, every address it has must be a public one, and the connection goes to exactly that address,
with a certificate that is valid for the name. A redirect is a new address and goes through all of it again.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, unquote, urljoin, urlsplit

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from album.exceptions import AlbumError
from album.models import Album
from album.services.ingest import IngestResult, ingest_upload

HTTPS_PORT = 443
CONNECT_S, TOTAL_S = 10.0, 30.0
MAX_REDIRECTS = 3
URL_MAX_LENGTH = 2000
NOT_FETCHED = "Not fetched: "
REDIRECTS = {301, 302, 303, 307, 308}
FAILURES_SHOWN_FOR = timedelta(days=1)
WORTH_RETRYING = {408, 425, 429}
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""Source: RFC 4291 and the IANA registry. Mapped, NAT64, site-local and multicast addresses lie outside."""
_SPECIAL = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "192.0.0.0/24", "192.88.99.0/24")))
"""6to4 and Teredo, whose addresses carry another one; and two networks that Python 3.11 takes for global."""


class ExternalImageRefused(AlbumError):
    """The address is not one from which images are fetched, or what it answers is no image. Do not retry."""


class ExternalImageUnavailable(AlbumError):
    """The other site does not answer now, or not in full. A later attempt may succeed."""


def resolve(host: str) -> list[str]:
    """The addresses of ``host``, as the system's resolver says."""
    answers = socket.getaddrinfo(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def is_public(address: str) -> bool:
    """Whether this is the address of one machine in the public internet, by itself and not by what it carries."""
    ip = ipaddress.ip_address(address)
    if not ip.is_global or ip.is_multicast or ip.is_reserved or any(ip in network for network in _SPECIAL):
        return False
    return ip.version == 4 or ip in _GLOBAL_UNICAST


@dataclass(frozen=True, slots=True)
class Network:
    """How the outside is reached. Tests put local servers here; what is refused stays refused."""

    resolve: Callable[[str], list[str]] = resolve
    is_allowed: Callable[[str], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    port: int = HTTPS_PORT
    total_s: float = TOTAL_S


@dataclass(frozen=True, slots=True)
class ImageAddress:
    """An address that passed ``check_url``. ``host`` is lower case ASCII; ``target`` is path and query."""

    host: str
    target: str
    name: str


def attach_external_image(*, owner: User, album: Album, url: str, network: Network | None = None) -> IngestResult:
    """The row of the image at ``url``, in ``album``; it belongs to ``owner``.

    Raises:
        ExternalImageRefused: the address, or what it leads to, is not allowed.
        ExternalImageUnavailable: the other site failed; nothing was kept.
        MediaError, StorageError: as of any upload.
    """
    address = check_url(url)
    with _open(address, network or Network()) as body:
        return ingest_upload(owner=owner, file=body, name=address.name, album=album)


def note_failure(*, user: User, album: Album, url: str, error: AlbumError) -> None:
    """Writes into Django's log of changes to the album why an image did not come: for ``user`` and site admins."""
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Album),
        object_id=str(album.pk),
        object_repr=album.title,
        action_flag=CHANGE,
        change_message=f"{NOT_FETCHED}{url}: {error}",
    )


def recent_failures(*, user: User, album: Album) -> list[str]:
    """What was noted for ``user`` about ``album`` within a day, the latest first."""
    noted = LogEntry.objects.filter(
        user=user,
        content_type=ContentType.objects.get_for_model(Album),
        object_id=str(album.pk),
        change_message__startswith=NOT_FETCHED,
        action_time__gt=timezone.now() - FAILURES_SHOWN_FOR,
    )
    return [entry.change_message.removeprefix(NOT_FETCHED) for entry in noted.order_by("-action_time")]


def check_url(url: str) -> ImageAddress:
    """What ``url`` names, if it is HTTPS on an allowed host. Nothing is resolved or fetched.

    Raises:
        ExternalImageRefused: it is not; the words say why.
    """
    if len(url) > URL_MAX_LENGTH or any(character <= " " or character in "\\\x7f" for character in url):
        raise ExternalImageRefused("The address is too long or has blanks in it. Copy it again.")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii").lower()
        port = parts.port
    except ValueError:  # UnicodeError is one
        raise ExternalImageRefused(
            "The address cannot be read. It must look like https://host/picture.jpg."
        ) from None
    if parts.scheme != "https" or not host:
        raise ExternalImageRefused("Only addresses that begin with https:// are fetched.")
    if parts.username is not None or parts.password is not None:
        raise ExternalImageRefused("The address carries a name or a password. Remove what stands before the @.")
    if port not in (None, HTTPS_PORT):
        raise ExternalImageRefused(f"Only port {HTTPS_PORT} is asked. Remove the port from the address.")
    if not _is_allowed_host(host):
        raise ExternalImageRefused(
            f"Images are not fetched from {host}. An administrator may add it to ALLOWED_EXTERNAL_IMAGE_HOSTS."
        )
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    name = unquote(parts.path).rpartition("/")[2] or host
    return ImageAddress(host, f"{path}?{query}" if query else path, name)


def _is_allowed_host(host: str) -> bool:
    """Entries are exact names; one that begins with a dot stands for all names below it."""
    entries = [str(entry).lower() for entry in settings.ALLOWED_EXTERNAL_IMAGE_HOSTS]
    return any(host.endswith(entry) if entry.startswith(".") else host == entry for entry in entries)


@contextmanager
def _open(address: ImageAddress, network: Network) -> Iterator[_Body]:
    """The body behind ``address`` after at most three redirects. At the deadline the connection is cut."""
    deadline = time.monotonic() + network.total_s
    for _ in range(MAX_REDIRECTS + 1):
        with (
            _connect(address.host, network, deadline) as secure,
            _cut_at(deadline, secure),
            _ask(address, network, secure) as response,
        ):
            if response.status not in REDIRECTS:
                _refuse_failures(address.host, response)
                yield _Body(address.host, response, deadline)
                return
        address = _follow(address, response.headers.get("Location", ""))
    raise ExternalImageRefused(f"{address.host}: redirected more than {MAX_REDIRECTS} times.")


def _connect(host: str, network: Network, deadline: float) -> ssl.SSLSocket:
    """A connection to the first address of ``host`` that answers, all of them being allowed ones."""
    with _failures_of(host):
        addresses = network.resolve(host)
    if not addresses or not all(network.is_allowed(address) for address in addresses):
        raise ExternalImageRefused(f"{host}: its address is not one of the public internet.")
    failure: OSError = TimeoutError()
    with _failures_of(host):
        for address in addresses:
            left_s = min(CONNECT_S, deadline - time.monotonic())
            try:
                plain = socket.create_connection((address, network.port), max(left_s, 0.1))
            except OSError as error:
                failure = error
            else:
                # An end that the other side did not announce is a failure, not the end of the image.
                return network.context.wrap_socket(
                    plain, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False
                )
        raise failure


@contextmanager
def _cut_at(deadline: float, secure: ssl.SSLSocket) -> Iterator[None]:
    """Ends the connection at the deadline: a socket's own time limit begins anew with each byte that drips in."""

    def cut() -> None:
        with suppress(OSError):  # it has ended by itself
            socket.socket.shutdown(secure, socket.SHUT_RDWR)

    alarm = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _ask(address: ImageAddress, network: Network, secure: ssl.SSLSocket) -> http.client.HTTPResponse:
    headers = {"User-Agent": "photo-album", "Accept": "image/*,video/*", "Accept-Encoding": "identity"}
    with _failures_of(address.host):
        secure.do_handshake()
        connection = http.client.HTTPSConnection(address.host, HTTPS_PORT, context=network.context)
        connection.sock = secure  # it is connected already: http.client resolves nothing
        connection.request("GET", address.target, headers=headers)
        return connection.getresponse()


def _follow(address: ImageAddress, location: str) -> ImageAddress:
    try:
        url = urljoin(f"https://{address.host}{address.target}", location)
    except ValueError:
        raise ExternalImageRefused(f"{address.host}: redirects to an address that cannot be read.") from None
    return check_url(url)


def _refuse_failures(host: str, response: http.client.HTTPResponse) -> None:
    if response.status >= 500 or response.status in WORTH_RETRYING:
        raise ExternalImageUnavailable(f"{host}: answered with status {response.status}.")
    if response.status != 200:
        raise ExternalImageRefused(f"{host}: answered with status {response.status}. Check the address.")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ExternalImageRefused(f"{host}: sends the image compressed although it was asked not to.")


class _Body:
    """The content of an answer as ingest reads it: never more than EXTERNAL_IMAGE_MAX_BYTES, and all of it."""

    def __init__(self, host: str, response: http.client.HTTPResponse, deadline: float) -> None:
        self._host, self._response, self._deadline = host, response, deadline
        self._left = settings.EXTERNAL_IMAGE_MAX_BYTES

    def read(self, size: int, /) -> bytes:
        announced = self._response.length
        if announced is not None and announced > self._left:
            raise self._too_large()
        with _failures_of(self._host):
            chunk = self._response.read(size)
            if time.monotonic() > self._deadline:
                raise TimeoutError
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()
        if not chunk and self._response.length:
            raise ExternalImageUnavailable(f"{self._host}: the connection ended before the image did.")
        return chunk

    def _too_large(self) -> ExternalImageRefused:
        limit = settings.EXTERNAL_IMAGE_MAX_BYTES // 1_000_000
        return ExternalImageRefused(f"{self._host}: the image is larger than {limit} MB (EXTERNAL_IMAGE_MAX_MB).")


@contextmanager
def _failures_of(host: str) -> Iterator[None]:
    """What goes wrong out there in words, none of which the other site has chosen."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ExternalImageRefused(f"{host}: its certificate is not valid ({error.verify_message}).") from error
    except socket.gaierror as error:
        raise ExternalImageUnavailable(f"{host}: the name cannot be resolved.") from error
    except TimeoutError as error:
        raise ExternalImageUnavailable(f"{host}: took too long.") from error
    except (OSError, http.client.HTTPException) as error:
        raise ExternalImageUnavailable(f"{host}: the connection failed ({type(error).__name__}).") from error
