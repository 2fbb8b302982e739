"""``manage.py analyze_videos``: the batch for videos."""

from album.management.commands._analyze import AnalyzeCommand
from album.models.media import Kind


class Command(AnalyzeCommand):
    help = "Describe, tag and embed pending videos. Loads each network once and stops at an item boundary."
    kind = Kind.VIDEO
