"""How often an account may ask within a minute."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.cache import caches
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

WINDOW_S = 60


class RateLimit(BaseThrottle):
    """``API_READS_PER_MINUTE`` for each process, ``API_WRITES_PER_MINUTE`` for all of them together.

    Writes are counted in the database, where counts hold for all processes and after a restart. Reads are counted
    in the memory of a process: otherwise each would end in a sync of the disk (20 ms on an SD card).
    """

    def __init__(self) -> None:
        self._wait_s = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        is_read = request.method in SAFE_METHODS
        most = settings.API_READS_PER_MINUTE if is_read else settings.API_WRITES_PER_MINUTE
        cache = caches["memory" if is_read else "default"]
        window, elapsed_s = divmod(time.time(), WINDOW_S)
        key = f"api-{'reads' if is_read else 'writes'}-{request.user.pk}-{window:.0f}"
        count = cache.get(key, 0) + 1
        self._wait_s = WINDOW_S - elapsed_s
        if count > most:
            return False
        cache.set(key, count, WINDOW_S)
        return True

    def wait(self) -> float:
        return self._wait_s
