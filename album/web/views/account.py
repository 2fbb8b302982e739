"""The own account: profile, preferences, ways to sign in, keys for programs."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from album.exceptions import AccountError
from album.models import Preferences
from album.services.accounts import change_profile, save_preferences
from album.services.api_keys import create_key, revoke_key
from album.web.account_forms import KeyForm, PreferencesForm, ProfileForm
from album.web.requests import MemberRequest


def _changes_email(request: HttpRequest) -> bool:
    user = cast(MemberRequest, request).user
    return request.POST.get("email", "").strip().lower() != user.email.lower()


@require_GET
@login_required
@never_cache
def account(request: MemberRequest) -> HttpResponse:
    """The page."""
    return _page(request)


@require_POST
@login_required
@reauthentication_required(enabled=_changes_email)  # type: ignore[untyped-decorator]
def profile(request: MemberRequest) -> HttpResponse:
    """Writes name and e-mail address. A new address could take over the account: it asks for the password."""
    form = ProfileForm(request.POST, instance=request.user)
    if not form.is_valid():
        request.user.refresh_from_db()  # the form has written into it
        return _page(request, profile_form=form)
    try:
        change_profile(user=request.user, **form.cleaned_data)
    except AccountError as error:
        form.add_error("email", str(error))
        request.user.refresh_from_db()
        return _page(request, profile_form=form)
    messages.success(request, _("Your profile is saved."))
    return redirect("album:account")


@require_POST
@login_required
def preferences(request: MemberRequest) -> HttpResponse:
    """Writes language, time zone and theme."""
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return _page(request, preferences_form=form)
    save_preferences(user=request.user, **form.cleaned_data)
    messages.success(request, _("Your preferences are saved."))
    return redirect("album:account")


@require_POST
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
@never_cache
def add_key(request: MemberRequest) -> HttpResponse:
    """Shows the new key, this one time."""
    form = KeyForm(request.user, request.POST)
    if form.is_valid():
        try:
            key, text = create_key(
                user=request.user,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(),
            )
            return render(request, "album/account_key.html", {"key": key, "key_text": text})
        except AccountError as error:
            form.add_error(None, str(error))
    return _page(request, key_form=form)


@require_POST
@login_required
def drop_key(request: MemberRequest, pk: int) -> HttpResponse:
    """Revokes an own key."""
    if not revoke_key(user=request.user, pk=pk):
        raise Http404
    messages.success(request, _("The key is revoked."))
    return redirect("album:account")


def _page(request: MemberRequest, **forms: Any) -> HttpResponse:
    user = request.user
    kinds = list(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    shown = {
        "profile_form": ProfileForm(instance=user),
        "preferences_form": PreferencesForm(instance=getattr(user, "preferences", None) or Preferences()),
        "key_form": KeyForm(user),
    }
    context = {
        "keys": user.api_keys.annotate(is_over=Q(expires_at__lte=timezone.now())),
        "has_app": Authenticator.Type.TOTP in kinds,
        "passkeys": kinds.count(Authenticator.Type.WEBAUTHN),
        "sessions": UserSession.objects.filter(user=user).count(),
        "has_sso": SocialAccount.objects.filter(user=user).exists(),
    }
    return render(request, "album/account.html", shown | context | forms, status=400 if forms else 200)
