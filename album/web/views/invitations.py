"""How people get in: invitations and password links, which site admins hand out, and where they lead."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from album.exceptions import AccountError
from album.services.accounts import find_invitation, invite, open_invitations, withdraw_invitation
from album.web.account_adapter import INVITATION
from album.web.account_forms import InvitationForm, PasswordLinkForm
from album.web.requests import MemberRequest

View = Callable[..., HttpResponse]


def _site_admins_only(view: View) -> View:
    @wraps(view)
    def guarded(request: MemberRequest, **values: Any) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, **values)

    return login_required(never_cache(guarded))


@require_http_methods(["GET", "POST"])
@_site_admins_only
def invitations(request: MemberRequest) -> HttpResponse:
    """The open invitations. ``POST``: a new one, whose address is shown this one time."""
    if request.method == "GET":
        return _page(request)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, status=400, invitation_form=form)
    try:
        invitation, token = invite(by=request.user, **form.cleaned_data)
    except AccountError as error:
        form.add_error(None, str(error))
        return _page(request, status=400, invitation_form=form)
    address = request.build_absolute_uri(reverse("album:join", args=(token,)))
    return _page(request, invitation=invitation, invitation_address=address)


@require_POST
@_site_admins_only
def withdraw(request: MemberRequest, pk: int) -> HttpResponse:
    """An unused invitation opens nothing any more."""
    if not withdraw_invitation(pk=pk):
        raise Http404
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("album:invitations")


@require_POST
@_site_admins_only
@reauthentication_required  # type: ignore[untyped-decorator]
def password_link(request: MemberRequest) -> HttpResponse:
    """The address at which the owner of an account sets a new password, where no mails are sent."""
    form = PasswordLinkForm(request.POST)
    if not form.is_valid():
        return _page(request, status=400, password_form=form)
    owner: User = form.cleaned_data["user"]
    parts = {"uidb36": user_pk_to_url_str(owner), "key": default_token_generator.make_token(owner)}
    address = request.build_absolute_uri(reverse("account_reset_password_from_key", kwargs=parts))
    return _page(request, password_owner=owner, password_address=address)


@require_GET
@never_cache
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation leads: to the form for a new account. The token leaves the address bar."""
    invitation = find_invitation(token)
    if invitation is None:
        return render(request, "album/invitation_over.html", status=404)
    if request.user.is_authenticated:
        messages.info(request, _("You have an account already. The invitation is still open for somebody else."))
        return redirect("album:timeline")
    request.session[INVITATION] = invitation.pk
    return redirect(f"{reverse('account_signup')}?{urlencode({'email': invitation.email})}")


def _page(request: MemberRequest, status: int = 200, **context: Any) -> HttpResponse:
    shown = {
        "invitation_form": InvitationForm(),
        "password_form": PasswordLinkForm(),
        "registration": settings.REGISTRATION,
        "open_invitations": open_invitations().select_related("invited_by"),
        "reset_days": settings.PASSWORD_RESET_TIMEOUT // 86_400,
    }
    return render(request, "album/account_invitations.html", shown | context, status=status)
