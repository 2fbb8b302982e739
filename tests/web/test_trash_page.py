"""The page of the trash."""

from __future__ import annotations

from django.test import Client
from django.utils import timezone

from album.models import MediaItem
from tests.cast import Cast, make_photo


def test_a_site_admin_is_told_whose_items_these_are(cast: Cast, alice_client: Client) -> None:
    make_photo(cast.alice)
    make_photo(cast.admin)
    MediaItem.objects.update(trashed_at=timezone.now())
    admin = Client()
    admin.force_login(cast.admin)
    page = admin.get("/trash/").content.decode()
    assert (page.count("Belongs to"), page.count("Belongs to alice")) == (1, 1)
    assert "belongs to" not in alice_client.get("/trash/").content.decode()
