"""The body of a request as the web server reads it: whole pieces, not a byte more than its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import SocketUnreader

from photo_album.gunicorn import DirectBody, pre_request

CONTENT = bytes(range(256)) * 4096
NEXT = b"GET / HTTP/1.1\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def body_of(server: socket.socket, length: int, came_with_headers: bytes = b"") -> DirectBody:
    unreader = SocketUnreader(server)
    unreader.unread(came_with_headers)
    request = SimpleNamespace(body=Body(LengthReader(unreader, length)))
    pre_request(None, request)
    assert isinstance(request.body, DirectBody)
    return request.body


@pytest.mark.parametrize("size", [1, 1000, 128 * 1024, len(CONTENT), len(CONTENT) + 1, None])
def test_pieces_are_whole_whatever_came_when(pair: tuple[socket.socket, socket.socket], size: int | None) -> None:
    client, server = pair
    length = 5000 if size == 1 else len(CONTENT)
    body = body_of(server, length, CONTENT[:2000])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(client.sendall, CONTENT[2000:length] + NEXT)
        pieces = list(iter(lambda: body.read(size), b""))
        # What belongs to the next request is still there for it.
        rest = body.reader.unreader.take_buffered()
        assert rest + (server.recv(len(NEXT)) if len(rest) < len(NEXT) else b"") == NEXT
    assert b"".join(pieces) == CONTENT[:length]
    assert {len(piece) for piece in pieces[:-1]} <= {size}


def test_the_next_request_that_came_along_stays(pair: tuple[socket.socket, socket.socket]) -> None:
    body = body_of(pair[1], 4, b"body" + NEXT)
    assert [body.read(3), body.read(100), body.read(100)] == [b"bod", b"y", b""]
    assert body.reader.unreader.take_buffered() == NEXT


def test_lines_and_pieces_may_be_mixed(pair: tuple[socket.socket, socket.socket]) -> None:
    body = body_of(pair[1], 12, b"one\ntwo\nfour")
    assert [body.readline(), body.read(2), body.read(), body.read(5)] == [b"one\n", b"tw", b"o\nfour", b""]


def test_a_body_that_ends_too_early_is_short_and_one_that_breaks_has_failed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, server = pair
    body = body_of(server, 100)
    client.sendall(b"abc")
    client.shutdown(socket.SHUT_WR)
    assert [body.read(50), body.read(50)] == [b"abc", b""]
    server.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        body.read(50)
    assert body.failed


def test_a_body_in_chunks_stays_as_gunicorn_reads_it(pair: tuple[socket.socket, socket.socket]) -> None:
    request = SimpleNamespace(body=Body(ChunkedReader(None, SocketUnreader(pair[1]))))
    pair[0].sendall(b"3\r\nabc\r\n0\r\n\r\n")
    pre_request(None, request)
    assert type(request.body) is Body and request.body.read() == b"abc"
