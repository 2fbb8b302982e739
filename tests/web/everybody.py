"""Everybody who may stand before the album, each in a browser, and one of everything that addresses are about."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils import timezone

from album.models import ApiKey, BatchRun, ImageJob, Invitation, MediaItem, Person, ShareLink
from album.services.resumable import begin_upload
from tests.cast import Cast, make_photo, make_rows

ROLES = ("anonymous", "link holder", "stranger", "viewer", "editor", "album admin", "owner", "site admin")
TOKEN = "t" * 43
LETTERS = {401: "i", 403: "f", 404: "n", 405: "-"}


def letter_of(answer: Any) -> str:
    """What the answer says: ``i`` sign in, ``f`` forbidden, ``n`` no such thing, ``-`` no such method, ``y`` yes.

    "Yes" is also "this form is not filled in": what was asked is known, and who asks may ask it. ``!`` is a fault.
    """
    if answer.status_code >= 500:
        return "!"
    is_sign_in = answer.status_code == 302 and "/login/" in answer.headers["Location"].partition("?")[0]
    return "i" if is_sign_in else LETTERS.get(answer.status_code, "y")


def addresses() -> dict[str, tuple[str, URLPattern]]:
    """The route of every address, by its name with its namespace; by the route itself where it has no name."""
    found: dict[str, tuple[str, URLPattern]] = {}

    def walk(resolver: URLResolver, namespace: str, start: str) -> None:
        for entry in resolver.url_patterns:
            route = f"{start}{entry.pattern}"
            if isinstance(entry, URLResolver):
                walk(entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace, route)
            else:
                found[f"{namespace}{entry.name}" if entry.name else route] = (route, entry)

    walk(get_resolver(), "", "")
    return found


def ask(client: Client, method: str, path: str, body: str = "") -> Any:
    """The answer, read to its end; whatever it did to rows and cookies is undone."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        answer = client.generic(
            method, path, body.encode(), "application/x-www-form-urlencoded", headers={"Tus-Resumable": "1.0.0"}
        )
        b"".join(answer)
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


@dataclass(frozen=True, slots=True)
class World:
    """One of each thing, all of it alice's; what can be shared lies in the album that bob, eve and dora see.

    ``things``: what stands in an address, by the beginning of its route, the longest first; else it is the photo.
    """

    cast: Cast
    editor: User
    photo: MediaItem
    things: dict[str, Any]

    def browser(self, role: str) -> Client:
        """The browser of somebody in that role."""
        client, cast = Client(raise_request_exception=False), self.cast
        people = (cast.charlie, cast.bob, self.editor, cast.dora, cast.alice, cast.admin)
        if role == "link holder":
            assert client.get(f"/s/{TOKEN}/").status_code == 200
        elif role != "anonymous":
            client.force_login(people[ROLES.index(role) - 2])
        return client

    def path_of(self, route: str, entry: URLPattern) -> str:
        """The address with the things of this world in it."""
        thing = next((thing for start, thing in self.things.items() if route.startswith(start)), self.photo.pk)
        if not isinstance(entry.pattern, RoutePattern):
            return str(thing)
        values = thing if isinstance(thing, dict) else {"pk": thing}
        for part in [f"<{text.partition('>')[0]}>" for text in route.split("<")[1:]]:
            name = part.strip("<>").rpartition(":")[2]
            route = route.replace(
                part, str(values.get(name, self.photo.pk if name in ("pk", "object_id", "id") else "x"))
            )
        return f"/{route}"


def make_world(cast: Cast, moving: bytes) -> World:
    """The world, with the video file ``moving``."""
    alice, shared = cast.alice, cast.shared
    editor = User.objects.create_user("eve", password="correct horse")
    shared.editors.add(editor)
    photo = make_photo(alice, album=shared, motion_offset=0, motion_size_bytes=9)
    video = make_photo(alice, album=shared, content=moving, original_name="v.mp4")
    (trashed,) = make_rows(alice, 1, trashed_at=timezone.now())
    sha256, soon = hashlib.sha256(TOKEN.encode()).hexdigest(), timezone.now() + timedelta(days=1)
    link = ShareLink.objects.create(created_by=alice, album=shared, token_sha256=sha256, may_download=True)
    person = Person.objects.create(owner=alice, name="Ann")
    invitation = Invitation.objects.create(token_sha256=sha256, invited_by=cast.admin, expires_at=soon)
    upload = begin_upload(owner=alice, name="a.jpg", size_bytes=9)
    run = {
        kind: BatchRun.objects.create(kind=kind, trigger="on-demand", album=shared, requested_by=alice).pk
        for kind in ("photo", "video")
    }
    key = ApiKey.objects.create(user=alice, name="k", prefix="pa_", key_sha256=sha256, scopes=["read"])
    job = ImageJob.objects.create(owner=alice, original_image=ContentFile(b"a", "a.jpg"))
    things: dict[str, Any] = {
        "media/<int:pk>/playback/": video.pk,
        "media/<int:pk>/animation/": video.pk,
        "media/<int:pk>/edit/": {"what": "words"},
        "trash/": trashed.pk,
        "albums/": shared.pk,
        "links/": link.pk,
        "s/<str:token>/video/": {"token": TOKEN, "pk": video.pk},
        "s/": {"token": TOKEN},
        "join/": {"token": TOKEN},
        "people/": person.pk,
        "account/keys/": key.pk,
        "account/invitations/": invitation.pk,
        "upload/files/": upload.pk,
        "process-photos-ai/": run["photo"],
        "process-videos-ai/": run["video"],
        "jobs/": {"job_id": job.pk, "name": job.original_name},
        "^accounts/password/reset/key/": "/accounts/password/reset/key/1-set-password/",
        "admin/^": "/admin/album/",
        "admin/(": "/admin/nothing/",
    }
    return World(cast, editor, photo, things)
