"""Typed readers of environment variables: a malformed value stops the start and names itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

OWN_PREFIXES = ("AI_", "PHOTO_ALBUM_")


class Environment:
    """Variables of the process and of ``.env``; the process wins.

    ``NAME_FILE`` may stand for ``NAME``: its content is the value, so that a secret need not be in the
    environment.
    """

    def __init__(self, env_file: Path) -> None:
        self.known: set[str] = set()
        self._env = environ.Env()
        if env_file.is_file():
            self._env.read_env(str(env_file))

    def text(self, name: str, default: str) -> str:
        self.known.add(name)
        secret_file = os.environ.get(f"{name}_FILE")
        if secret_file:
            return Path(secret_file).read_text(encoding="utf-8").strip()
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

    def path(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser().resolve()

    def words(self, name: str, default: list[str]) -> list[str]:
        value = self.text(name, ",".join(default))
        return [word.strip() for word in value.split(",") if word.strip()]

    def database(self, name: str, default: str) -> dict[str, Any]:
        url = self.text(name, default)
        try:
            return dict(environ.Env.db_url_config(url))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} is not a database URL: {error}") from None

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
