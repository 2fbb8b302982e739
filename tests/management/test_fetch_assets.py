"""Front-end libraries: fetched from a registry that the test serves, checked, and only what is named is written."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from album.management.commands.fetch_assets import PACKAGE_MAX_BYTES

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

ADDRESS = "/tiny/-/tiny-1.2.3.tgz"
SCRIPT = b"export const one = 1;\n//# sourceMappingURL=tiny.js.map\n"


def tarball(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def integrity_of(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


class Registry:
    """What it serves, what it was asked for, and the album folder whose lock names package ``tiny``."""

    def __init__(self, base: Path, url: str) -> None:
        self.base, self.url, self.asked = base, url, list[str]()
        self.content = tarball(**{"tiny.js": SCRIPT, "secret.txt": b"no"})
        (base / "album/static").mkdir(parents=True)
        self.lock()

    @property
    def vendor(self) -> Path:
        return self.base / "album/static/vendor"

    def lock(self, **changes: Any) -> None:
        entry = {
            "version": "1.2.3",
            "integrity": integrity_of(self.content),
            "files": {"tiny.js": "tiny/tiny.js"},
            **changes,
        }
        (self.base / "album/static/vendor.lock.json").write_text(json.dumps({"tiny": entry}))

    def catalogue(self) -> bytes:
        """What npm asks for first: where the package is."""
        dist = {"tarball": f"{self.url}{ADDRESS}", "integrity": integrity_of(self.content)}
        version = {"name": "tiny", "version": "1.2.3", "dist": dist}
        return json.dumps(
            {"name": "tiny", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": version}}
        ).encode()

    def written(self) -> set[str]:
        return {str(path.relative_to(self.vendor)) for path in self.vendor.rglob("*") if path.is_file()}


@pytest.fixture
def registry(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == ADDRESS:
                made.asked.append(self.path)
            self.send_response(200 if self.path in {ADDRESS, "/tiny"} else 404)
            self.end_headers()
            self.wfile.write(made.content if self.path == ADDRESS else made.catalogue())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Registry(tmp_path, f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.BASE_DIR = tmp_path
        monkeypatch.setenv("npm_config_registry", made.url)
        yield made
        server.shutdown()


def test_only_the_named_files_are_written_and_only_once(registry: Registry) -> None:
    call_command("fetch_assets")
    call_command("fetch_assets")
    assert registry.asked == [ADDRESS]
    assert registry.written() == {"stamp.json", "tiny/tiny.js"}
    assert (registry.vendor / "tiny/tiny.js").read_bytes() == b"export const one = 1;\n", "its map is not there"


def test_what_is_lost_or_named_anew_is_fetched_again(registry: Registry) -> None:
    call_command("fetch_assets")
    (registry.vendor / "tiny/tiny.js").unlink()
    call_command("fetch_assets")
    registry.lock(files={"tiny.js": "tiny/other.js"})
    call_command("fetch_assets")
    assert len(registry.asked) == 3
    assert "tiny/other.js" in registry.written()


def test_a_package_that_is_not_the_locked_one_is_not_unpacked(registry: Registry) -> None:
    registry.content = tarball(**{"tiny.js": b"steal()"})
    with pytest.raises(CommandError, match=r"tiny-1\.2\.3\.tgz is not the file of vendor\.lock\.json"):
        call_command("fetch_assets")
    assert registry.written() == set()


@pytest.mark.parametrize("target", ["../tiny.js", "/tmp/tiny.js", "a/../../tiny.js"])
def test_a_lock_that_points_outside_is_refused(registry: Registry, target: str) -> None:
    registry.lock(files={"tiny.js": target})
    with pytest.raises(CommandError, match="not below vendor/"):
        call_command("fetch_assets")
    assert registry.asked == []


def test_a_file_that_the_package_does_not_have_is_named(registry: Registry) -> None:
    registry.lock(files={"gone.js": "gone.js"})
    with pytest.raises(CommandError, match=r"has no file gone\.js"):
        call_command("fetch_assets")


def test_what_only_tests_need_is_fetched_when_asked_for(registry: Registry) -> None:
    registry.lock(dev=True)
    call_command("fetch_assets")
    assert registry.asked == []
    call_command("fetch_assets", dev=True)
    assert registry.asked == [ADDRESS]


def test_without_a_network_the_next_step_is_told(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(CommandError, match=r"(?s)tiny@1\.2\.3 cannot be fetched: .*127\.0\.0\.1:9/tiny.*--from"):
        call_command("fetch_assets")


def test_a_package_too_large_is_not_taken(registry: Registry) -> None:
    registry.content = bytes(PACKAGE_MAX_BYTES + 1)
    with pytest.raises(CommandError, match="larger than 20 MB"):
        call_command("fetch_assets")


def test_packages_may_come_on_a_stick(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"npm pack tiny@1\.2\.3"):
        call_command("fetch_assets", folder=tmp_path)
    (tmp_path / "tiny-1.2.3.tgz").write_bytes(registry.content)
    call_command("fetch_assets", folder=tmp_path)
    assert registry.asked == []
    assert "tiny/tiny.js" in registry.written()
