"""``manage.py setup_beat_schedule``: writes beat's entries."""

from typing import Any

from django.core.management.base import BaseCommand

from album.models import AIProcessingSettings
from album.services.schedule import CHORES, write_beat_schedule, write_housekeeping


class Command(BaseCommand):
    help = "Write the schedule into beat's tables. Doing it again changes nothing, nor what an admin changed there."

    def handle(self, *args: Any, **options: Any) -> None:
        row = AIProcessingSettings.load()
        write_beat_schedule(row)
        write_housekeeping()
        at = f"{row.schedule_hour:02}:{row.schedule_minute:02}"
        state = "on" if row.processing_enabled and row.scheduled_processing else "off"
        self.stdout.write(f"Night schedule is {state}: photos at {at}, videos half an hour later.")
        self.stdout.write(f"{len(CHORES)} entries for housekeeping; change them under Periodic tasks in the admin.")
