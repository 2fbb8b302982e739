"""Makes the first account of an installation."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError


class Command(BaseCommand):
    help = "Makes the account 'admin' once; its generated password is shown this one time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--password-file", type=Path, metavar="FILE", help="take the password from FILE and show none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["username"]
        existing = User.objects.filter(is_superuser=True).order_by("pk").first()
        if existing is not None:
            self.stdout.write(
                f"The admin account {existing.username!r} exists. "
                f"New password: manage.py changepassword {existing.username}"
            )
            return
        password = self._read_password(options["password_file"]) if options["password_file"] else None
        try:
            generated = password or secrets.token_urlsafe(12)
            User.objects.create_superuser(name, options["email"], generated)
        except IntegrityError as error:
            raise CommandError(
                f"An account {name!r} without admin rights exists: choose another --username."
            ) from error
        self.stdout.write(f"Admin account made: {name}")
        if password is None:
            self.stdout.write(f"Its password, shown only now: {generated}")

    def _read_password(self, path: Path) -> str:
        try:
            password = path.read_text(encoding="utf-8").strip()
            validate_password(password)
        except OSError as error:
            raise CommandError(f"{path}: the password file cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            raise CommandError(f"{path}: {' '.join(error.messages)}") from error
        return password
