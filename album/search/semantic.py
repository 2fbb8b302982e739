"""Asking the helper process what looks like a text or a picture, and starting it when nobody has.

Nothing here fails: without an answer within a second there is a reason instead, and the page shows what words
found.
"""

from __future__ import annotations

import base64
import fcntl
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from album.models import Embedding
from album.search.lines import LOCK, address_in, read_answer, send_question

logger = logging.getLogger(__name__)
PATIENCE_S = 1.0
PAUSE_S = 0.05
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Nothing that numpy multiplies in the helper gains by a second thread, and each has memory of its own."""
while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext
"""Entered while the helper is asked. The web server answers others meanwhile, and many ask it at once."""
_child: subprocess.Popen[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Item ids with how alike they are, the nearest first. Whether the viewer may see them is yet to be asked.

    ``problem``: empty, ``starting``, ``weights`` (not installed), or ``none`` (nothing was analyzed so far).
    """

    similarities: dict[int, float] = field(default_factory=dict)
    more: bool = False
    problem: str = ""


def like_text(text: str, *, most: int) -> Lookalikes:
    """What looks like ``text``, at most ``most`` items; nothing rather than bad matches."""
    return _ask({"text": text, "most": most})


def asked_text(text: str, *, most: int) -> Callable[[], Lookalikes]:
    """What waits for ``like_text``. The helper is asked already, and works while something else is done here."""
    question, line = {"text": text, "most": most}, None
    with suppress(OSError):  # nobody is there so far: who waits starts one
        line = _call(question)
    return partial(_ask, question, line)


def like_picture(item_id: int, *, most: int) -> Lookalikes:
    """What looks like the picture of this item, which is not among them."""
    problem = "none"
    for weights, vector in Embedding.objects.filter(item=item_id).values_list("weights", "vector"):
        vector_text = base64.b64encode(vector).decode()
        found = _ask({"vector": vector_text, "weights": weights, "most": most + 1})
        if not found.problem:
            found.similarities.pop(item_id, None)
            return found
        problem = found.problem
    return Lookalikes(problem=problem)


def _ask(question: dict[str, Any], line: socket.socket | None = None) -> Lookalikes:
    with while_waiting():
        return _answer(question, line)


def _call(question: dict[str, Any]) -> socket.socket:
    """The line on which the helper will answer. Raises OSError: there is none, or it does not listen."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(PATIENCE_S)
        with address_in(settings.VAR_DIR / "search") as address:
            line.connect(address)
        send_question(line, question)
    except BaseException:
        line.close()
        raise
    return line


def _answer(question: dict[str, Any], line: socket.socket | None) -> Lookalikes:
    deadline = time.monotonic() + PATIENCE_S
    while (left := deadline - time.monotonic()) > 0:
        try:
            with line or _call(question) as called:
                called.settimeout(left)
                answer = read_answer(called)
        except (FileNotFoundError, ConnectionRefusedError):
            if not Embedding.objects.exists():
                return Lookalikes(problem="none")
            if not _start(settings.VAR_DIR / "search"):
                time.sleep(PAUSE_S)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            logger.info("search by looks gave no answer: %r", error)
            break
        else:
            return Lookalikes(
                dict(zip(answer.items, answer.similarities, strict=True)), answer.more, answer.problem
            )
    return Lookalikes(problem="starting")


def _start(folder: Path) -> bool:
    """True if this process has just started the helper: who holds the lock does, and the helper keeps it."""
    global _child  # noqa: PLW0603 - a process has one child to wait for
    if _child is not None and _child.poll() is None:
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        command = [
            sys.executable,
            str(settings.BASE_DIR / "manage.py"),
            "serve_search",
            "--parent",
            str(os.getpid()),
        ]
        environment = {**os.environ, **ONE_THREAD, "PHOTO_ALBUM_VAR_DIR": str(settings.VAR_DIR)}
        _child = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environment, stdin=subprocess.DEVNULL, pass_fds=(lock,)
        )
        return True
    finally:
        os.close(lock)
