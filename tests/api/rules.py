"""Who gets what of the API. The letters are those of tests/web/everybody.py, without the link holder:

anonymous, stranger, viewer, editor, album admin, owner, site admin
"""

from __future__ import annotations

from typing import Any

ROLES = ("anonymous", "stranger", "viewer", "editor", "album admin", "owner", "site admin")
EVERYBODY, MEMBERS = "yyyyyyy", "iyyyyyy"
SEERS, EDITORS = "inyyyyy", "inffyyy"

PHOTO: dict[str, Any] = {"ids": [0]}
"""Stands for the one photo that is not in the trash."""

API_RULES: dict[tuple[str, str], tuple[str, Any]] = {  # (method, name): (letters, body)
    ("GET", "resources"): (MEMBERS, None),
    ("GET", "me"): (MEMBERS, None),
    ("GET", "media"): (MEMBERS, None),
    ("GET", "media_item"): (SEERS, None),
    ("PATCH", "media_item"): (EDITORS, {"title": "a"}),
    ("DELETE", "media_item"): ("infffyy", None),
    ("POST", "media_restore"): ("innnnyy", None),
    ("GET", "media_similar"): (SEERS, None),
    ("POST", "media_tags"): (EDITORS, {"name": "sea"}),
    ("DELETE", "media_tag"): (EDITORS, None),
    ("POST", "media_people"): (EDITORS, {"name": "Ann"}),
    ("DELETE", "media_person"): (EDITORS, None),
    ("GET", "albums"): (MEMBERS, None),
    ("POST", "albums"): (MEMBERS, {"title": "a"}),
    ("GET", "album"): (SEERS, None),
    ("PATCH", "album"): (EDITORS, {"title": "a"}),
    ("DELETE", "album"): ("infffyy", None),
    ("GET", "album_items"): (SEERS, None),
    ("POST", "album_items"): ("infyyyy", PHOTO),
    ("POST", "album_items_remove"): ("infyyyy", PHOTO),
    ("GET", "album_members"): (SEERS, None),
    ("PUT", "album_member"): (EDITORS, {"role": "viewer"}),
    ("DELETE", "album_member"): ("inyfyyy", None),
    ("GET", "album_links"): (EDITORS, None),
    ("POST", "album_links"): (EDITORS, {}),
    ("GET", "links"): (MEMBERS, None),
    ("POST", "links"): (MEMBERS, PHOTO),
    ("GET", "link"): ("innnyyy", None),
    ("DELETE", "link"): ("innnyyy", None),
    ("GET", "tags"): (MEMBERS, None),
    ("GET", "people"): (MEMBERS, None),
    ("GET", "person"): ("innnnyy", None),
    ("PATCH", "person"): ("innnnyy", {"name": "Anna"}),
    ("DELETE", "person"): ("innnnyy", None),
    ("GET", "search"): (MEMBERS, None),
    ("POST", "uploads"): (MEMBERS, None),
    ("POST", "uploads_known"): (MEMBERS, {"sha256": ["0" * 64]}),
    ("GET", "batches"): (MEMBERS, None),
    ("POST", "batches"): ("ifffyyy", {"kind": "photo"}),
    ("GET", "batch"): ("innnyyy", None),
    ("POST", "batch_stop"): ("innnyyy", {}),
    ("GET", "settings"): ("ifffffy", None),
    ("PATCH", "settings"): ("ifffffy", {"batch_size": 30}),
    ("GET", "status"): ("ifffffy", None),
    ("GET", "schema"): (EVERYBODY, None),
}
