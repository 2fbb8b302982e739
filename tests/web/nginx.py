"""A real nginx with the site file of this repository, in front of a real gunicorn."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.faults.installation import REPOSITORY, Installation, wait_until
from tests.faults.servers import free_port
from tests.faults.web import Member

SITE = REPOSITORY / "deployment" / "nginx" / "photo-album.conf"
PREFIX = "/protected/"
MAIN = """
user {user};
daemon off;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    {site}
}}
"""


def find_nginx() -> str:
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        pytest.skip("nginx is not installed; scripts/test installs it")
    return found


class Nginx:
    """nginx on a free ``port`` for the server on ``backend_port``, with the files of ``media_root``."""

    installation: Installation

    def __init__(self, folder: Path, backend_port: int, media_root: Path) -> None:
        self.port, command = free_port(), find_nginx()
        folder.mkdir()
        site = SITE.read_text(encoding="utf-8")
        for stated, here in (
            (r"listen 80;", f"listen 127.0.0.1:{self.port};"),
            (r"server 127\.0\.0\.1:8000", f"server 127.0.0.1:{backend_port}"),
            (r"/var/lib/photo-album/media/", f"{media_root}/"),
        ):
            site, count = re.subn(stated, here, site)
            assert count == 1, stated
        user = pwd.getpwuid(os.geteuid()).pw_name
        config = folder / "nginx.conf"
        config.write_text(MAIN.format(user=user, folder=folder, site=site), encoding="utf-8")
        self.process = subprocess.Popen(
            [command, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
        )
        wait_until(self._answers, 15, "nginx answers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(15)

    def _answers(self) -> bool:
        try:
            return Member(self.port).get("/healthz")[0] == 200
        except OSError:
            return False
