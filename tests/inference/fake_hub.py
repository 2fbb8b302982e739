"""A model hub on loopback: answers as the real one does for ``/{repository}/resolve/{revision}/{path}``."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """Files by path, and how to misbehave. ``asked`` lists method, path and Range of each request."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    cut_after_bytes: int | None = None
    """Resets the connection after so many bytes of a body."""
    stop_after_bytes: int | None = None
    """Ends a body early and cleanly, announcing the shorter length."""
    tampered: dict[str, bytes] = field(default_factory=dict)
    """Other content of the same length, sent under the announced hash."""
    status: int = 200
    endpoint: str = ""

    def bodies_sent(self) -> list[tuple[str, str | None]]:
        """Path and Range of each GET."""
        return [(path, wanted) for method, path, wanted in self.asked if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._send(self._answer())

    def _answer(self) -> bytes:
        """The body; status and headers are sent."""
        path = self.path.partition("/resolve/")[2].partition("/")[2]
        wanted = self.headers.get("Range")
        self.hub.asked.append((self.command, path, wanted))
        content = self.hub.files.get(path)
        if content is None or self.hub.status != 200:
            self._refuse(404 if self.hub.status == 200 else self.hub.status)
            return b""
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        body = self.hub.tampered.get(path, content)[start:]
        if self.command == "GET":
            body = body[: self.hub.stop_after_bytes]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"' + hashlib.sha256(content).hexdigest() + '"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.end_headers()
        return body

    def _send(self, body: bytes) -> None:
        if self.hub.cut_after_bytes is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: self.hub.cut_after_bytes])
        self.wfile.flush()
        time.sleep(0.3)  # a reset throws away what the other side has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def finish(self) -> None:
        with suppress(OSError):  # the connection that was reset above
            super().finish()


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """A hub that listens on loopback until the end of the block."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
