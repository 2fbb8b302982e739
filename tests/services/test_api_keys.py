"""Keys of programs: what is kept of them, whom they let in, and when they no longer do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from album.exceptions import AccountError
from album.models import ApiKey
from album.services.api_keys import create_key, find_key, revoke_key
from tests.cast import Cast


def test_a_key_is_found_by_its_text_and_kept_as_a_hash_only(cast: Cast) -> None:
    key, text = create_key(user=cast.alice, name="backup", scopes=["upload", "read"])

    found = find_key(text)

    assert found is not None and found.user == cast.alice and found.scopes == ["read", "upload"]
    assert text.startswith(key.prefix) and len(text) == 46
    assert not any(text in str(value) for value in ApiKey.objects.filter(pk=key.pk).values_list().get())


@pytest.mark.parametrize("text", ["", "pa_", "pa_\0", "é" * 300, "\ud800", "' OR 1=1 --"])
def test_nonsense_finds_no_key(cast: Cast, text: str) -> None:
    create_key(user=cast.alice, name="backup", scopes=["read"])

    assert find_key(text) is None


def test_an_expired_key_a_revoked_one_and_one_of_a_deactivated_account_open_nothing(cast: Cast) -> None:
    expired, expired_text = create_key(
        user=cast.alice, name="old", scopes=["read"], expires_at=timezone.now() + timedelta(days=1)
    )
    revoked, revoked_text = create_key(user=cast.alice, name="lost", scopes=["read"])
    _, left_text = create_key(user=cast.bob, name="left", scopes=["read"])
    assert all(map(find_key, (expired_text, revoked_text, left_text)))

    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    assert not revoke_key(user=cast.bob, pk=revoked.pk)  # somebody else's
    assert revoke_key(user=cast.alice, pk=revoked.pk)
    type(cast.bob).objects.filter(pk=cast.bob.pk).update(is_active=False)

    assert not any(map(find_key, (expired_text, revoked_text, left_text)))


def test_the_last_use_is_written_once_a_minute(cast: Cast) -> None:
    key, text = create_key(user=cast.alice, name="frame", scopes=["read"])
    find_key(text)

    with CaptureQueriesContext(
        connection,
    ) as asked:
        find_key(text)
    assert len(asked) == 1

    before = timezone.now() - timedelta(seconds=61)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=before)
    find_key(text)
    key.refresh_from_db()
    assert key.last_used_at is not None and key.last_used_at > before


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", ["read"], None),
        ("x" * 81, ["read"], None),
        ("a\0b", ["read"], None),
        ("a", [], None),
        ("a", ["root"], None),
        ("a", ["read"], -1),
        ("a", ["admin"], None),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_words(
    cast: Cast, name: str, scopes: list[str], days: int | None
) -> None:
    expires_at = None if days is None else timezone.now() + timedelta(days=days)

    with pytest.raises(AccountError, match=r"\w+ \w+"):
        create_key(user=cast.alice, name=name, scopes=scopes, expires_at=expires_at)
    assert not ApiKey.objects.exists()


def test_nobody_collects_keys_without_end(cast: Cast) -> None:
    ApiKey.objects.bulk_create(ApiKey(user=cast.alice, name="x", key_sha256=f"{n:064}") for n in range(50))

    with pytest.raises(AccountError, match="Revoke one first"):
        create_key(user=cast.alice, name="one more", scopes=["read"])
