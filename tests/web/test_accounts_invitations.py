"""Who may make an account: nobody, the invited, anyone. Links that site admins hand out."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from album.exceptions import AccountError
from album.models import Invitation
from album.services.accounts import accept_invitation, invite
from tests.cast import Cast
from tests.web.test_accounts import confirm_password, sign_in

NEW = {"username": "nina", "email": "", "password1": "battery staple", "password2": "battery staple"}
SIGN_UP = "/accounts/signup/"


@pytest.fixture
def by_invitation(settings: Settings) -> None:
    settings.REGISTRATION = "invite"


def join(token: str) -> Client:
    client = Client()
    assert client.get(f"/join/{token}/").status_code == 302
    return client


def test_by_default_nobody_makes_an_account(cast: Cast) -> None:
    assert "No new accounts" in Client().get(SIGN_UP).content.decode()
    Client().post(SIGN_UP, NEW)
    assert not User.objects.filter(username="nina").exists()
    with pytest.raises(AccountError, match="REGISTRATION=invite"):
        invite(by=cast.admin)


def test_where_registration_is_open_anyone_does(cast: Cast, settings: Settings) -> None:
    settings.REGISTRATION = "open"
    assert "Create an account" in Client().get("/login/").content.decode()

    assert Client().post(SIGN_UP, NEW).headers["Location"] == "/"

    nina = User.objects.get(username="nina")
    assert nina.check_password("battery staple") and not nina.is_staff and not nina.is_superuser


def test_an_invitation_makes_one_account(cast: Cast, by_invitation: None) -> None:
    invitation, token = invite(by=cast.admin, email="nina@example.org")
    client, late = join(token), join(token)
    assert 'value="nina@example.org"' in client.get(f"{SIGN_UP}?email=nina@example.org").content.decode()

    assert client.post(SIGN_UP, NEW).headers["Location"] == "/"

    invitation.refresh_from_db()
    assert invitation.used_by is not None and invitation.used_by.username == "nina"
    assert not invitation.used_by.is_superuser
    late.post(SIGN_UP, NEW | {"username": "second"})
    assert not User.objects.filter(username="second").exists()
    assert Client().get(f"/join/{token}/").status_code == 404


def test_an_invitation_that_was_used_a_moment_ago_leaves_no_account_behind(cast: Cast, by_invitation: None) -> None:
    invitation, _token = invite(by=cast.admin)
    accept_invitation(invitation=invitation, user=cast.bob)

    with pytest.raises(AccountError, match="Ask for a new one"):
        accept_invitation(invitation=invitation, user=cast.charlie)


def test_an_invitation_may_make_a_site_administrator(cast: Cast, by_invitation: None) -> None:
    _invitation, token = invite(by=cast.admin, is_admin=True)

    join(token).post(SIGN_UP, NEW)

    assert User.objects.get(username="nina").is_superuser


@pytest.mark.parametrize("token", ["x", "x" * 300, "<script>", "\u202e", "..%2f"])
def test_a_wrong_invitation_is_not_found(cast: Cast, by_invitation: None, token: str) -> None:
    assert Client().get(f"/join/{token}/").status_code == 404


def test_invitations_end_with_their_time_with_their_inviter_and_with_the_setting(
    cast: Cast, settings: Settings, by_invitation: None
) -> None:
    invitation, token = invite(by=cast.admin)
    opens = f"/join/{token}/"
    assert Client().get(opens).status_code == 302

    settings.REGISTRATION = "closed"
    assert Client().get(opens).status_code == 404
    settings.REGISTRATION = "invite"
    User.objects.filter(pk=cast.admin.pk).update(is_superuser=False)
    assert Client().get(opens).status_code == 404
    User.objects.filter(pk=cast.admin.pk).update(is_superuser=True)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(opens).status_code == 404


def test_site_admins_make_show_once_and_withdraw_invitations(cast: Cast, by_invitation: None) -> None:
    client = Client()
    client.force_login(cast.admin)

    page = client.post("/account/invitations/", {"email": "a+b@example.org"}).content.decode()

    found = re.search(r"http://testserver(/join/[\w-]{43}/)", page)
    assert found is not None
    assert found[1] not in client.get("/account/invitations/").content.decode()
    assert Client().get(found[1]).headers["Location"] == f"{SIGN_UP}?email=a%2Bb%40example.org"
    invitation = Invitation.objects.get()
    assert client.post(f"/account/invitations/{invitation.pk}/withdraw/").status_code == 302
    assert Client().get(found[1]).status_code == 404
    assert client.post(f"/account/invitations/{invitation.pk}/withdraw/").status_code == 404
    assert client.post("/account/invitations/", {"email": "no address"}).status_code == 400


@pytest.mark.parametrize("path", ["", "1/withdraw/", "password-link/"])
def test_others_hand_out_nothing(cast: Cast, by_invitation: None, path: str) -> None:
    client = Client()
    assert client.post(f"/account/invitations/{path}").headers["Location"].startswith("/login/")
    client.force_login(cast.dora)  # administers an album, not the site
    assert client.post(f"/account/invitations/{path}").status_code == 403
    assert not Invitation.objects.exists()


def test_a_password_link_from_a_site_admin_works_once(cast: Cast) -> None:
    client = Client()
    sign_in(client, "root")
    confirm_password(client)

    page = client.post("/account/invitations/password-link/", {"user": cast.bob.pk}).content.decode()

    found = re.search(r"http://testserver(/accounts/password/reset/key/[^\"]+)", page)
    assert found is not None
    owner = Client()
    form = owner.get(found[1]).headers["Location"]  # the key leaves the address bar
    assert found[1].rsplit("-", 1)[1] not in form
    new = {"password1": "battery staple", "password2": "battery staple"}
    assert owner.post(form, new).headers["Location"] == "/accounts/password/reset/done/"
    assert owner.get("/accounts/password/reset/done/").status_code == 200
    assert sign_in(Client(), "bob", "battery staple").status_code == 302
    assert "new password reset" in Client().get(found[1]).content.decode()


def test_without_a_mail_server_the_page_of_the_forgotten_says_what_to_do(cast: Cast, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # the default outside of tests
    page = Client().get("/accounts/password/reset/").content.decode()
    assert "manage.py changepassword" in page and "<form" not in page.split("<main")[1]


@pytest.mark.parametrize("email", ["bob@example.org", "nobody@example.org"])
def test_with_one_it_answers_alike_for_known_and_unknown_addresses(
    cast: Cast, settings: Settings, mailoutbox: list[object], email: str
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    User.objects.filter(pk=cast.bob.pk).update(email="bob@example.org")

    answer = Client().post("/accounts/password/reset/", {"email": email})

    assert answer.headers["Location"] == "/accounts/password/reset/sent/"
    assert Client().get("/accounts/password/reset/sent/").status_code == 200
    assert len(mailoutbox) == (email == "bob@example.org")
