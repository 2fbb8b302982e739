"""A program of alice's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from album.services.api_keys import create_key
from tests.cast import Cast


class Program:
    """Asks with a key that may do everything its account may."""

    def __init__(self, user: User) -> None:
        scopes = ["read", "upload", "write", "process", *(["admin"] if user.is_superuser else [])]
        _key, text = create_key(user=user, name="program", scopes=scopes)
        self.client = Client(headers={"Authorization": f"Bearer {text}"})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer to a request of ``/api/v1/<path>``."""
        send = getattr(self.client, method.lower())
        return send(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path if path.startswith("http") else f"/api/v1/{path}", headers=headers)


@pytest.fixture
def program(cast: Cast) -> Program:
    return Program(cast.alice)
