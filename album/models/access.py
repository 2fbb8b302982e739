"""Who gets in, with what: links, keys, invitations, and what tells that access was taken away."""

from __future__ import annotations

from datetime import date, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ShareLink(models.Model):
    """An address that shows an album, or some items, to whoever has it. Only the hash of its token is stored."""

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="share_links")
    album = models.ForeignKey("album.Album", models.CASCADE, null=True, blank=True, related_name="share_links")
    items = models.ManyToManyField("album.MediaItem", blank=True, related_name="share_links")
    label = models.CharField(max_length=120, blank=True)
    token_sha256 = models.CharField(max_length=64, unique=True)
    password = models.CharField(max_length=128, blank=True, help_text="Hashed; empty: none is asked for")
    may_download = models.BooleanField(default=False)
    shows_location = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    visits = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"link {self.pk} ({self.label})"

    @property
    def is_over(self) -> bool:
        """True once it was revoked or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= timezone.now())

    @property
    def last_day(self) -> date | None:
        """The last day on which it is valid, by the clock of whoever asks."""
        return self.expires_at and timezone.localdate(self.expires_at - timedelta(seconds=1))


class ApiKey(models.Model):
    """What a program signs in with. Only the hash of the key is stored; ``prefix`` tells it from others."""

    class Scope(models.TextChoices):
        READ = "read", _("Look at media, albums and search")
        UPLOAD = "upload", _("Upload")
        WRITE = "write", _("Change media and albums")
        PROCESS = "process", _("Start and stop batches")
        ADMIN = "admin", _("Change settings")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    key_sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class Invitation(models.Model):
    """An address that lets one person make an account."""

    token_sha256 = models.CharField(max_length=64, unique=True)
    email = models.EmailField(blank=True)
    is_admin = models.BooleanField(default=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitations")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_by = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="invitation"
    )
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class Preferences(models.Model):
    """How a user wants the pages. Empty fields: as the browser says."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preferences")
    language = models.CharField(max_length=8, blank=True)
    time_zone = models.CharField(max_length=48, blank=True)
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


def cookie_scope(user_id: int) -> str:
    """The scope of the cookies of a user."""
    return f"c{user_id}"


def sight_scope(user_id: int) -> str:
    """The scope of what a user sees of others."""
    return f"v{user_id}"


def link_scope(link_id: int) -> str:
    """The scope of what a shared link shows."""
    return f"s{link_id}"


class GrantEpoch(models.Model):
    """Grants of this scope that were given under another epoch are to be asked for anew."""

    scope = models.CharField(max_length=40, unique=True)
    epoch = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.scope}.{self.epoch}"
