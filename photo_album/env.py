"""Typed readers of environment variables: a malformed value stops the start and names itself."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

TILE_PARTS = ("{z}", "{x}", "{y}")
OWN_PREFIXES = ("AI_", "PHOTO_ALBUM_")


class Environment:
    """Variables of the process and of ``.env``; the process wins.

    ``NAME_FILE`` may stand for ``NAME``: its content is the value, so that a secret need not be in the
    environment. Every reader raises ImproperlyConfigured, which names the variable.
    """

    def __init__(self, default_file: Path) -> None:
        """Reads ``PHOTO_ALBUM_ENV_FILE``, which must be there, or ``default_file``, which need not."""
        self.known = {"PHOTO_ALBUM_ENV_FILE"}
        stated = os.environ.get("PHOTO_ALBUM_ENV_FILE")
        env_file = Path(stated or default_file)
        if stated and (env_file.is_dir() or not env_file.exists()):
            raise ImproperlyConfigured(f"PHOTO_ALBUM_ENV_FILE={stated}: there is no such file")
        if env_file.exists():
            environ.Env().read_env(str(env_file))

    def text(self, name: str, default: str) -> str:
        self.known.add(name)
        secret_file = os.environ.get(f"{name}_FILE")
        if secret_file:
            try:
                return Path(secret_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "no text"
                raise ImproperlyConfigured(f"{name}_FILE={secret_file} cannot be read: {reason}") from None
        return os.environ.get(name) or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ImproperlyConfigured(f"{name}={value!r}: allowed are {', '.join(allowed)}")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
            raise ImproperlyConfigured(f"{name}={value!r} is neither True nor False")
        return value in {"true", "1", "yes", "on"}

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from None
        if not low <= number <= high:
            raise ImproperlyConfigured(f"{name}={number} is outside {low} to {high}")
        return number

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """The number, or None where the variable is absent or empty."""
        if self.text(name, "") == "":
            return None
        return self.integer(name, 0, low, high)

    def folder(self, name: str, default: Path) -> Path:
        """An absolute path, which need not be there yet."""
        path = Path(self.text(name, str(default))).expanduser().resolve()
        if path.exists() and not path.is_dir():
            raise ImproperlyConfigured(f"{name}={path} is a file; a folder is needed")
        return path

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            raise ImproperlyConfigured(f"{name}={value!r} is no time zone such as Europe/Berlin") from None
        return value

    def words(self, name: str, default: list[str]) -> list[str]:
        value = self.text(name, ",".join(default))
        return [word.strip() for word in value.split(",") if word.strip()]

    def tiles(self, name: str) -> str:
        """The address of map tiles with ``{z}``, ``{x}`` and ``{y}`` in it, or nothing."""
        value = self.text(name, "")
        if value and not (value.startswith(("https://", "http://")) and all(part in value for part in TILE_PARTS)):
            raise ImproperlyConfigured(f"{name}={value!r} is not like https://tiles.example/{{z}}/{{x}}/{{y}}.png")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        url = self.text(name, default)  # not repeated in messages: it may hold a password
        try:
            with warnings.catch_warnings(action="error"):
                config = dict(environ.Env.db_url_config(url))
        except (ValueError, UserWarning):
            config = {}
        if config.get("ENGINE") not in environ.Env.DB_SCHEMES.values():
            raise ImproperlyConfigured(
                f"{name} is not a database URL such as postgres://user:password@host/name or sqlite:////path"
            )
        return config

    def mail(self, name: str) -> dict[str, Any]:
        """Django's settings of the mail server; by default mails go nowhere."""
        url = self.text(name, "dummymail://")  # not repeated in messages: it may hold a password
        try:
            return dict(environ.Env.email_url_config(url))
        except (ValueError, KeyError, ImproperlyConfigured):
            example = "smtp+tls://user:password@mail.example:587"
            raise ImproperlyConfigured(f"{name} is not the address of a mail server such as {example}") from None

    def refuse_unknown(self) -> None:
        """Raises ImproperlyConfigured for a variable with one of our prefixes that nothing reads (a typo)."""
        unknown = sorted(
            name
            for name in os.environ
            if name.startswith(OWN_PREFIXES) and self.known.isdisjoint({name, name.removesuffix("_FILE")})
        )
        if unknown:
            names = ", ".join(unknown)
            raise ImproperlyConfigured(f"unknown setting {names}: the names stand in .env.example")
