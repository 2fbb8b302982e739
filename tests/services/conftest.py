from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from album.services.backup import transfer


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where all backups go."""
    return tmp_path / "usb"


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files cannot be linked from here to there, as between two disks."""
    monkeypatch.setattr(transfer, "_is_linked", lambda source, target: False)
