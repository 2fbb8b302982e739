"""What runs: units, web server, broker, workers, beat."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask
from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

from album.services.ai_settings import is_beat_heard, next_nights
from album.services.schedule import MISSED_NIGHTS
from album.services.status.line import Figure, Line, State, at

Units = dict[str, dict[str, str]]
UNITS = ("photo-album-web", "photo-album-celery-worker", "photo-album-celery-beat")
REDIS = "redis-server"
RUN = settings.BASE_DIR / "scripts" / "run"
"""Not in containers: their image has no use for it."""
QUEUES = ("media", "ai")
WEB_ADDRESS = "127.0.0.1:8000"
"""Source: photo_album/gunicorn.py; what the variable GUNICORN_CMD_ARGS of its unit says, wins."""
ASK_S = 1.0
"""Workers answer within milliseconds; how many there are nobody knows, so the whole time is waited."""
BROKER_FAULTS = (BrokerError, OSError)


def check() -> Iterator[Line]:
    """Units of systemd where there are any, the broker with its queues, the workers, beat."""
    units = _show_units()
    yield from _check_units(units)
    broker = _check_broker(units)
    yield broker
    yield _check_workers(units, broker)
    yield _check_beat(units)


def check_web() -> Iterator[Line]:
    """Whether the web server of this machine answers; nothing where another machine has it."""
    units = _show_units()
    if any(_is_loaded(unit) for unit in units.values()) and not _is_loaded(units.get(UNITS[0], {})):
        return
    place = _web_address(units.get(UNITS[0], {}))
    try:
        status = _ask_web(place)
    except (OSError, HTTPException) as error:
        words = _("%(place)s does not answer: %(reason)s") % {"place": place, "reason": error}
        yield Line("web", _("Web server"), "problem", words, _start(UNITS[0], units))
        return
    is_well = status == HTTPStatus.OK
    words = _("%(place)s answers with %(status)s") % {"place": place, "status": status}
    step = "" if is_well else f"journalctl -u {UNITS[0]} -n 50"
    yield Line("web", _("Web server"), "ok" if is_well else "problem", words, step)


def _ask_web(place: str) -> int:
    host, _colon, port = place.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=5)
    names = [name for name in settings.ALLOWED_HOSTS if "*" not in name]
    try:
        connection.request("GET", "/healthz", headers={"Host": names[0].lstrip(".") if names else "localhost"})
        return connection.getresponse().status
    finally:
        connection.close()


def _web_address(unit: dict[str, str]) -> str:
    found = re.search(r"--bind[= ]([^\s\"']+:\d+)", unit.get("Environment", ""))
    place = found[1] if found else WEB_ADDRESS
    return place.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def _is_loaded(unit: dict[str, str]) -> bool:
    return unit.get("LoadState") == "loaded"


def _start(unit: str, units: Units) -> str:
    """How somebody starts it: by systemd only where the album was installed as a service."""
    if any(map(_is_loaded, units.values())):
        return f"systemctl start {unit}"
    return "./scripts/run" if RUN.exists() else "docker compose up -d"


def _check_units(units: Units) -> Iterator[Line]:
    for name, found in units.items():
        if not _is_loaded(found):
            continue
        active, restarts = found.get("ActiveState", ""), int(found.get("NRestarts") or 0)
        # What systemd says of it is systemd's own language, and what the unit says of itself is the worker's.
        words = ", ".join(filter(None, [f"{active} ({found.get('SubState')})", found.get("StatusText")]))
        state: State = "ok" if active == "active" else "warning" if active.endswith("ing") else "problem"
        step = "" if state == "ok" else f"systemctl status {name}; journalctl -u {name} -n 50"
        figure = Figure("unit_restarts", restarts, (("unit", name),))
        yield Line(name, f"{name}.service", state, words, step, (figure,))


def _show_units() -> Units:
    """What systemd knows of the units; nothing where there is no systemd, or none that answers."""
    if not Path("/run/systemd/system").is_dir() or not shutil.which("systemctl"):
        return {}
    wanted = "--property=Id,LoadState,ActiveState,SubState,StatusText,NRestarts,Environment"
    command = ["systemctl", "show", wanted, *(f"{unit}.service" for unit in UNITS)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in told.split("\n\n")
    ]
    return {block["Id"].removesuffix(".service"): block for block in blocks if "Id" in block}


def _check_broker(units: Units) -> Line:
    with current_app.connection_for_read() as connection:
        place = connection.as_uri().replace(":**@", "")  # what stands for a password, also where there is none
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            lengths = {queue: _length_of(connection, queue) for queue in QUEUES}
        except BROKER_FAULTS as error:
            words = _("%(place)s does not answer: %(reason)s") % {"place": place, "reason": error}
            return Line("broker", _("Broker"), "problem", words, _start(REDIS, units), (_up("broker", 0),))
    waiting = ", ".join(f"{queue}: {length}" for queue, length in lengths.items())
    words = _("%(place)s answers. Messages that wait: %(waiting)s") % {"place": place, "waiting": waiting}
    figures = (Figure("queue_length", length, (("queue", queue),)) for queue, length in lengths.items())
    return Line("broker", _("Broker"), "ok", words, "", (_up("broker", 1), *figures))


def _length_of(connection: Connection, queue: str) -> int:
    channel: Any = connection.default_channel
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:  # nothing was ever sent to it
        return 0


def _check_workers(units: Units, broker: Line) -> Line:
    title = _("Worker")
    if broker.state != "ok":
        words = _("Without the broker it cannot be asked, and goes on with what it does.")
        return Line("worker", title, "warning", words, broker.next_step)
    queues = ask_workers()
    taken = {queue for each in queues.values() for queue in each}
    figures = tuple(Figure("worker_up", int(queue in taken), (("queue", queue),)) for queue in QUEUES)
    if not queues:
        words = _("None answers: nothing is prepared or described.")
        return Line("worker", title, "problem", words, _start(UNITS[1], units), figures)
    words = "; ".join(f"{name}: {', '.join(sorted(each))}" for name, each in sorted(queues.items()))
    if missing := sorted(set(QUEUES) - taken):
        words += ". " + _("Nobody takes the queue %(queues)s.") % {"queues": ", ".join(missing)}
        return Line("worker", title, "problem", words, _start(UNITS[1], units), figures)
    return Line("worker", title, "ok", words, "", figures)


def ask_workers() -> dict[str, list[str]]:
    """The queues that each worker takes, of those that answer."""
    try:
        answers: Any = current_app.control.broadcast("active_queues", reply=True, timeout=ASK_S)
    except (*BROKER_FAULTS, json.JSONDecodeError):
        return {}
    found = {name: queues for answer in answers or () for name, queues in answer.items()}
    return {name: [each["name"] for each in queues] for name, queues in found.items() if isinstance(queues, list)}


def _check_beat(units: Units) -> Line:
    entry = PeriodicTask.objects.filter(name=MISSED_NIGHTS).first()
    heard_at = entry.last_run_at if entry else None
    figures = [Figure("beat_last_seen_timestamp_seconds", heard_at.timestamp())] if heard_at else []
    nights = [night for night in next_nights() if night.at is not None]
    figures += [
        Figure("next_night_timestamp_seconds", n.at.timestamp(), (("kind", n.kind),)) for n in nights if n.at
    ]
    said = [_("last heard of %(when)s") % {"when": at(heard_at)} if heard_at else _("not heard of yet")]
    said += [_("next night %(when)s") % {"when": at(n.at)} for n in nights[:1] if n.at] or [
        _("no night is planned")
    ]
    words = ", ".join(said)
    if entry is None:
        return Line("beat", _("Scheduler (beat)"), "problem", words, "manage.py setup_beat_schedule")
    if not is_beat_heard():
        return Line("beat", _("Scheduler (beat)"), "problem", words, _start(UNITS[2], units), tuple(figures))
    return Line("beat", _("Scheduler (beat)"), "ok", words, "", tuple(figures))


def _up(name: str, value: int) -> Figure:
    return Figure(f"{name}_up", value)
