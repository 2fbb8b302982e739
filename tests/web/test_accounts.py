"""Signing in, and the page of the own account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from album.models import ApiKey, GrantEpoch, Preferences
from album.services.api_keys import create_key, find_key
from tests.cast import Cast

WRONG = {"login": "alice", "password": "not the horse"}


class CountingHasher(MD5PasswordHasher):
    """Counts the passwords it hashes."""

    count = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).count += 1
        return super().encode(password, salt)


def sign_in(client: Client, name: str, password: str = "correct horse"):
    return client.post("/login/", {"login": name, "password": password})


def confirm_password(client: Client) -> None:
    assert client.post(reverse("account_reauthenticate"), {"password": "correct horse"}).status_code == 302


@pytest.fixture
def signed_in(cast: Cast) -> Client:
    """Alice, who has just typed her password."""
    client = Client()
    sign_in(client, "alice")
    confirm_password(client)
    return client


@pytest.mark.parametrize("name", ["alice", "Alice", "alice@example.org", "ALICE@example.org", " alice "])
def test_the_user_name_and_the_e_mail_address_sign_in(cast: Cast, name: str) -> None:
    User.objects.filter(pk=cast.alice.pk).update(email="alice@example.org")
    client = Client()

    assert sign_in(client, name).headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(cast.alice.pk)


def test_nobody_signs_in_by_an_address_that_two_accounts_have(cast: Cast) -> None:
    User.objects.filter(pk__in=(cast.alice.pk, cast.bob.pk)).update(email="both@example.org")

    assert sign_in(Client(), "both@example.org").status_code == 200


@pytest.mark.parametrize(
    "name", ["alice", "alice@example.org", "nobody", "no@example.org", "left", "\0", "x" * 300]
)
def test_a_failed_sign_in_tells_nothing_of_the_account_neither_by_words_nor_by_work(
    cast: Cast, settings: Settings, name: str
) -> None:
    settings.PASSWORD_HASHERS = ["tests.web.test_accounts.CountingHasher"]
    User.objects.filter(pk=cast.alice.pk).update(email="alice@example.org")
    User.objects.create_user("left", password="not the horse", is_active=False)
    CountingHasher.count = 0

    answer = sign_in(Client(), name, "not the horse")

    assert answer.status_code == 200
    errors = answer.context["form"].errors.as_data()
    if name not in {"\0"}:  # no form takes that
        assert CountingHasher.count == 1
        assert list(errors) == ["__all__"]
        assert "user name" in answer.content.decode().lower()


def test_after_five_wrong_passwords_the_right_one_does_not_help(cast: Cast) -> None:
    for _ in range(5):
        assert Client().post("/login/", WRONG).status_code == 200

    answer = sign_in(Client(), "alice")

    assert "Too many" in answer.content.decode()


def test_the_limit_holds_after_a_restart_and_without_redis(cast: Cast, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = settings.CELERY_RESULT_BACKEND = "redis://127.0.0.1:1/0"
    for _ in range(5):
        Client().post("/login/", WRONG)

    for cache in caches.all(initialized_only=True):
        cache.close()
    del caches["default"]  # what a new process has: nothing but the database

    assert "Too many" in sign_in(Client(), "alice").content.decode()


def test_limits_of_one_address_leave_others_alone(cast: Cast, settings: Settings) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for number in range(10):
        Client().post(
            "/login/", WRONG | {"login": f"guess{number}"}, headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}
        )

    refused = Client().post("/login/", {**WRONG, "login": "other"}, headers={"X-Forwarded-For": "3.3.3.3, 2.2.2.2"})
    welcome = Client().post(
        "/login/", {"login": "alice", "password": "correct horse"}, headers={"X-Forwarded-For": "2.2.2.2, 4.4.4.4"}
    )

    assert "Too many" in refused.content.decode()  # the proxy's own word counts, not what it was told
    assert welcome.status_code == 302


def test_signing_in_leads_where_one_wanted_to_go_but_to_no_other_site(cast: Cast) -> None:
    form = {"login": "alice", "password": "correct horse"}

    assert Client().post("/login/", form | {"next": "/trash/"}).headers["Location"] == "/trash/"
    assert Client().post("/login/", form | {"next": "https://evil.example/"}).headers["Location"] == "/"


def test_signing_out_ends_the_session_and_what_was_granted(signed_in: Client, cast: Cast) -> None:
    GrantEpoch.objects.all().delete()

    assert signed_in.get("/logout/").status_code == 200  # it asks first
    assert signed_in.post("/logout/").headers["Location"] == "/login/"

    assert "_auth_user_id" not in signed_in.session
    assert GrantEpoch.objects.filter(scope=f"c{cast.alice.pk}").exists()


def test_signing_out_elsewhere_leaves_this_browser_in(signed_in: Client, cast: Cast) -> None:
    other = Client()
    sign_in(other, "alice")
    assert signed_in.get("/accounts/sessions/").content.decode().count("from 127.0.0.1") == 2

    signed_in.post("/accounts/sessions/")

    assert other.get("/account/").status_code == 302
    assert signed_in.get("/account/").status_code == 200


def test_a_new_password_ends_the_other_sessions(signed_in: Client, cast: Cast) -> None:
    other = Client()
    sign_in(other, "alice")
    new = {"oldpassword": "correct horse", "password1": "battery staple", "password2": "battery staple"}

    assert signed_in.post("/accounts/password/change/", new).status_code == 302

    assert signed_in.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 302


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/"])
def test_the_admin_is_entered_through_the_one_sign_in(cast: Cast, path: str) -> None:
    client = Client()
    answer = client.get(path, follow=True)
    assert answer.request["PATH_INFO"] == "/login/"

    client.force_login(cast.alice)
    assert client.get("/admin/login/").status_code == 403


def test_the_page_of_the_account_costs_few_queries(signed_in: Client, cast: Cast) -> None:
    for number in range(5):
        create_key(user=cast.alice, name=f"key {number}", scopes=["read"])

    with CaptureQueriesContext(connection) as asked:
        answer = signed_in.get("/account/")

    assert answer.status_code == 200
    assert len(asked) <= 6, [query["sql"] for query in asked]


def test_preferences_hold_at_once_and_cost_no_query(signed_in: Client, cast: Cast) -> None:
    form = {"language": "de", "time_zone": "Asia/Tokyo", "theme": "dark"}
    with CaptureQueriesContext(connection) as before:
        signed_in.get("/accounts/2fa/")

    assert signed_in.post("/account/preferences/", form).status_code == 302
    signed_in.get("/account/")  # shows the message

    with CaptureQueriesContext(connection) as after:
        page = signed_in.get("/accounts/2fa/")
    assert page.headers["Content-Language"] == "de"
    assert 'data-theme="dark"' in page.content.decode()
    assert cast.alice.preferences.time_zone == "Asia/Tokyo"
    assert len(after) <= len(before)
    assert timezone.get_current_timezone_name() == "UTC"  # the next request of this thread is somebody else's
    assert Client(headers={"accept-language": "fr"}).get("/login/").headers["Content-Language"] == "fr"


def test_times_are_told_in_the_time_zone_of_the_user(signed_in: Client, cast: Cast) -> None:
    Preferences.objects.create(user=cast.alice, time_zone="Pacific/Kiritimati")  # 14 hours ahead
    key, _text = create_key(user=cast.alice, name="clock", scopes=["read"])
    used_at = timezone.now().replace(year=2026, month=3, day=4, hour=20, minute=5)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=used_at)

    assert "03/05/2026 10:05" in signed_in.get("/account/").content.decode()


@pytest.mark.parametrize("change", [{"language": "xx"}, {"time_zone": "../etc"}, {"theme": "<script>"}])
def test_preferences_that_do_not_exist_are_refused(signed_in: Client, change: dict[str, str]) -> None:
    form = {"language": "", "time_zone": "", "theme": "system"} | change

    assert signed_in.post("/account/preferences/", form).status_code == 400
    assert not Preferences.objects.exists()


def test_a_time_zone_that_the_system_no_longer_knows_breaks_no_page(signed_in: Client, cast: Cast) -> None:
    Preferences.objects.create(user=cast.alice, time_zone="Mars/Olympus", language="xx")

    assert signed_in.get("/account/").status_code == 200


def test_name_and_e_mail_address_are_changed(signed_in: Client, cast: Cast) -> None:
    form = {"first_name": "<b>Alice</b>", "last_name": "\u202eL", "email": "Alice@Example.org"}

    assert signed_in.post("/account/profile/", form).status_code == 302

    cast.alice.refresh_from_db()
    assert cast.alice.email == "alice@example.org"
    assert "<b>Alice" not in signed_in.get("/account/").content.decode()
    assert sign_in(Client(), "alice@example.org").status_code == 302

    signed_in.post("/account/profile/", form | {"email": "new@example.org"})
    assert sign_in(Client(), "alice@example.org").status_code == 200  # the old address lets nobody in


def test_an_address_of_somebody_else_is_refused(signed_in: Client, cast: Cast) -> None:
    User.objects.filter(pk=cast.bob.pk).update(email="bob@example.org")

    answer = signed_in.post("/account/profile/", {"first_name": "Eve", "email": "BOB@example.org"})

    assert answer.status_code == 400
    assert "another account" in answer.content.decode()
    cast.alice.refresh_from_db()
    assert (cast.alice.first_name, cast.alice.email) == ("", "")


def test_a_new_address_and_a_new_key_ask_for_the_password_first(cast: Cast) -> None:
    client = Client()
    sign_in(client, "alice")

    for path, form in (
        ("/account/profile/", {"email": "thief@example.org"}),
        ("/account/keys/", {"name": "thief", "scopes": ["read"], "lifetime": "0"}),
    ):
        assert client.post(path, form).headers["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiKey.objects.exists()

    answer = client.post("/accounts/reauthenticate/?next=/account/keys/", {"password": "correct horse"})
    assert "Copy your key now" in answer.content.decode()  # what was asked for goes on


def test_a_key_is_shown_once_and_revoked(signed_in: Client, cast: Cast) -> None:
    form = {"name": "=cmd()<script>", "scopes": ["read", "upload"], "lifetime": "30"}

    answer = signed_in.post("/account/keys/", form)

    text = answer.context["key_text"]
    key = find_key(text)
    assert key is not None and key.expires_at is not None
    assert timedelta(days=30) < key.expires_at - timezone.now() < timedelta(days=31)
    assert "no-store" in answer.headers["Cache-Control"]
    page = signed_in.get("/account/").content.decode()
    assert text not in page and "<script>" not in page.replace('<script type="module"', "")

    assert signed_in.post(f"/account/keys/{key.pk}/revoke/").status_code == 302
    assert find_key(text) is None


def test_nobody_revokes_the_key_of_another(signed_in: Client, cast: Cast) -> None:
    key, text = create_key(user=cast.bob, name="bob's", scopes=["read"])

    assert signed_in.post(f"/account/keys/{key.pk}/revoke/").status_code == 404
    assert find_key(text)


@pytest.mark.parametrize(
    "form",
    [
        {"name": "x", "scopes": ["root"], "lifetime": "30"},
        {"name": "x", "scopes": ["admin"], "lifetime": "30"},  # alice is no site admin
        {"name": "x", "scopes": ["read"], "lifetime": "9999999999"},
        {"name": "\0", "scopes": ["read"], "lifetime": "30"},
        {},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(signed_in: Client, form: dict[str, object]) -> None:
    assert signed_in.post("/account/keys/", form).status_code == 400
    assert not ApiKey.objects.exists()


def test_too_many_forms_from_one_address_get_a_page_that_says_so(cast: Cast) -> None:
    for number in range(30):
        Client().post("/login/", {"login": f"{number}"})

    answer = Client().post("/login/", {"login": "alice", "password": "correct horse"})

    assert answer.status_code == 429
    assert "Wait a minute" in answer.content.decode()
