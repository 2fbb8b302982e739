"""``manage.py check_ai_status``: how the album is; its exit status is for programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from album.services.status import check_status, worst
from album.services.status.line import STATES


class Command(BaseCommand):
    help = "Says how each part of the album is. Exit status: 0 all is well, 1 a warning, 2 a problem."
    requires_system_checks = []  # it shall also tell what is wrong where much is

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = check_status()
        state = worst(lines)
        if options["json"]:
            self.stdout.write(json.dumps({"state": state, "lines": [line.as_json() for line in lines]}, indent=1))
        else:
            styles = dict(zip(STATES, (self.style.SUCCESS, self.style.WARNING, self.style.ERROR), strict=True))
            width = max(len(line.title) for line in lines)
            for line in lines:
                self.stdout.write(f"{styles[line.state](f'{line.state:<8}')} {line.title:<{width}} {line.words}")
                if line.next_step:
                    self.stdout.write(f"{'':<8} {'':<{width}} Next step: {line.next_step}")
        raise SystemExit(STATES.index(state))
