"""allauth's forms of passkeys, which answer nonsense with words: what a browser sends there is anybody's JSON."""

from __future__ import annotations

import struct

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms as allauth_forms
from cryptography.exceptions import InvalidSignature
from django import forms

BROKEN = (LookupError, TypeError, ValueError, AttributeError, NotImplementedError, struct.error, RecursionError)
UNREADABLE = (*BROKEN, InvalidSignature)
"""What fido2 and JSON raise over a message that no authenticator has made."""


class _Wall(forms.Form):
    def full_clean(self) -> None:
        try:
            super().full_clean()
        except UNREADABLE:
            self.data = {}  # which the page would else try to show again
            self.add_error("credential", get_adapter().validation_error("incorrect_code"))


class AddForm(_Wall, allauth_forms.AddWebAuthnForm):  # type: ignore[misc]
    pass


class LoginForm(_Wall, allauth_forms.LoginWebAuthnForm):  # type: ignore[misc]
    pass


class AuthenticateForm(_Wall, allauth_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    pass


class ReauthenticateForm(_Wall, allauth_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    pass
