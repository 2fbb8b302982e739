"""Upper and lower case of all letters are alike on both databases, wherever names are compared."""

from __future__ import annotations

import pytest
from django.test import Client

from album.models import Album, MediaItem
from tests.cast import Cast, make_rows


@pytest.mark.parametrize(
    ("lookup", "value", "is_found"),
    [
        ("iexact", "österreich (süd)", True), ("iexact", "ÖSTERREICH (SÜD)", True), ("iexact", "österreich", False),
        ("iexact", "ÖSTERREICH (SÜD)\n", False), ("icontains", "REICH (SÜ", True), ("icontains", "reich", True),
        ("icontains", "ö.*", False), ("icontains", "%ü", False), ("icontains", "osterreich", False),
    ],
)  # fmt: skip
def test_letters_are_compared_without_case(cast: Cast, lookup: str, value: str, is_found: bool) -> None:
    make_rows(cast.alice, 1, country="Österreich (Süd)")
    assert MediaItem.objects.filter(**{f"country__{lookup}": value}).exists() is is_found


def test_an_album_is_found_by_its_title(cast: Cast, alice_client: Client) -> None:
    album = Album.objects.create(owner=cast.alice, title="Österreich 2020")
    found = alice_client.get("/albums/", {"q": "österreich"}).context["mine"]
    assert [card.album for card in found] == [album]
