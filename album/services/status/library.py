"""What the album holds and does: items, networks, batches, backups, database, version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from album.models import BatchRun, MediaItem, Status
from album.models.media import Kind
from album.queries import shown
from album.services.backup.manifest import album_version
from album.services.backup.status import last_backup, last_drill
from album.services.machine import report_machine
from album.services.noted import in_words
from album.services.status.line import Figure, Line, State, at

BACKUP_IS_OLD = timedelta(days=3)
"""A nightly one may be missed once, and a machine may be off for a weekend."""
GOOD_ENDS = {"done", "limit", "minutes", "window", "requested", "terminated", ""}


def check() -> Iterator[Line]:
    """Version and database first: without its tables nothing else can be asked."""
    yield _check_migrations()
    yield _check_database()
    yield _check_items()
    yield _check_models()
    for kind in Kind:
        yield from _check_last_run(kind)
    yield _check_backup()
    yield from _check_drill()


def _check_migrations() -> Line:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    figures = (Figure("info", 1, (("version", album_version()),)), Figure("migrations_missing", missing))
    words = _("version %(version)s") % {"version": album_version()}
    if missing:
        words += ", " + _("migrations not applied: %(count)s") % {"count": missing}
        return Line("version", _("Program"), "problem", words, "manage.py migrate", figures)
    return Line("version", _("Program"), "ok", words, "", figures)


def _check_database() -> Line:
    size = _database_bytes()
    words = f"{connection.display_name}, {filesizeformat(size)}"
    if whole_at := last_backup().get("at"):  # each backup checks the copy that it makes
        words += ", " + _("found whole %(when)s") % {"when": at(datetime.fromisoformat(whole_at))}
    return Line("database", _("Database"), "ok", words, "", (Figure("database_bytes", size),))


def _database_bytes() -> int:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    path, size = str(connection.settings_dict["NAME"]), 0
    for suffix in ("", "-wal"):
        with suppress(OSError):
            size += Path(path + suffix).stat().st_size
    return size


def _check_items() -> Line:
    rows = MediaItem.objects.filter(shown()).order_by().values_list("kind", "processing_status")
    counts = {(kind, status): count for kind, status, count in rows.annotate(Count("pk"))}
    figures = tuple(
        Figure("items", counts.get((kind, status), 0), (("kind", kind), ("status", status)))
        for kind in Kind
        for status in Status
    )
    numbers = {status: sum(counts.get((kind, status), 0) for kind in Kind) for status in Status}
    words = _("%(pending)s pending, %(completed)s described, %(failed)s failed") % {
        str(status): number for status, number in numbers.items()
    }
    return Line("items", _("Photos and videos"), "ok", words, "", figures)


def _check_models() -> Line:
    """Sizes and times of the files are compared with those that were installed; nothing is loaded."""
    machine = report_machine()
    used = [model.entry.id for model in machine.models if model.is_used]
    damaged = [model for model in machine.models if model.state == "damaged"]
    figures = (Figure("models_installed", sum(model.state == "installed" for model in machine.models)),)
    words = _("profile %(profile)s, in use: %(models)s") % {
        "profile": machine.profile.name,
        "models": ", ".join(used) or _("none"),
    }
    title = _("AI models")
    if damaged:
        return Line("models", title, "problem", in_words(damaged[0].problem), "", figures)
    if machine.shortfalls:
        parts = [in_words(each).partition(f" {_('Next step:')} ") for each in machine.shortfalls]
        words += ". " + " ".join(what for what, *_rest in parts)
        step = parts[-1][2].partition(";")[0].strip()  # the same in all
        return Line("models", title, "warning", words, step, figures)
    return Line("models", title, "ok", words, "", figures)


def _check_last_run(kind: Kind) -> Iterator[Line]:
    run = BatchRun.objects.filter(kind=kind, item=None).exclude(started_at=None, finished_at=None).first()
    if run is None:
        return
    title = _("Last batch of photos") if kind == Kind.PHOTO else _("Last batch of videos")
    labels = (("kind", str(kind)),)
    figures = [
        Figure("last_run_items", run.items_completed, (*labels, ("outcome", "completed"))),
        Figure("last_run_items", run.items_failed, (*labels, ("outcome", "failed"))),
    ]
    moment = run.finished_at or run.started_at or run.created_at
    figures.append(Figure("last_run_timestamp_seconds", moment.timestamp(), labels))
    words = _("%(number)s, %(when)s: %(done)s described, %(failed)s failed. %(end)s.") % {
        "number": run.pk,
        "when": at(moment),
        "done": run.items_completed,
        "failed": run.items_failed,
        "end": run.get_stop_reason_display() or run.get_state_display(),
    }
    if run.message:
        words += f" {in_words(run.message)}"
    is_good = run.stop_reason in GOOD_ENDS and run.state != BatchRun.State.REFUSED
    step = "" if is_good else f"journalctl BATCH_RUN={run.pk}"
    yield Line(f"last_{kind}_run", title, "ok" if is_good else "problem", words, step, tuple(figures))


def _check_backup() -> Line:
    title, step, known = _("Last backup"), f"manage.py backup {settings.BACKUP_DIR}", last_backup()
    if not known.get("at"):
        words = in_words(str(known.get("problem", ""))) or _("There is none.")
        return Line("backup", title, "problem" if known else "warning", words, step)
    made_at = datetime.fromisoformat(known["at"])
    words = ", ".join(filter(None, [at(made_at), str(known.get("folder", ""))]))
    figures = (Figure("last_backup_timestamp_seconds", made_at.timestamp()),)
    state: State = "ok" if timezone.now() - made_at < BACKUP_IS_OLD else "warning"
    if known.get("problem"):
        words += ". " + _("A later one failed: %(reason)s") % {"reason": in_words(str(known["problem"]))}
        state = "problem"
    return Line("backup", title, state, words, "" if state == "ok" else step, figures)


def _check_drill() -> Iterator[Line]:
    known: dict[str, Any] = last_drill()
    if not known:
        return
    is_passed = bool(known.get("is_passed"))
    words = ", ".join(
        filter(None, [at(datetime.fromisoformat(known["at"])), in_words(str(known.get("problem") or ""))])
    )
    state: State = "ok" if is_passed else "problem"
    yield Line("drill", _("Last drill of a restore"), state, words, "" if is_passed else "manage.py restore_drill")
