"""Power cuts in the middle of uploads: what was acknowledged is there, byte for byte."""

from __future__ import annotations

import http.client
import random
import threading

from tests.deployment.album import DATA, Album, Visitor, photo, sha256
from tests.deployment.machine import wait_until

CUTS = 5
CHECK = f"""
import sqlite3
print(*[row[0] for row in sqlite3.connect("{DATA}/photo_album.sqlite3").execute("PRAGMA integrity_check")])
"""


def upload_until_the_end(alice: Visitor, acknowledged: dict[str, str], ended: threading.Event) -> None:
    """Uploads until nobody answers; notes what the album said that it has."""
    while not ended.is_set():
        content = photo(random.choice([320, 1600]))
        try:
            status, answer = alice.upload(f"{sha256(content)[:12]}.jpg", content)
        except (OSError, ValueError, http.client.HTTPException):  # also in the middle of an answer
            return
        if status == 201 and answer.get("status") == "stored":
            acknowledged[sha256(content)] = answer["name"]


def test_acknowledged_uploads_survive_power_cuts(album: Album) -> None:
    moments = random.Random(20261121)
    acknowledged: dict[str, str] = {}
    for _ in range(CUTS):
        known = len(acknowledged)
        alice, ended = album.alice(), threading.Event()
        upload = threading.Thread(target=upload_until_the_end, args=(alice, acknowledged, ended))
        upload.start()
        wait_until(lambda: len(acknowledged) > known, 60, "an upload is acknowledged")  # noqa: B023 # used at once
        ended.wait(moments.uniform(0, 3))
        album.machine.cut_power()
        ended.set()
        upload.join(150)

        album.machine.boot()
        wait_until(album.answers, 60, "the web server answers")
        assert album.machine.out(f"/var/www/photo_album/venv/bin/python -c '{CHECK}'") == "ok"
        rows = album.ask("{row.sha256: row.original.path for row in MediaItem.objects.all()}")
        assert set(acknowledged) <= set(rows)
        broken = [path for known, path in rows.items() if sha256(album.machine.path(path).read_bytes()) != known]
        assert broken == []
    print(f"{len(acknowledged)} acknowledged uploads, {CUTS} power cuts")
