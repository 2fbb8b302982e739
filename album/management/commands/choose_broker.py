"""``manage.py choose_broker``: Redis where it answers, else files, for every later command."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand

CONNECT_S = 2.0


class Command(BaseCommand):
    help = "Looks for the local Redis and notes whether jobs go through it or through files below the var folder."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.CELERY_BROKER_URL not in {settings.LOCAL_REDIS, settings.FILE_QUEUE}:
            return
        if answers(settings.LOCAL_REDIS):
            settings.FILE_QUEUE_MARK.unlink(missing_ok=True)
            return
        settings.FILE_QUEUE_MARK.touch()
        self.stdout.write(f"No Redis on this machine: jobs are queued in files under {settings.VAR_DIR}.")


def answers(url: str) -> bool:
    """Whether something listens there."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), CONNECT_S).close()
    except OSError:
        return False
    return True
