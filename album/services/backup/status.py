"""What the last backup and the last drill were, for the status page: a small file beside the database."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from album.disk import written_whole
from album.services.backup.transfer import own_like

BACKUP, DRILL, ROOTS = "backup", "drill", "roots"


def last_backup() -> dict[str, Any]:
    """``at`` (ISO 8601), ``folder``, ``kind``, ``size_bytes``, ``findings``; empty if there was none.

    Where a later one failed, ``problem`` and ``problem_at`` say so; they may stand there alone.
    """
    return dict(_read().get(BACKUP, {}))


def last_drill() -> dict[str, Any]:
    """``at``, ``folder``, ``is_passed`` and ``problem`` of the last one. Empty if there was none."""
    return dict(_read().get(DRILL, {}))


def note_backup(root: Path, **facts: Any) -> None:
    """Keeps what there is to say about a backup that was made. Raises OSError."""
    at = timezone.now().isoformat()
    _write({ROOTS: {**_read().get(ROOTS, {}), str(root): at}, BACKUP: {"at": at, **facts}})


def note_failed_backup(problem: str) -> None:
    """Keeps that no backup could be made, beside what is known of the last good one."""
    with suppress(OSError):  # the disk may be what failed
        _write({BACKUP: {**last_backup(), "problem": problem, "problem_at": timezone.now().isoformat()}})


def note_drill(**facts: Any) -> None:
    """Keeps how a drill went. Raises OSError."""
    _write({DRILL: {"at": timezone.now().isoformat(), **facts}})


def had_backups(root: Path) -> bool:
    """True when a backup was made into this folder before."""
    return str(root) in _read().get(ROOTS, {})


def is_backup_due(root: Path, now: datetime) -> bool:
    """True when none was made into this folder on this day, by the local calendar."""
    at = _read().get(ROOTS, {}).get(str(root))
    return at is None or timezone.localtime(datetime.fromisoformat(at)).date() != timezone.localtime(now).date()


def _path() -> Path:
    return Path(settings.VAR_DIR) / "backups.json"


def _read() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(_path().read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _write(changes: dict[str, Any]) -> None:
    with written_whole(_path()) as part:
        part.write_text(json.dumps({**_read(), **changes}, indent=1), encoding="utf-8")
        own_like(part, part.parent)
