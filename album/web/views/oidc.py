"""Sign-in through an OpenID Connect server: allauth's, but only what that server has signed is believed.

All doors to it lead through here: allauth gets to know the provider when this is imported, not in every process.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView, OAuth2View
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.socialaccount.views import connections, login_cancelled, login_error, signup
from django.http import Http404, HttpRequest, HttpResponse
from requests import RequestException

__all__ = ("callback", "connections", "login", "login_cancelled", "login_error", "signup")
logger = logging.getLogger(__name__)
registry.register(OpenIDConnectProvider)


class SignedOpenIDConnect(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Checks the signature of the ID token, which allauth leaves to TLS: at home there may be none."""

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> Any:
        """The login of whom the ID token names. What else is known of them may come from the user info."""
        try:
            claims = jwtkit.verify_and_decode(
                credential=kwargs["response"]["id_token"],
                keys_url=self.openid_config["jwks_uri"],
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
            )
            about = self._fetch_user_info(token.token)
            if about["sub"] != claims["sub"]:
                raise OAuth2Error("the user info is about somebody else")
        except (KeyError, TypeError) as error:
            raise OAuth2Error(f"the server's answer is not understood: {error}") from error
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims, "userinfo": about})


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Leads to the server."""
    return _answer(OAuth2LoginView, request, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Comes back from the server."""
    return _answer(OAuth2CallbackView, request, provider_id)


def _answer(view: type[OAuth2View], request: HttpRequest, provider_id: str) -> HttpResponse:
    adapter = SignedOpenIDConnect(request, provider_id)
    try:
        response: HttpResponse = view.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (RequestException, KeyError) as error:
        logger.warning("The OpenID Connect server does not answer as it should: %s", error)
        response = render_authentication_error(request, adapter.get_provider(), exception=error)
    return response
