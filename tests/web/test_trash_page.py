"""The page of the trash."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("path, left", [("/trash/restore/", (2, 1)), ("/trash/empty/", (1, 1))])
def test_a_site_admin_clears_the_own_trash_and_no_other(cast: Cast, path: str, left: tuple[int, int]) -> None:
    make_photo(cast.alice)
    make_photo(cast.admin)
    MediaItem.objects.update(trashed_at=timezone.now())
    admin = Client()
    admin.force_login(cast.admin)
    assert "Empty the trash" in admin.get("/trash/").content.decode()
    assert b"1 item is " in admin.post(path, follow=True).content
    assert "Empty the trash" not in admin.get("/trash/").content.decode()
    items = MediaItem.objects.filter(owner__in=[cast.alice, cast.admin])
    assert (items.count(), items.filter(trashed_at__isnull=False, owner=cast.alice).count()) == left
