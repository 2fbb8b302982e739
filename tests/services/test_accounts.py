"""What is forgotten when its time is over, and the table in which limits of attempts live."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from album.models import Invitation
from album.services.accounts import forget_expired
from tests.cast import Cast


def test_sessions_and_invitations_whose_time_is_over_are_forgotten(cast: Cast) -> None:
    for name, days in (("old", -1), ("new", 1)):
        store = SessionStore()
        store.create()
        Session.objects.filter(pk=store.session_key).update(expire_date=timezone.now() + timedelta(days=days))
        UserSession.objects.create(user=cast.alice, session_key=store.session_key, ip="::1", user_agent=name)
        Invitation.objects.create(
            token_sha256=name, invited_by=cast.admin, expires_at=timezone.now() + timedelta(days=days)
        )

    assert forget_expired() == 2

    assert [session.user_agent for session in UserSession.objects.all()] == ["new"]
    assert [invitation.token_sha256 for invitation in Invitation.objects.all()] == ["new"]
    assert Session.objects.count() == 1


def test_the_table_of_limits_is_made_by_migrating_as_often_as_one_likes(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE album_cache")
    migration = import_module("album.migrations.0005_cache_table")

    for _ in range(2):
        migration.make_table(None, SimpleNamespace(connection=connection))

    cache.set("kept", "here")
    assert cache.get("kept") == "here"
