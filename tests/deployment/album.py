"""The album on a machine: installed by its installer, used over HTTP, looked at as an administrator would."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import shlex
import textwrap
from dataclasses import dataclass
from email.message import Message
from typing import Any

from PIL import Image

from tests.deployment.machine import DATA, Machine, wait_until
from tests.deployment.tree import CHECKOUT, copy_checkout
from tests.faults.web import Member

APP = "/var/www/photo_album"
WEB, WORKER, BEAT = "photo-album-web", "photo-album-celery-worker", "photo-album-celery-beat"
UNITS = (WEB, WORKER, BEAT)
PORT = 8000
INSTALLER = f"cd /{CHECKOUT} && ./deployment/setup_celery_systemd.sh"
RESIDENT = """
import pathlib, subprocess, sys
total = 0
for unit in sys.argv[1:]:
    group = subprocess.check_output(["systemctl", "show", "-p", "ControlGroup", "--value", unit], text=True).strip()
    for place in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
        file = pathlib.Path(f"{place}{group}/cgroup.procs")
        if file.exists():
            break
    size = 0
    for pid in file.read_text().split():
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        size += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    print(f"{unit}: {size / 1024:.0f} MiB PSS")
    total += size
print(total / 1024)
"""


class Album:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def install(self, *flags: str, **env: str) -> str:
        """What the installer said; it must succeed."""
        line = shlex.join(["--yes", "--no-model", *flags])
        return self.machine.out(f"{INSTALLER} {line}", timeout=900, env=env)

    def first_install(self) -> str:
        """Installs from a clean checkout; alice may sign in afterwards."""
        copy_checkout(self.machine.tree)
        said = self.install(ADMIN_USER="admin", ADMIN_EMAIL="admin@example.org", ADMIN_PASSWORD="a long enough one")
        self.python("User.objects.create_user('alice', password='correct horse')")
        return said

    def manage(self, arguments: str, *, timeout: float = 120) -> str:
        line = f"cd {APP} && runuser -u www-data -- venv/bin/python manage.py {arguments}"
        return self.machine.out(line, timeout=timeout)

    def python(self, code: str) -> str:
        """The last line that this code prints; the models are there by name."""
        said = self.manage(f"shell --verbosity 0 -c {shlex.quote(IMPORTS + textwrap.dedent(code))}")
        return said.strip().rpartition("\n")[2]

    def ask(self, expression: str) -> Any:
        """The value of a Python expression over the models, by way of JSON."""
        return json.loads(self.python(f"import json; print(json.dumps({expression}))"))

    def alice(self) -> Visitor:
        """Her browser, signed in."""
        visitor = Visitor(PORT, machine=self.machine)
        visitor.sign_in()
        return visitor

    def answers(self) -> bool:
        """Whether the web server says that it is well."""
        try:
            return Visitor(PORT, machine=self.machine).get("/healthz")[0] == 200
        except OSError:
            return False

    def status_of(self, item: int) -> str:
        return str(self.ask(f"MediaItem.objects.get(pk={item}).processing_status"))

    def begin_batch(self) -> None:
        """Asks the worker for what it does at two in the morning."""
        self.python("from album.tasks import process_pending_photos_batch as b; b.delay()")

    def wait_for(self, items: list[int], seconds: float = 240) -> None:
        """Returns when these items are completed."""
        where = f"MediaItem.objects.filter(pk__in={items}).exclude(processing_status='completed')"

        def words() -> str:
            return str(self.ask(f"list({where}.values_list('pk', 'processing_status'))"))

        wait_until(lambda: self.ask(f"{where}.count()") == 0, seconds, words)

    def active(self) -> list[str]:
        """The state of each unit, in the order of UNITS."""
        return self.machine.run(f"systemctl is-active {' '.join(UNITS)}")[1].split()

    def restarts(self, unit: str) -> int:
        """How often systemd started it again by itself."""
        return int(self.machine.show(unit, "NRestarts"))

    def resident_mib(self) -> tuple[float, str]:
        """Proportional share of memory of the whole appliance, and the same for each unit in words."""
        said = self.machine.out(f"{APP}/venv/bin/python -c {shlex.quote(RESIDENT)} {' '.join(UNITS)} redis-server")
        words, _, total = said.rpartition("\n")
        return float(total), words


IMPORTS = """
from django.contrib.auth.models import User
from django.db.models import *
from album.models import *
"""


@dataclass
class Visitor(Member):
    """A browser in the machine's network."""

    machine: Machine | None = None

    def ask(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        assert self.machine is not None
        with self.machine.network():
            return super().ask(*arguments, **options)

    def tus(self, *arguments: Any, **options: Any) -> tuple[int, Message]:
        assert self.machine is not None
        with self.machine.network():
            return super().tus(*arguments, **options)


def photo(width_px: int = 320) -> bytes:
    """A JPEG that is like no other."""
    file = io.BytesIO()
    noise = Image.frombytes("RGB", (8, 8), secrets.token_bytes(192))
    noise.resize((width_px, width_px * 3 // 4), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


__all__ = ["APP", "BEAT", "DATA", "UNITS", "WEB", "WORKER", "Album", "Visitor", "photo", "sha256"]
