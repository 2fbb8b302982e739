"""Sessions and users that are read by hand are those that Django would read."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from album.models import Preferences
from album.web.account_adapter import Members
from photo_album.sessions import SessionStore
from tests.cast import Cast


def test_a_session_is_read_until_it_ends(cast: Cast) -> None:
    written = DjangoStore()
    written["basket"] = ["ä", 1]
    written.save()
    assert SessionStore(written.session_key)["basket"] == ["ä", 1]
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    ended = SessionStore(written.session_key)
    assert (ended.get("basket"), ended.session_key) == (None, None)
    assert SessionStore("nothing like it").get("basket") is None


def test_signing_out_ends_the_session_everywhere(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.alice)
    other = Client()
    other.cookies = client.cookies.copy()  # type: ignore[assignment]
    client.post("/logout/")
    assert other.get("/").status_code == 302


def test_a_user_comes_with_the_preferences_and_without_another_query(cast: Cast, django_assert_num_queries) -> None:
    Preferences.objects.create(user=cast.alice, language="de", time_zone="Europe/Berlin", theme="dark")
    with django_assert_num_queries(2):
        alice, bob = (Members().get_user(user.pk) for user in (cast.alice, cast.bob))
        assert alice is not None and bob is not None
        assert (alice.preferences.language, alice.preferences.theme) == ("de", "dark")
        assert getattr(bob, "preferences", None) is None
    stored = User.objects.get(pk=cast.alice.pk)
    for field in User._meta.concrete_fields:
        assert getattr(alice, field.name) == getattr(stored, field.name)


def test_who_was_switched_off_is_nobody(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    assert Members().get_user(cast.alice.pk) is None
