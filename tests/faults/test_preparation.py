"""Preparation on each database: no file stops that of the others, and pairs find each other."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image

from tests.faults.installation import Installation
from tests.faults.servers import postgresql
from tests.media.video_files import write_video

KEYWORDS = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:subject><rdf:Bag><rdf:li>{"İ" * 80}</rdf:li></rdf:Bag>
</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""

PREPARE_BOTH_AT_ONCE = """
    from threading import Barrier, Thread
    from django.db import connection
    from album.media.facts import FileFacts
    from album.media.inspection import Inspection
    from album.models import MediaItem
    from album.preparation import rows

    before_commit, write_keywords = Barrier(2, timeout=30), rows._write_keywords

    def write_together(*arguments):
        write_keywords(*arguments)
        before_commit.wait()

    def write(item):
        inspection = Inspection(FileFacts(content_identifier="6A19-C0"), None, "")
        rows.write_inspection(item, inspection, with_facts=True, is_final=True)
        connection.close()

    rows._write_keywords = write_together
    MediaItem.objects.filter(original_name="photo-1.png").update(kind="video")
    threads = [Thread(target=write, args=[item]) for item in MediaItem.objects.all()]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def png_that_states(side_px: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def test_no_statement_of_a_file_stops_the_import(
    installation_on_each_database: Installation, tmp_path: Path
) -> None:
    folder, picture = tmp_path / "camera", Image.new("RGB", (60, 40), "red")
    folder.mkdir()
    (folder / "a.png").write_bytes(png_that_states(2**32 - 1))
    picture.save(folder / "b.jpg", xmp=KEYWORDS.encode())
    write_video(folder / "c.mp4", ["red", "blue"], metadata={"title": "x" * 300, "keywords": "y" * 300})
    picture.save(folder / "d.png")
    installation = installation_on_each_database
    installation.python("from django.contrib.auth.models import User; User.objects.create(username='alice')")

    installation.manage("import_folder", str(folder), "--owner", "alice", "--no-progress")

    rows = "list(MediaItem.objects.order_by('original_name').values_list('preview_status', 'width_px', 'title'))"
    assert installation.ask(rows) == [
        ["none", None, ""],
        ["ready", 60, ""],
        ["ready", 160, "x" * 200],
        ["ready", 60, ""],
    ]
    keywords = installation.ask("sorted(Tag.objects.values_list('name', flat=True))")
    assert [len(keyword) for keyword in keywords] == [80, 80]


def test_the_halves_of_an_apple_photo_find_each_other_when_both_are_prepared_at_once(tmp_path: Path) -> None:
    with postgresql() as url:  # SQLite lets one write after the other
        installation = Installation(tmp_path, {"DATABASE_URL": url})
        installation.make_photos(2)
        installation.python(PREPARE_BOTH_AT_ONCE)
        pairs = installation.ask(
            "list(MediaItem.objects.exclude(clip_of=None).values_list('kind', 'clip_of__kind'))"
        )
        installation.end()
    assert pairs == [["video", "photo"]]
