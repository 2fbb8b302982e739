"""The list page: order, search, filters, pages, and a number of queries that does not grow."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from album.models import ItemTag, MediaItem, Status, Tag
from tests.cast import Cast, make_rows


def shown(answer) -> list[int]:
    """The ids of the items on the page, in order."""
    return [int(pk) for pk in re.findall(r'class="picture" href="/media/(\d+)/"', answer.content.decode())]


def tag_all(items: list[MediaItem], name: str, *sources: str) -> None:
    tag = Tag.objects.create(name=name)
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source=source) for item in items for source in sources)


def test_newest_first_by_when_it_was_taken_or_came(cast: Cast, alice_client: Client) -> None:
    (old,) = make_rows(cast.alice, 1, taken_at=datetime(2001, 1, 1, tzinfo=UTC))
    (undated,) = make_rows(cast.alice, 1)
    (newer,) = make_rows(cast.alice, 1, taken_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert shown(alice_client.get("/")) == [undated.pk, newer.pk, old.pk]


def test_a_card_says_what_is_known(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 1, ai_description="two red <circles>", original_name="a.jpg")
    tag_all(items, "circle", "caption", "zero-shot")
    page = alice_client.get("/").content.decode()
    assert 'alt="two red &lt;circles&gt;"' in page
    assert page.count(">circle</a>") == 1
    assert "Pending" in page


def test_people_find_by_text_and_by_status(cast: Cast, alice_client: Client) -> None:
    (found,) = make_rows(cast.alice, 1, ai_description="two red circles", processing_status=Status.COMPLETED)
    (failed,) = make_rows(cast.alice, 1, ai_description="a red star", processing_status=Status.FAILED)
    make_rows(cast.charlie, 1, ai_description="two red circles")
    assert shown(alice_client.get("/", {"q": "circles red"})) == [found.pk]
    assert shown(alice_client.get("/", {"q": "red", "status": "failed"})) == [failed.pk]
    assert len(shown(alice_client.get("/", {"status": "no such"}))) == 2
    nothing = alice_client.get("/", {"q": '<script>"'})
    assert b"<script>" not in nothing.content
    assert b"Nothing matches" in nothing.content


@pytest.mark.parametrize("page", ["2", "99", "last", "-1", ""])
def test_pages_hold_sixty_items_whatever_is_asked(cast: Cast, alice_client: Client, page: str) -> None:
    make_rows(cast.alice, 70)
    expected = 10 if page in {"2", "99", "-1"} else 60
    assert len(shown(alice_client.get("/", {"page": page, "q": "row"}))) == expected


def count_queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_queries_do_not_grow_with_the_rows(cast: Cast, alice_client: Client) -> None:
    tag_all(make_rows(cast.alice, 2), "circle", "caption")
    few = count_queries(alice_client, "/?q=row")
    tag_all(make_rows(cast.alice, 50), "star", "caption", "detector")
    assert count_queries(alice_client, "/?q=row") == few <= 5
