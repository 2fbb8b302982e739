"""Where allauth asks the album: who signs in, who may make an account, and what happens when somebody leaves."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from allauth.account.stages import LoginStage
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from album.exceptions import AccountError
from album.models import Invitation, Preferences
from album.services.accounts import accept_invitation, is_registration_open, open_invitations
from album.services.grants import revoke_viewer

logger = logging.getLogger(__name__)
INVITATION = "invitation"
"""The key in a session under which the id of the invitation stands that its visitor came with."""


PREFERENCES = ("id", "language", "time_zone", "theme")
READ_USER = f"""
    SELECT auth_user.*, {", ".join(f"album_preferences.{name} AS preferred_{name}" for name in PREFERENCES)}
    FROM auth_user LEFT JOIN album_preferences ON album_preferences.user_id = auth_user.id
    WHERE auth_user.id = %s AND auth_user.is_active
"""  # noqa: S608 - names of columns


class Members(AuthenticationBackend):  # type: ignore[misc]
    """Signs in by user name or e-mail address, and brings each request its user together with the preferences."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The active account of that name and password.

        Exactly one password is hashed, whether or not there is such an account: the time tells nothing.
        """
        name, password = (credentials.get(key) or "" for key in ("username", "password"))
        user = _find_user(name or credentials.get("email") or "")
        if user is None:
            User().set_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        """The active user, with the preferences.

        Written by hand, as each request asks it. Measured: 0.1 ms CPU, by way of the query set 0.43, 2026-11.
        """
        user = next(iter(User.objects.raw(READ_USER, [user_id])), None)
        if user is not None:
            stored = {name: getattr(user, f"preferred_{name}") for name in PREFERENCES}
            preferences = Preferences(user=user, **stored) if stored["id"] else None
            Preferences._meta.get_field("user").remote_field.set_cached_value(user, preferences)
        return user


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": DefaultAccountAdapter.error_messages["username_password_mismatch"],
    }

    def get_login_stages(self) -> list[str]:
        return [f"{__name__}.{SecondStep.__name__}"]

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return is_registration_open(_invitation_of(request))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        with transaction.atomic():
            super().save_user(request, user, form, commit)
            if commit:
                _use_invitation(request, user)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        logger.warning("A sign-in from %s failed.", self.get_client_ip(request))  # no name: it may be a password

    def logout(self, request: HttpRequest) -> None:
        if isinstance(request.user, User):
            revoke_viewer(request.user)
        super().logout(request)


class SecondStep(LoginStage):  # type: ignore[misc]
    """allauth's second step, loaded for those who have one only.

    Measured: it costs a web process 12 MB, 2026-11.
    """

    key = urlname = "mfa_authenticate"

    def handle(self) -> tuple[Any, bool]:
        if not Authenticator.objects.filter(user=self.login.user).exists():
            return None, True
        from allauth.mfa.stages import AuthenticateStage

        answer: tuple[Any, bool] = AuthenticateStage(self.controller, self.request, self.login).handle()
        return answer


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of those who sign in elsewhere are made by the same rule as all others."""

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            if form is None:  # else the account's own adapter has saved it
                _use_invitation(request, user)
        return user


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    def end_sessions(self, sessions: Any) -> None:
        super().end_sessions(sessions)
        for user in {session.user for session in sessions}:
            revoke_viewer(user)


def _find_user(name: str) -> User | None:
    """The one account of that name, else of that e-mail address."""
    if not name or "\0" in name:  # PostgreSQL cannot even look for it
        return None
    found: User | None = get_user_by_username(name)
    if found is None and "@" in name:
        having = filter_users_by_email(name, prefer_verified=True, for_login=True)
        found = having[0] if len(having) == 1 else None
    return found


def _invitation_of(request: HttpRequest) -> Invitation | None:
    """The open invitation that this visitor came with; "open" registration asks for none, but honors it."""
    pk = request.session.get(INVITATION)
    return open_invitations().filter(pk=pk).first() if pk else None


def _use_invitation(request: HttpRequest, user: User) -> None:
    invitation = _invitation_of(request)
    try:
        if invitation is not None:
            accept_invitation(invitation=invitation, user=user)
        elif settings.REGISTRATION != "open":
            raise AccountError(_("The invitation was used while the form was filled in."))
    except AccountError as error:
        messages.error(request, str(error))
        raise ImmediateHttpResponse(redirect("account_signup")) from error
    request.session.pop(INVITATION, None)
