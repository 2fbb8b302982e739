"""What programs send: what can be neither kept nor told is refused before anybody reads it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.cast import Cast


@pytest.mark.parametrize(
    "body",
    [
        r'{"title": "a", "order": "\ud800"}',
        r'{"title": "a", "rule": {"city": "\ud800"}}',
        r'{"title": "a", "\udfff": 1}',
        '{"title": ' + "[" * 100_000,
    ],
)
def test_half_a_character_and_endless_nesting_are_refused_in_words(cast: Cast, body: str) -> None:
    client = Client()
    client.force_login(cast.alice)
    answer = client.post("/api/v1/albums/", body, content_type="application/json")
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]
    whole = client.post("/api/v1/albums/", r'{"title": "\ud83d\ude00"}', content_type="application/json")
    assert (whole.status_code, whole.json()["title"]) == (201, "\U0001f600")


def test_a_name_that_no_database_can_look_for_is_not_there(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.alice)
    path = f"/api/v1/albums/{cast.shared.pk}/members/bob%00/"
    assert client.put(path, {"role": "viewer"}, content_type="application/json").status_code == 404
    assert client.delete(path).status_code == 404
