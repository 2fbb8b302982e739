"""Who may have an account, and what people set in theirs."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from zoneinfo import available_timezones

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import AccountError
from album.models import Invitation, Preferences

INVITED_FOR = timedelta(days=7)


def is_registration_open(invitation: Invitation | None) -> bool:
    """True if whoever holds ``invitation``, or none, may make an account."""
    return settings.REGISTRATION == "open" or invitation is not None


def invite(*, by: User, email: str = "", is_admin: bool = False) -> tuple[Invitation, str]:
    """The new invitation and the token of its address, which cannot be seen again.

    Raises:
        AccountError: registration is closed, ``by`` is no site administrator, or ``email`` is none.
    """
    if settings.REGISTRATION == "closed":
        raise AccountError(_("Invitations are switched off. Set REGISTRATION=invite and restart the album."))
    if not by.is_superuser:
        raise AccountError(_("Only site administrators invite people."))
    if email:
        _refuse_bad_email(email)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        token_sha256=_hash_of(token),
        email=email,
        is_admin=is_admin,
        invited_by=by,
        expires_at=timezone.now() + INVITED_FOR,
    )
    return invitation, token


def open_invitations() -> QuerySet[Invitation]:
    """Those that still let somebody in: not used, not expired, and invitations are not switched off."""
    if settings.REGISTRATION == "closed":
        return Invitation.objects.none()
    still = Invitation.objects.filter(used_at=None, expires_at__gt=timezone.now())
    return still.filter(invited_by__is_active=True, invited_by__is_superuser=True)


def find_invitation(token: str) -> Invitation | None:
    """The open invitation of that token."""
    return open_invitations().filter(token_sha256=_hash_of(token)).first()


def accept_invitation(*, invitation: Invitation, user: User) -> None:
    """Uses it up for ``user``, who becomes a site administrator if it says so.

    Raises:
        AccountError: it was used or withdrawn in the meantime. Call it in the transaction that makes the account.
    """
    with transaction.atomic():
        used = open_invitations().filter(pk=invitation.pk).update(used_by=user, used_at=timezone.now())
        if not used:
            raise AccountError(_("This invitation has been used or withdrawn. Ask for a new one."))
        if invitation.is_admin:
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])


def withdraw_invitation(*, pk: int) -> bool:
    """True if there was such an unused invitation."""
    deleted, _rows = Invitation.objects.filter(pk=pk, used_at=None).delete()
    return bool(deleted)


def change_profile(*, user: User, first_name: str, last_name: str, email: str) -> None:
    """Writes the name and the address that mails go to and that ``user`` may sign in with.

    Raises:
        AccountError: no address, or somebody else's.
    """
    email = email.strip().lower()
    if email:
        _refuse_bad_email(email)
        if User.objects.filter(email__iexact=email).exclude(pk=user.pk).exists():
            raise AccountError(_("This e-mail address belongs to another account."))
    user.first_name, user.last_name, user.email = first_name.strip(), last_name.strip(), email
    with transaction.atomic():
        user.save(update_fields=["first_name", "last_name", "email"])
        EmailAddress.objects.filter(user=user).exclude(email=email).delete()  # else the old one lets in, too


def save_preferences(*, user: User, language: str, time_zone: str, theme: str) -> Preferences:
    """The stored preferences. Empty language and zone: as the browser says, as the album is set.

    Raises:
        AccountError: a language, time zone or theme that does not exist.
    """
    if language and language not in dict(settings.LANGUAGES):
        raise AccountError(_("The album does not speak that language."))
    if time_zone and time_zone not in available_timezones():
        raise AccountError(_("There is no such time zone."))
    if theme not in Preferences.Theme.values:
        raise AccountError(_("There is no such theme."))
    values = {"language": language, "time_zone": time_zone, "theme": theme}
    preferences, _created = Preferences.objects.update_or_create(user=user, defaults=values)
    return preferences


def forget_expired() -> int:
    """How many sessions and unused invitations were removed because their time is over."""
    now = timezone.now()
    UserSession.objects.exclude(session_key__in=Session.objects.filter(expire_date__gt=now).values("pk")).delete()
    sessions, _rows = Session.objects.filter(expire_date__lte=now).delete()
    invitations, _rows = Invitation.objects.filter(expires_at__lte=now, used_at=None).delete()
    return sessions + invitations


def _refuse_bad_email(email: str) -> None:
    try:
        validate_email(email)
    except ValidationError:
        raise AccountError(_("This is no e-mail address.")) from None


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
