"""``manage.py setup_beat_schedule``: writes beat's entries from the settings row."""

from typing import Any

from django.core.management.base import BaseCommand

from album.models import AIProcessingSettings
from album.services.ai_settings import write_beat_schedule


class Command(BaseCommand):
    help = "Write the night's schedule into beat's tables. Doing it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        row = AIProcessingSettings.load()
        write_beat_schedule(row)
        at = f"{row.schedule_hour:02}:{row.schedule_minute:02}"
        state = "on" if row.processing_enabled and row.scheduled_processing else "off"
        self.stdout.write(f"Night schedule is {state}: photos at {at}, videos half an hour later.")
