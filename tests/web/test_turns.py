"""Short requests of a process are answered one after the other; nobody waits for a slow line, or for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError, Event
from typing import Any

import pytest
from django.http import HttpResponse

from album.web import turns
from album.web.turns import Turns


def call(application: Turns, **environ: str) -> list[bytes]:
    return list(application(environ, lambda *_: None))


def meet(barrier: Barrier) -> Callable[..., Iterable[bytes]]:
    """An application that tells whether two of its requests were answered at once."""

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            barrier.wait(0.5)
        except BrokenBarrierError:
            return [b"alone"]
        return [b"together"]

    return application


@pytest.mark.parametrize(
    ("requests", "answer"),
    [
        (({}, {"CONTENT_LENGTH": "100"}), b"alone"),
        (({}, {"CONTENT_LENGTH": "4000000"}), b"together"),
        (({"HTTP_TRANSFER_ENCODING": "chunked"}, {}), b"together"),
        (({"CONTENT_LENGTH": "no number"}, {}), b"together"),
    ],
)
def test_only_short_requests_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch, requests: tuple[dict[str, str], ...], answer: bytes
) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 10)
    application = Turns(meet(Barrier(2)))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda environ: call(application, **environ), requests))
    assert answers[0] == [answer]


def test_a_request_that_waits_for_something_holds_nobody_up_for_long() -> None:
    waits = Event()

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/slow":
            waits.wait(20)
        return [b"answer"]

    application_ = Turns(application)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(call, application_, PATH_INFO="/slow")
        assert call(application_) == [b"answer"]
        assert not slow.done()
        waits.set()
    assert call(application_) == [b"answer"]


@pytest.mark.parametrize(("size_bytes", "is_held"), [(100, True), (turns.SHORT_BYTES + 1, False)])
def test_the_turn_lasts_until_a_small_answer_is_written(db: None, size_bytes: int, is_held: bool) -> None:
    body = b"x" * size_bytes
    application = Turns(lambda *_: HttpResponse(body))
    answer: Any = application({}, lambda *_: None)
    assert application._turn.locked() is is_held
    assert b"".join(answer) == body
    answer.close()
    assert not application._turn.locked()
    assert call(application) == [body]


def test_a_turn_ends_with_an_error() -> None:
    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("broken")

    application_ = Turns(application)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            call(application_)
    assert not application_._turn.locked()


def test_who_waits_gives_the_turn_back_and_gets_it_again() -> None:
    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with application_.given_back():
            assert not application_._turn.locked()
        assert application_._turn.locked()
        return [b"answer"]

    application_ = Turns(application)
    assert call(application_) == [b"answer"]
    assert not application_._turn.locked()


def test_who_has_no_turn_gives_none_back() -> None:
    application_ = Turns(lambda environ, start: [])
    with application_._turn, application_.given_back():
        assert application_._turn.locked()
