"""Signing in through an OpenID Connect server, a small real one: discovery, codes with PKCE, signed ID tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.test import Client
from jwt.algorithms import RSAAlgorithm
from pytest_django import Settings

from album.services.accounts import invite
from tests.cast import Cast
from tests.web.test_accounts import confirm_password, sign_in

START = "/accounts/oidc/sso/login/"
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


class OpenIDServer(ThreadingHTTPServer):
    """Lets in ``person`` without asking. ``claims`` and ``sign`` are the test's to spoil."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.person = {"sub": "p-1", "preferred_username": "nina", "email": "nina@example.org", "name": "Nina <b>"}
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.algorithm = "RS256"
        self.about: dict[str, Any] = {}
        self.challenges: dict[str, str] = {}

    def redirect(self, address: str) -> str:
        """Where the browser is sent back to from the page at ``address``."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        self.challenges["the-code"] = asked["code_challenge"]
        return f"{asked['redirect_uri']}?{urlencode({'code': 'the-code', 'state': asked['state']})}"

    def tokens(self, form: dict[str, str]) -> dict[str, str]:
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert proof.decode().rstrip("=") == self.challenges.pop(form["code"])
        assert form["client_secret"] == "between us"
        now = int(time.time())
        claims = {"iss": self.url, "aud": "album", "iat": now, "exp": now + 60, "sub": "p-1"} | self.claims
        id_token = jwt.encode(claims, self.key, self.algorithm, headers={"kid": "one"})
        return {"access_token": "let me ask", "token_type": "Bearer", "id_token": id_token}


class Pages(BaseHTTPRequestHandler):
    server: OpenIDServer

    def do_GET(self) -> None:
        url = self.server.url
        if self.path == "/.well-known/openid-configuration":
            pages = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            found = {f"{name}_endpoint": f"{url}/{page}" for name, page in pages.items()}
            self.answer(found | {"issuer": url, "jwks_uri": f"{url}/jwks"})
        elif self.path == "/jwks":
            public = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
            self.answer({"keys": [public | {"kid": "one", "alg": "RS256", "use": "sig"}]})
        elif self.path == "/userinfo" and self.headers["Authorization"] == "Bearer let me ask":
            self.answer(self.server.person | self.server.about)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(self.server.tokens({name: values[0] for name, values in parse_qs(body).items()}))

    def answer(self, content: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(settings: Settings, cast: Cast) -> Iterator[OpenIDServer]:
    """The server, and an album that knows it as "Home", open to anyone whom it lets in."""
    server = OpenIDServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    app = {"provider_id": "sso", "name": "Home", "client_id": "album", "secret": "between us"}
    app["settings"] = {"server_url": server.url}  # type: ignore[assignment]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    settings.OIDC_ISSUER, settings.OIDC_NAME, settings.REGISTRATION = server.url, "Home", "open"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def go_through(client: Client, server: OpenIDServer, start: str = START) -> Any:
    """The answer of the album when the browser comes back from the server."""
    sent = client.get(start)
    assert sent.status_code == 302
    return client.get(server.redirect(sent.headers["Location"]).replace("http://testserver", ""))


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_the_sign_in_page_has_the_button_only_where_a_server_is_set(
    server: OpenIDServer, settings: Settings, client: Client
) -> None:
    assert f'href="{START}' in client.get("/login/?next=/trash/").content.decode()

    settings.OIDC_ISSUER, settings.SOCIALACCOUNT_PROVIDERS = "", {}
    assert START not in client.get("/login/").content.decode()
    assert client.get(START).status_code == 404
    assert client.get(f"{START}callback/").status_code == 404


def test_who_comes_from_the_server_has_an_account_from_then_on(server: OpenIDServer) -> None:
    for _ in range(2):
        client = Client()
        assert go_through(client, server, f"{START}?next=/trash/").headers["Location"] == "/trash/"
        assert is_in(client)

    nina = User.objects.get(username="nina")
    assert (nina.email, nina.has_usable_password(), nina.is_superuser) == ("nina@example.org", False, False)
    assert client.get("/account/").status_code == 200
    assert "You have none." in client.get("/account/").content.decode()


def test_a_taken_name_gets_another_account_not_that_one(server: OpenIDServer, cast: Cast) -> None:
    server.person |= {"preferred_username": "alice", "email": ""}
    client = Client()
    go_through(client, server)

    assert is_in(client)
    assert client.session["_auth_user_id"] != str(cast.alice.pk)


def test_an_address_that_somebody_has_here_opens_nothing(server: OpenIDServer, cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(email="nina@example.org")
    client = Client()
    answer = go_through(client, server)

    assert not is_in(client)
    assert answer.headers["Location"] == "/accounts/oidc/signup/"
    assert client.get("/accounts/oidc/signup/").status_code == 200


@pytest.mark.parametrize("rule", ["closed", "invite"])
def test_new_accounts_follow_the_rule_of_registration(server: OpenIDServer, settings: Settings, rule: str) -> None:
    settings.REGISTRATION = rule
    client = Client()

    assert "No new accounts" in go_through(client, server).content.decode()
    assert not is_in(client) and not User.objects.filter(username="nina").exists()


def test_an_invitation_lets_in_through_the_server(server: OpenIDServer, settings: Settings, cast: Cast) -> None:
    settings.REGISTRATION = "invite"
    invitation, token = invite(by=cast.admin)
    client = Client()
    client.get(f"/join/{token}/")

    go_through(client, server)

    invitation.refresh_from_db()
    assert is_in(client)
    assert invitation.used_by is not None and invitation.used_by.username == "nina"


def test_an_own_account_is_connected_and_then_opened_by_the_server(
    server: OpenIDServer, settings: Settings, cast: Cast
) -> None:
    settings.REGISTRATION = "closed"
    client = Client()
    sign_in(client, "alice")
    confirm_password(client)
    assert "process=connect" in client.get("/accounts/oidc/").content.decode()

    go_through(client, server, f"{START}?process=connect")
    assert SocialAccount.objects.get().user == cast.alice
    assert client.get("/accounts/oidc/").status_code == 200

    other = Client()
    go_through(other, server)
    assert other.session["_auth_user_id"] == str(cast.alice.pk)

    User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    late = Client()
    go_through(late, server)
    assert not is_in(late)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"key": OTHER_KEY},
        {"key": "", "algorithm": "none"},
        {"key": "s" * 32, "algorithm": "HS256"},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"aud": "another program"}},
        {"claims": {"exp": 1}},
        {"claims": {"sub": "p-2"}},
        {"about": {"sub": "p-2"}},
    ],
    ids=lambda spoiled: str(list(spoiled)),
)
def test_what_the_server_has_not_signed_for_us_lets_nobody_in(
    server: OpenIDServer, spoiled: dict[str, Any]
) -> None:
    for name, value in spoiled.items():
        setattr(server, name, value)
    client = Client()

    assert go_through(client, server).status_code in (200, 401)
    assert not is_in(client) and not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "query", ["", "?code=the-code", "?code=x&state=x", "?error=access_denied", "?state=%00&code=%00"]
)
def test_coming_back_without_having_left_lets_nobody_in(server: OpenIDServer, query: str) -> None:
    client = Client()
    answer = client.get(f"{START}callback/{query}")

    assert answer.status_code in (200, 302, 401)
    assert not is_in(client)


def test_a_server_that_is_down_is_a_sentence_not_a_crash(server: OpenIDServer, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:1"

    answer = Client().get(START)

    assert answer.status_code in (200, 401)
    assert "<h1>" in answer.content.decode()
