"""How the helper process and those who ask it speak: a question and an answer, each with its length before it."""

from __future__ import annotations

import json
import os
import socket
import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOCKET, LOCK = "socket", "lock"
MOST_BYTES = 4_000_000
"""Of one message: an answer with 200,000 items, far more than a question."""
_LENGTH = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class Answer:
    """Item ids, the nearest first, and how alike they are. ``problem`` says in a word why there are none."""

    items: array[int]
    similarities: array[float]
    weights: str = ""
    more: bool = False
    problem: str = ""


def send_question(line: socket.socket, question: dict[str, Any]) -> None:
    data = json.dumps(question).encode()
    line.sendall(_LENGTH.pack(len(data), 0) + data)


def read_question(line: socket.socket) -> dict[str, Any]:
    """Raises ConnectionError and ValueError."""
    length, _ = _LENGTH.unpack(_read(line, _LENGTH.size))
    question = json.loads(_read(line, length))
    if not isinstance(question, dict):
        raise ValueError("a question is an object")
    return question


def send_answer(line: socket.socket, answer: Answer) -> None:
    head = json.dumps({"weights": answer.weights, "more": answer.more, "problem": answer.problem}).encode()
    line.sendall(_LENGTH.pack(len(head), len(answer.items)) + head)
    line.sendall(answer.items.tobytes() + answer.similarities.tobytes())


def read_answer(line: socket.socket) -> Answer:
    """Raises ConnectionError, TimeoutError and ValueError."""
    length, count = _LENGTH.unpack(_read(line, _LENGTH.size))
    head = json.loads(_read(line, length))
    items, similarities = array("q"), array("f")
    items.frombytes(_read(line, count * items.itemsize))
    similarities.frombytes(_read(line, count * similarities.itemsize))
    return Answer(items, similarities, head["weights"], head["more"], head["problem"])


def _read(line: socket.socket, length: int) -> bytes:
    if length > MOST_BYTES:
        raise ValueError(f"a message of {length} bytes is longer than {MOST_BYTES}")
    data = bytearray()
    while len(data) < length:
        if not (part := line.recv(min(length - len(data), 1 << 20))):
            raise ConnectionResetError("the other side has hung up")
        data += part
    return bytes(data)


@contextmanager
def address_in(folder: Path) -> Iterator[str]:
    """The address of the socket in ``folder``, however deep that lies: an address has 107 bytes at most."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
