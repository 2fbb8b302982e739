"""The second step of signing in: codes of an app, recovery codes, passkeys."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import hotp_value
from django.test import Client

from tests.cast import Cast
from tests.web.test_accounts import confirm_password, sign_in


def code_of(secret: str) -> str:
    """What an authenticator app shows now, and for five seconds more: a code that changes on its way is refused."""
    left_s = 30 - time.time() % 30
    if left_s < 5:
        time.sleep(left_s)
    return f"{hotp_value(secret, int(time.time()) // 30):06}"


@pytest.fixture
def secret(cast: Cast) -> str:
    """Alice has an authenticator app with this secret."""
    client = Client()
    sign_in(client, "alice")
    confirm_password(client)
    page = client.get("/accounts/2fa/app/activate/")
    secret: str = page.context["form"].secret
    assert page.context["totp_svg_data_uri"].startswith("data:image/svg+xml")

    assert client.post("/accounts/2fa/app/activate/", {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.exists()
    assert client.post("/accounts/2fa/app/activate/", {"code": code_of(secret)}).status_code == 302
    return secret


def test_the_password_alone_no_longer_lets_in(cast: Cast, secret: str) -> None:
    client = Client()

    assert sign_in(client, "alice").headers["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/account/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", {"code": "12345"}).status_code == 200
    assert client.get("/account/").status_code == 302

    assert client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)}).headers["Location"] == "/"
    assert "on</span>" in client.get("/account/").content.decode()


def test_a_code_is_taken_once(cast: Cast, secret: str) -> None:
    first, second = Client(), Client()
    for client in (first, second):
        sign_in(client, "alice")
    code = code_of(secret)

    first.post("/accounts/2fa/authenticate/", {"code": code})
    second.post("/accounts/2fa/authenticate/", {"code": code})

    assert first.get("/account/").status_code == 200
    assert second.get("/account/").status_code == 302


def test_codes_cannot_be_tried_without_end(cast: Cast, secret: str) -> None:
    client = Client()
    sign_in(client, "alice")
    for _ in range(3):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})

    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    answer = client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})

    assert answer.status_code in (200, 429)
    assert client.get("/account/").status_code == 302


def test_each_recovery_code_lets_in_once(cast: Cast, secret: str) -> None:
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert len(codes) == 10
    client = Client()
    sign_in(client, "alice")
    assert client.post("/accounts/2fa/authenticate/", {"code": codes[0]}).status_code == 302

    again = Client()
    sign_in(again, "alice")
    assert again.post("/accounts/2fa/authenticate/", {"code": codes[0]}).status_code == 200
    page = client.get("/accounts/2fa/codes/", follow=True)
    assert page.status_code == 200


def test_taking_the_app_away_asks_for_the_password(cast: Cast, secret: str) -> None:
    client = Client()
    sign_in(client, "alice")
    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})

    assert "/reauthenticate/" in client.post("/accounts/2fa/app/deactivate/").headers["Location"]
    assert Authenticator.objects.filter(type="totp").exists()


def test_the_admin_asks_for_the_second_step_too(cast: Cast) -> None:
    client = Client()
    form = {"username": "alice", "password": "correct horse", "this_is_the_login_form": "1", "next": "/admin/"}
    assert client.post("/admin/login/", form).headers["Location"].startswith("/login/")
    assert client.get("/account/").status_code == 302


NONSENSE = ["", "x", "{}", '{"id": 1}', "[1]", "null", '{"response": {"userHandle": "%"}}', "[" * 5000]
FORGED = (
    '{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"userHandle": "MQ", "signature": "AAAA",'
    ' "authenticatorData": "AAAA", "clientDataJSON": "e30"}}'
)


@pytest.mark.parametrize("credential", [*NONSENSE, FORGED])
def test_a_passkey_that_nobody_made_is_refused_in_words(cast: Cast, secret: str, credential: str) -> None:
    stranger, client = Client(), Client()
    assert stranger.get("/accounts/passkeys/login/", headers={"accept": "application/json"}).status_code == 200

    assert stranger.post("/accounts/passkeys/login/", {"credential": credential}).headers["Location"] == "/login/"
    assert "_auth_user_id" not in stranger.session

    sign_in(client, "alice")
    assert client.post("/accounts/2fa/authenticate/", {"credential": credential}).status_code == 200
    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    confirm_password(client)
    assert client.post("/accounts/passkeys/add/", {"credential": credential, "name": "x"}).status_code == 200
    assert not Authenticator.objects.filter(type="webauthn").exists()


def test_the_pages_of_passkeys_and_codes_open(cast: Cast) -> None:
    client = Client()
    sign_in(client, "alice")
    confirm_password(client)
    for path in (
        "2fa/",
        "2fa/app/activate/",
        "passkeys/",
        "passkeys/add/",
        "oidc/",
        "password/change/",
        "sessions/",
    ):
        page = client.get(f"/accounts/{path}")
        assert page.status_code == 200, path
        text = page.content.decode()
        assert "style=" not in text and "<main" in text, path
