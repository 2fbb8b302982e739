"""A real gunicorn of an installation, and alice, who is signed in there over HTTP."""

from __future__ import annotations

import http.client
import json
import re
import secrets
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Self

from tests.faults.installation import Installation, wait_until
from tests.faults.servers import free_port


def make_alice(installation: Installation) -> None:
    code = """
        from django.contrib.auth.models import User
        User.objects.create_user("alice", password="correct horse")
    """
    installation.python(code)


class WebServer:
    """gunicorn as scripts/run starts it; ``env`` goes to it."""

    def __init__(
        self, installation: Installation, *, application: str = "photo_album.wsgi", workers: int = 2, **env: str
    ) -> None:
        self.port, self.log = free_port(), installation.folder / "gunicorn.log"
        options = f"--config python:photo_album.gunicorn --bind 127.0.0.1:{self.port} --workers {workers}"
        options += f" --capture-output --error-logfile {self.log}"
        self.process = installation.start("-m", "gunicorn", application, *options.split(), **env)
        wait_until(self._answers, 30, "the web server answers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(90)  # requests that run are given 30 s

    def alice(self) -> Member:
        """Her browser, signed in."""
        return Member(self.port).sign_in()

    def _answers(self) -> bool:
        try:
            return Member(self.port).get("/healthz")[0] == 200
        except OSError:
            return False


@dataclass
class Member:
    """One browser with its cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> Self:
        page = self.get("/login/")[1].decode()
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
        form = f"login=alice&password=correct+horse&csrfmiddlewaretoken={token}"
        answer = self.ask("POST", "/login/", form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer[0] == 302, answer
        return self

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", path)

    def upload(self, name: str, *content: bytes) -> tuple[int, dict[str, Any]]:
        """The status, and the answer for this one file, given in pieces (or what else the server said)."""
        boundary = secrets.token_hex(16)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="uploads"; filename="{name}"\r\n\r\n'
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Accept": "application/json",
            "X-CSRFToken": self.cookies["csrftoken"],
        }
        body = (head.encode(), *content, f"\r\n--{boundary}--\r\n".encode())
        headers["Content-Length"] = str(sum(map(len, body)))
        status, answer = self.ask("POST", "/upload/", body, headers)
        try:
            return status, dict(json.loads(answer)["files"][0])
        except ValueError:
            return status, {"body": answer}

    def upload_raw(self, name: str, *content: bytes) -> tuple[int, dict[str, Any]]:
        """The same as the upload page's script does it: the file is the body."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(sum(map(len, content))),
            "Accept": "application/json",
            "X-CSRFToken": self.cookies["csrftoken"],
        }
        status, answer = self.ask("POST", f"/upload/?name={name}", content, headers)
        return status, dict(json.loads(answer)["files"][0])

    def begin_upload(self, name: str, size_bytes: int) -> str:
        """The address to which the pieces of a file go."""
        stated = {
            "Upload-Length": str(size_bytes),
            "Upload-Metadata": f"filename {b64encode(name.encode()).decode()}",
        }
        return self.tus("POST", "/upload/files/", headers=stated)[1]["Location"]

    def send_piece(self, address: str, content: bytes, offset: int) -> dict[str, Any]:
        """What became of the file, after its last piece."""
        stated = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return dict(json.loads(self.tus("PATCH", address, content, stated)[1]["Upload-Result"]))

    def tus(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Message]:
        """Status and headers of an answer of the protocol for uploads in pieces."""
        said = {"Tus-Resumable": "1.0.0", "X-CSRFToken": self.cookies["csrftoken"], **(headers or {})}
        said["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, path, body, said)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | tuple[bytes, ...] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, path, body, {"Cookie": cookie, **(headers or {})})
            answer = connection.getresponse()
            for header in answer.headers.get_all("Set-Cookie", []):
                name, _, value = header.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read()
