"""A batch for an album takes what lies there: put in by hand, or let in by a rule."""

from __future__ import annotations

import pytest

from album.batches.ledger import claimable, items_in_scope, open_ledger
from album.batches.options import BatchOptions
from album.models import Album, Stage
from album.models.media import Kind
from tests.cast import Cast, make_rows


@pytest.mark.parametrize("rule", [None, {"city": "Graz"}])
def test_what_lies_in_the_album_and_nothing_else(cast: Cast, rule: dict[str, str] | None) -> None:
    inside, _outside = make_rows(cast.alice, 1, city="Graz") + make_rows(cast.alice, 1, city="Wien")
    make_rows(cast.bob, 1, city="Graz")
    album = Album.objects.create(owner=cast.alice, title="Scope", rule=rule)
    if rule is None:
        album.items.add(inside)
    options = BatchOptions(Kind.PHOTO, album_id=album.pk)
    assert list(items_in_scope(options)) == [inside]
    open_ledger(BatchOptions(Kind.PHOTO), {Stage.EMBED: ("encoder", "1")})
    assert [result.item for result in claimable(options, [Stage.EMBED])] == [inside]


def test_an_album_that_is_gone_has_nothing_to_do(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    assert not items_in_scope(BatchOptions(Kind.PHOTO, album_id=cast.shared.pk + 1)).exists()
