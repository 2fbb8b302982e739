"""The doors of accounts: allauth's pages, under its own names, without the namespace of the album.

Each is imported when it is first asked for. Measured: passkeys cost a process 12 MB, OpenID Connect 5 MB, 2026-11.
"""

from __future__ import annotations

from importlib import import_module

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path

ACCOUNT, MFA, SOCIAL = "allauth.account.views", "allauth.mfa", "album.web.views.oidc"


def _door(address: str, module: str, view: str, name: str) -> URLPattern:
    def late(request: HttpRequest, **values: str) -> HttpResponse:
        response: HttpResponse = getattr(import_module(module), view)(request, **values)
        return response

    as_pattern = re_path if address.startswith("^") else path
    return as_pattern(address, late, name=name)


RESET_LINK = r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"
urlpatterns = [
    _door("login/", ACCOUNT, "login", "login"),
    _door("login/", ACCOUNT, "login", "account_login"),
    _door("logout/", ACCOUNT, "logout", "logout"),
    _door("logout/", ACCOUNT, "logout", "account_logout"),
    _door("admin/logout/", ACCOUNT, "logout", "admin_logout"),
    _door("admin/password_change/", ACCOUNT, "password_change", "admin_password_change"),
    _door("accounts/signup/", ACCOUNT, "signup", "account_signup"),
    _door("accounts/inactive/", ACCOUNT, "account_inactive", "account_inactive"),
    _door("accounts/reauthenticate/", ACCOUNT, "reauthenticate", "account_reauthenticate"),
    _door("accounts/password/change/", ACCOUNT, "password_change", "account_change_password"),
    _door("accounts/password/set/", ACCOUNT, "password_set", "account_set_password"),
    _door("accounts/password/reset/", ACCOUNT, "password_reset", "account_reset_password"),
    _door("accounts/password/reset/sent/", ACCOUNT, "password_reset_done", "account_reset_password_done"),
    _door(RESET_LINK, ACCOUNT, "password_reset_from_key", "account_reset_password_from_key"),
    _door(
        "accounts/password/reset/done/",
        ACCOUNT,
        "password_reset_from_key_done",
        "account_reset_password_from_key_done",
    ),
    _door("accounts/sessions/", "allauth.usersessions.views", "list_usersessions", "usersessions_list"),
    _door("accounts/2fa/", f"{MFA}.base.views", "index", "mfa_index"),
    _door("accounts/2fa/authenticate/", f"{MFA}.base.views", "authenticate", "mfa_authenticate"),
    _door("accounts/2fa/reauthenticate/", f"{MFA}.base.views", "reauthenticate", "mfa_reauthenticate"),
    _door("accounts/2fa/app/activate/", f"{MFA}.totp.views", "activate_totp", "mfa_activate_totp"),
    _door("accounts/2fa/app/deactivate/", f"{MFA}.totp.views", "deactivate_totp", "mfa_deactivate_totp"),
    _door("accounts/2fa/codes/", f"{MFA}.recovery_codes.views", "view_recovery_codes", "mfa_view_recovery_codes"),
    _door(
        "accounts/2fa/codes/new/",
        f"{MFA}.recovery_codes.views",
        "generate_recovery_codes",
        "mfa_generate_recovery_codes",
    ),
    _door(
        "accounts/2fa/codes/download/",
        f"{MFA}.recovery_codes.views",
        "download_recovery_codes",
        "mfa_download_recovery_codes",
    ),
    _door("accounts/passkeys/", f"{MFA}.webauthn.views", "list_webauthn", "mfa_list_webauthn"),
    _door("accounts/passkeys/add/", f"{MFA}.webauthn.views", "add_webauthn", "mfa_add_webauthn"),
    _door("accounts/passkeys/login/", f"{MFA}.webauthn.views", "login_webauthn", "mfa_login_webauthn"),
    _door(
        "accounts/passkeys/reauthenticate/",
        f"{MFA}.webauthn.views",
        "reauthenticate_webauthn",
        "mfa_reauthenticate_webauthn",
    ),
    _door("accounts/passkeys/<int:pk>/remove/", f"{MFA}.webauthn.views", "remove_webauthn", "mfa_remove_webauthn"),
    _door("accounts/passkeys/<int:pk>/edit/", f"{MFA}.webauthn.views", "edit_webauthn", "mfa_edit_webauthn"),
    _door("accounts/oidc/", SOCIAL, "connections", "socialaccount_connections"),
    _door("accounts/oidc/cancelled/", SOCIAL, "login_cancelled", "socialaccount_login_cancelled"),
    _door("accounts/oidc/error/", SOCIAL, "login_error", "socialaccount_login_error"),
    _door("accounts/oidc/signup/", SOCIAL, "signup", "socialaccount_signup"),
    _door("accounts/oidc/<slug:provider_id>/login/", SOCIAL, "login", "openid_connect_login"),
    _door(
        "accounts/oidc/<slug:provider_id>/login/callback/",
        SOCIAL,
        "callback",
        "openid_connect_callback",
    ),
]
