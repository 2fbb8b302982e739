"""A whole installation in a folder: own database, media and settings, driven as an administrator would."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
MIGRATED: list[bytes] = []
"""An empty SQLite file with all tables. To migrate costs seconds of CPU, and this is done 150 times."""

MAKE_PHOTOS = """
    import hashlib, io
    from django.contrib.auth.models import User
    from PIL import Image
    from album.services.ingest import ingest_upload
    owner, _ = User.objects.get_or_create(username="alice")
    for n in range({count}):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (n % 256, n // 256 % 256, n // 65536)).save(file, "PNG")
        file.seek(0)
        ingest_upload(owner=owner, file=file, name=f"photo-{{n}}.png")
"""

MAKE_ROWS = """
    import os, shutil
    from album.models import MediaItem
    from album.preparation.paths import rendition_path
    from album.preparation.prepare import prepare_item
    one = prepare_item(MediaItem.objects.get())
    rows = MediaItem.objects.bulk_create(
        MediaItem(owner=one.owner, kind=one.kind, original=one.original.name, original_name=f"row-{{n}}.png",
                  sha256=f"{{n:064x}}", size_bytes=one.size_bytes, mime_type=one.mime_type, preview_status="ready")
        for n in range({count} - 1)
    )
    for row in rows:
        shutil.copytree(rendition_path(one, ""), rendition_path(row, ""), copy_function=os.link)
"""


@dataclass
class Installation:
    """``env`` goes to every process; ``processes`` are ended by the fixture; ``prefix`` starts each of them."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.env = {
            **keep,
            "PHOTO_ALBUM_VAR_DIR": str(self.folder / "var"),
            "PHOTO_ALBUM_ENV_FILE": "/dev/null",
            "MODELS_CACHE_DIR": str(self.folder / "models"),
            "PYTHONUNBUFFERED": "1",
            **self.env,
        }
        self._make_database()

    def _make_database(self) -> None:
        """The tables as ``manage.py migrate`` makes them: in SQLite once a process, then copies of the file."""
        database = Path(self.env["PHOTO_ALBUM_VAR_DIR"], "photo_album.sqlite3")
        if MIGRATED and "DATABASE_URL" not in self.env:
            database.parent.mkdir(parents=True, exist_ok=True)
            database.write_bytes(MIGRATED[0])
            return
        self.manage("migrate", "--verbosity", "0")
        if database.is_file():
            with closing(sqlite3.connect(database)) as connection:
                MIGRATED.append(connection.serialize())

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """A running process of this installation; its output is one text pipe."""
        process = subprocess.Popen(
            [*self.prefix, sys.executable, *command],
            cwd=REPOSITORY,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_manage(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return self.start("manage.py", *arguments, **env)

    def manage(self, *arguments: str, expected: int = 0, **env: str) -> str:
        """The output of a management command, which must end with ``expected``."""
        process = self.start_manage(*arguments, **env)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == expected, output
        return output

    def python(self, code: str) -> str:
        return self.manage("shell", "--verbosity", "0", "-c", textwrap.dedent(code))

    def ask(self, expression: str) -> Any:
        """The value of a Python expression over the models, by way of JSON."""
        imports = "import json\nfrom django.db.models import *\nfrom album.models import *\n"
        code = f"{imports}print(json.dumps({expression}))"
        return json.loads(self.python(code).strip().splitlines()[-1])

    def make_photos(self, count: int) -> None:
        self.python(MAKE_PHOTOS.format(count=count))

    def make_rows(self, count: int) -> None:
        """``count`` pending photos that share one file: for tests about many rows."""
        self.make_photos(1)
        self.python(MAKE_ROWS.format(count=count))

    def statuses(self) -> dict[str, int]:
        """How many items have each status."""
        counts = "dict(MediaItem.objects.values_list('processing_status').annotate(n=Count('pk')))"
        return dict(self.ask(counts))

    def end(self) -> None:
        """Ends what is still running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns when the condition holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.25)
    raise AssertionError(f"not within {seconds} s: {what}")
