"""``analyze_photos`` with its memory watched: ``python -m tests.benchmarks.watched``, in an installation.

Prints which graphs were opened and closed, the resident memory after each, and the peak (VmHWM) of the process.
"""

from __future__ import annotations

import gc
import json
from typing import Any

import psutil
from django.core.management import execute_from_command_line

from album.inference import sessions
from tests.benchmarks.measuring import MB, peak_mb

Event = tuple[str, str, float]


def watch(events: list[Event]) -> None:
    """Every session from now on notes when it is opened and closed."""

    def resident_mb() -> float:
        gc.collect()
        return psutil.Process().memory_info().rss / MB

    class Watched(sessions.OnnxSession):
        def __init__(self, session: Any, name: str) -> None:
            super().__init__(session, name)
            events.append(("opened", name, resident_mb()))

        def close(self) -> None:
            was_open = self._session is not None
            super().close()
            if was_open:
                events.append(("closed", self.name, resident_mb()))

    sessions.OnnxSession = Watched  # type: ignore[misc]


def main() -> None:
    events: list[Event] = []
    watch(events)
    execute_from_command_line(["manage.py", "analyze_photos", "--no-progress"])
    print(json.dumps({"events": events, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "photo_album.settings"
    main()
