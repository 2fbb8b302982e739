"""Messages to workers. Nobody waits for them: the rows are the queue, and periodic tasks find what was not rung."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError as BrokerError

logger = logging.getLogger(__name__)


def ring_bell(task: Task[Any, Any], *args: object) -> bool:
    """False if the broker does not answer: who has more to ring leaves it then, each try may take seconds.

    The result is not asked for: without Redis its store would be waited for, 20 seconds long, and then fail.
    """
    try:
        task.apply_async(args=args, retry=False, ignore_result=True)
    except (BrokerError, OSError, ValueError) as error:  # the last: a queue in files, read while it is being made
        logger.warning("%s%s was not sent, the periodic check will do it: no broker (%s)", task.name, args, error)
        return False
    return True
