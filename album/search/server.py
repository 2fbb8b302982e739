"""The helper process of the search by looks: one for all web processes, so that none of them loads numpy."""

from __future__ import annotations

import base64
import logging
import os
import queue
import socket
import threading
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections

from album.exceptions import AlbumError
from album.search.lines import Answer, address_in, read_question, send_answer
from album.search.looks import Found, Looks

logger = logging.getLogger(__name__)
IDLE_S = 600
"""Without a question for so long the process ends, and gives its memory back."""
LOOK_S = 5
"""How often it looks whether who started it is still there."""
LINE_TIMEOUT_S = 10
MOST_LINES = 64
MOST_ITEMS = 200_000
MOST_CHARACTERS = 300
NOTHING = array("q"), array("f")


@dataclass(slots=True)
class Question:
    """What somebody waits for: ``text`` or the ``vector`` of a picture, and the ``answer`` once it is there."""

    most: int
    text: str = ""
    vector: bytes = b""
    weights: str = ""
    answer: Answer | None = None
    is_answered: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def read(cls, told: dict[str, Any]) -> Question:
        """Raises ValueError, TypeError or KeyError: it makes no sense."""
        most = min(max(int(told["most"]), 1), MOST_ITEMS)
        text, vector = str(told.get("text", ""))[:MOST_CHARACTERS], base64.b64decode(told.get("vector", ""))
        if bool(text) == bool(vector):
            raise ValueError("a question is a text or a vector")
        return cls(most, text, vector, str(told.get("weights", "")))


class Server:
    """Answers at a socket in ``folder`` until it was idle for ``idle_s`` or ``parent`` is gone."""

    def __init__(
        self, folder: Path, open_looks: Callable[[], Looks], *, parent: int | None = None, idle_s: float = IDLE_S
    ) -> None:
        self._folder, self._open, self._parent, self._idle_s = folder, open_looks, parent, idle_s
        self._questions: queue.Queue[Question | None] = queue.Queue(MOST_LINES + 1)
        self._lines = threading.BoundedSemaphore(MOST_LINES)
        self._asked_at = time.monotonic()
        self._looks: Looks | None = None
        self._is_ended = False

    def serve(self) -> None:
        """Returns when the process may end."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as door, address_in(self._folder) as address:
            with suppress(FileNotFoundError):
                Path(address).unlink()  # of a process that was killed; the lock says that it is gone
            door.bind(address)
            door.listen(MOST_LINES)
            door.settimeout(LOOK_S)
            worker = threading.Thread(target=self._work, name="looks")
            worker.start()
            try:
                self._listen(door, worker)
            finally:
                with suppress(FileNotFoundError):
                    Path(address).unlink()
                self._is_ended = True
                self._questions.put(None)
                worker.join()

    def _listen(self, door: socket.socket, worker: threading.Thread) -> None:
        while worker.is_alive():
            if self._parent is not None and os.getppid() != self._parent:
                return
            if time.monotonic() - self._asked_at > self._idle_s:
                return
            try:
                line, _ = door.accept()
            except TimeoutError:
                continue
            if self._lines.acquire(blocking=False):
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()
            else:
                line.close()

    def _talk(self, line: socket.socket) -> None:
        try:
            with line:
                line.settimeout(LINE_TIMEOUT_S)
                question = Question.read(read_question(line))
                self._asked_at = time.monotonic()
                if question.text and self._looks:
                    with suppress(AlbumError):  # the worker meets it too, and says so
                        self._looks.vector_of(question.text)  # while what came before is compared
                self._questions.put(question, timeout=LINE_TIMEOUT_S)
                if question.is_answered.wait(LINE_TIMEOUT_S) and question.answer:
                    send_answer(line, question.answer)
        except (OSError, ValueError, TypeError, KeyError, queue.Full) as error:
            logger.debug("a question was dropped: %s", error)
        finally:
            self._lines.release()

    def _work(self) -> None:
        """Opens the networks, then answers what waits. The only thread that knows the database and the vectors."""
        again_at = 0.0
        try:
            while not self._is_ended:
                try:
                    if self._looks is None and time.monotonic() >= again_at:
                        again_at = time.monotonic() + LOOK_S  # those who wait hear at once that it failed
                        self._looks = self._open()
                    if self._looks:
                        self._looks.refresh()
                except AlbumError as error:
                    logger.warning("search by looks: %s", error)
                finally:
                    connections.close_all()
                with suppress(queue.Empty):
                    if question := self._questions.get(timeout=LOOK_S):
                        question.answer = self._answer(question)
                        question.is_answered.set()
        finally:
            if self._looks:
                self._looks.close()

    def _answer(self, question: Question) -> Answer:
        if self._looks is None:
            return Answer(*NOTHING, problem="weights")
        weights = self._looks.weights
        if question.vector and question.weights != weights:
            return Answer(*NOTHING, weights=weights, problem="other weights")
        try:
            if question.text:
                return _told(self._looks.of_text(question.text, question.most), weights)
            return _told(self._looks.of_picture(question.vector, question.most), weights)
        except AlbumError as error:
            logger.warning("search by looks: %s", error)
            return Answer(*NOTHING, problem="weights")


def _told(found: Found, weights: str) -> Answer:
    items, similarities = array("q"), array("f")
    items.frombytes(found.items.astype("<i8").tobytes())
    similarities.frombytes(found.similarities.astype("<f4").tobytes())
    return Answer(items, similarities, weights, found.more)
