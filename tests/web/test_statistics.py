"""The page of numbers."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from album.models import BatchRun, ItemTag, MediaItem, Stage, StageResult, Status, Tag
from album.services.statistics import statistics_of
from tests.cast import Cast, make_photo, make_rows

PAGE = "/statistics/"


@pytest.fixture(autouse=True)
def _forget(db: None) -> None:
    cache.clear()


def page_for(user) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return " ".join(str(answer.content, "utf-8").split())


def plot(page: str, name: str) -> dict[str, list[Any]]:
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found[1]))


def came_in(items: list[MediaItem], moment: datetime) -> None:
    MediaItem.objects.filter(pk__in=[item.pk for item in items]).update(created_at=moment)


def test_members_get_it_others_sign_in(cast: Cast) -> None:
    for user in (cast.alice, cast.bob, cast.charlie, cast.dora, cast.admin):
        assert "Statistics" in page_for(user)
    assert Client().get(PAGE).status_code == 302
    client = Client()
    client.force_login(cast.alice)
    assert client.post(PAGE).status_code == 405


def test_people_see_their_own_numbers_site_admins_all(cast: Cast, settings) -> None:
    settings.MEDIA_ROOT.mkdir(parents=True)
    make_rows(cast.alice, 3, size_bytes=1000, camera="Alice's Leica")
    make_rows(cast.charlie, 2, size_bytes=1000, camera="Charlie's Canon")
    own = page_for(cast.alice)
    assert "<b>3</b><span>photos" in own
    assert "Charlie&#x27;s Canon" not in own
    everything = page_for(cast.admin)
    assert "<b>5</b><span>photos" in everything
    assert "Alice&#x27;s Leica" in everything
    assert "Latest batches" not in own
    assert "free of" in everything
    assert "free of" not in own


def test_bob_to_whom_an_album_is_shown_is_told_nothing_of_it(cast: Cast) -> None:
    make_photo(cast.alice, album=cast.shared, camera="Secret")
    assert "Nothing to count yet" in page_for(cast.bob)


def test_growth_is_drawn_for_each_month_with_gaps_filled(cast: Cast) -> None:
    came_in(make_rows(cast.alice, 3), datetime(2025, 11, 30, 23, 59, tzinfo=UTC))
    came_in(make_rows(cast.alice, 2, kind="video"), datetime(2026, 2, 1, tzinfo=UTC))
    page = page_for(cast.alice)
    drawn = plot(page, "growth-data")
    assert drawn["labels"] == ["Month", "Photos", "Videos"]
    times, photos, videos = drawn["data"]
    assert [f"{datetime.fromtimestamp(at, UTC):%Y-%m}" for at in times] == [
        "2025-10",
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]
    assert (photos, videos) == ([0, 3, 3, 3, 3], [0, 0, 0, 0, 2])
    assert '<th scope="row">November 2025</th><td class="number">3</td><td class="number">0</td>' in page


def test_what_is_in_the_trash_is_not_counted(cast: Cast) -> None:
    make_rows(cast.alice, 2)
    make_rows(cast.alice, 4, trashed_at=timezone.now())
    make_rows(cast.alice, 1, archived_at=timezone.now())
    assert "<b>3</b><span>photos" in page_for(cast.alice)


def test_nights_are_drawn_day_by_day(cast: Cast) -> None:
    now = timezone.now()
    make_rows(cast.alice, 5, processing_status=Status.COMPLETED, processed_at=now - timedelta(days=1))
    make_rows(cast.alice, 7, processing_status=Status.COMPLETED, processed_at=now - timedelta(days=90))
    page = page_for(cast.alice)
    times, counts = plot(page, "nights-data")["data"]
    assert (len(times), sum(counts), counts[-2]) == (61, 5, 5)


def test_failures_are_counted_by_their_reason(cast: Cast) -> None:
    items = make_rows(cast.alice, 3, processing_status=Status.FAILED)
    reasons = ["Too <i>dark</i>.", "Too <i>dark</i>.", "No memory."]
    StageResult.objects.bulk_create(
        StageResult(item=item, stage=Stage.CAPTION, state=Status.FAILED, error=reason)
        for item, reason in zip(items, reasons, strict=True)
    )
    page = page_for(cast.alice)
    first, second = re.findall(r'class="reason">(.*?)</th><td>(.*?)</td><td class="number">(\d+)', page)
    assert first == ("Too &lt;i&gt;dark&lt;/i&gt;.", "Description", "2")
    assert second[2] == "1"
    assert "Nothing has failed." in page_for(cast.charlie) or "Nothing to count" in page_for(cast.charlie)


def test_tags_are_counted_once_per_item_and_removed_ones_not(cast: Cast) -> None:
    dog, cat = Tag.objects.create(name='d"o&g'), Tag.objects.create(name="cat")
    one, two = make_rows(cast.alice, 2)
    for source in (ItemTag.Source.CAPTION, ItemTag.Source.ZERO_SHOT):
        ItemTag.objects.create(item=one, tag=dog, source=source)
    ItemTag.objects.create(item=two, tag=dog, source=ItemTag.Source.PERSON)
    ItemTag.objects.create(item=two, tag=cat, source=ItemTag.Source.REMOVED)
    page = page_for(cast.alice)
    assert re.search(r'd&quot;o&amp;g</(a|span)><b class="number">2</b>', page)
    assert ">cat<" not in page


def test_the_size_of_renditions_is_estimated_from_some(cast: Cast, settings) -> None:
    items = [make_photo(cast.alice, seed=seed) for seed in range(2)]
    make_rows(cast.alice, 2)  # nothing was made of these
    folders = {
        Path(settings.MEDIA_ROOT, "renditions", item.sha256[:2], item.sha256[2:4], item.sha256) for item in items
    }
    size = sum(file.stat().st_size for folder in folders for file in folder.iterdir())

    assert size > 0
    assert statistics_of(cast.alice).renditions_bytes == size


def test_site_admins_see_how_the_latest_batches_ended(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    now = timezone.now()
    values = {"kind": "photo", "trigger": "schedule", "started_at": now, "state": "finished"}
    BatchRun.objects.create(stop_reason="window", items_completed=17, **values)
    BatchRun.objects.create(stop_reason="done", **values)
    assert "End of the window reached" in page_for(cast.admin)
    assert "Nothing left to do" not in page_for(cast.admin), "nights without work are no news"
    assert "End of the window reached" not in page_for(cast.alice)


def test_the_second_look_counts_nothing_again(cast: Cast, django_assert_max_num_queries) -> None:
    make_rows(cast.alice, 30, camera="Leica")
    client = Client()
    client.force_login(cast.alice)
    with django_assert_max_num_queries(20):  # five of them of the cache in the database
        client.get(PAGE)
    with django_assert_max_num_queries(4):
        client.get(PAGE)
