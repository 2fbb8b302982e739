"""How the album is served: ``gunicorn --config python:photo_album.gunicorn photo_album.wsgi``."""

import gc
import os
import socket
import threading
import time
from importlib import import_module
from typing import Any

from gunicorn.http.body import Body
from gunicorn.http.unreader import SocketUnreader

from photo_album.systemd import notify, ping_interval_s

bind = "127.0.0.1:8000"
workers = 2
worker_class = "photo_album.gunicorn_worker.FairWorker"
threads = 4
timeout = 120
loglevel = "warning"
# The workers are forked from a process that has loaded the album, and share that memory.
preload_app = True
control_socket_disable = True  # nobody asks there, and it would lie in the home of www-data
# Workers touch a file each second; this folder lies in memory, /tmp often on the disk.
worker_tmp_dir = os.environ.get("RUNTIME_DIRECTORY") or None

# Pieces of 1 MiB, which gunicorn reads a body in, are given back to the system and zeroed anew each time.
# Measured: an upload of 4 MB costs 22 ms CPU instead of 25, 2026-11.
SocketUnreader.max_body_chunk = 128 * 1024


def _read_into(body: Body, buffer: memoryview) -> int:
    """How many bytes of the body were put into ``buffer``: less than it holds at the end only.

    ``body.read`` copies each byte three times more.
    """
    reader, place = body.reader, 0
    unreader = reader.unreader
    wanted = min(len(buffer), reader.length)
    if held := unreader.take_buffered():
        place = min(len(held), wanted)
        buffer[:place] = held[:place]
        unreader.unread(held[place:])
    while place < wanted and (count := unreader.sock.recv_into(buffer[place:wanted], 0, socket.MSG_WAITALL)):
        place += count
    reader.length -= place
    return place


Body.readinto = _read_into


def when_ready(arbiter: Any) -> None:
    """Before the first worker is forked. Gunicorn itself ends workers that hang, and has told that it is ready."""
    _load_everything()
    notify("STATUS=answers at " + ", ".join(map(str, arbiter.LISTENERS)))
    threading.Thread(target=_ping, name="watchdog", daemon=True).start()


def _load_everything() -> None:
    """What is loaded here is shared by the workers; what each would load later, it would have for itself."""
    import_module("photo_album.urls")
    import_module("django.template").engines.all()
    gc.collect()
    gc.freeze()  # the workers' garbage collectors need not look at it


def _ping() -> None:
    while True:
        notify("WATCHDOG=1")
        time.sleep(ping_interval_s())
