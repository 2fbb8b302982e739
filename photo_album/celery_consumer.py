"""Celery's consumer, which tells systemd that it is alive: also while Redis is away and while it ends its tasks."""

from __future__ import annotations

from typing import Any

from celery import bootsteps, signals
from celery.worker import consumer
from celery.worker.consumer.tasks import Tasks

from photo_album.systemd import notify, ping_interval_s, pinging

AT_REST = "STATUS=ready"


class Ping(bootsteps.StartStopStep):
    """From the event loop, so that a loop that hangs falls silent; Celery's timer goes on while tasks end."""

    requires = (Tasks,)

    def start(self, parent: Any) -> None:
        """Begins anew with each connection to Redis."""
        notify("READY=1", "WATCHDOG=1", AT_REST)
        parent.timer.call_repeatedly(ping_interval_s(), notify, ("WATCHDOG=1",))


class Consumer(consumer.Consumer):
    """Set as CELERY_WORKER_CONSUMER."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc, valid-type]
        default_steps = [*consumer.Consumer.Blueprint.default_steps, Ping]

    def ensure_connected(self, conn: Any) -> Any:
        """The connection; where Redis is away, after it came back."""
        with pinging("waits for Redis"):
            return super().ensure_connected(conn)


@signals.task_postrun.connect
def _say_that_it_rests(**_: object) -> None:
    notify(AT_REST)


@signals.worker_shutting_down.connect
def _say_that_it_ends(**_: object) -> None:
    notify("STATUS=ends its tasks")
