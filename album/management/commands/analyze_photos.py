"""``manage.py analyze_photos``: the batch for photos."""

from album.management.commands._analyze import AnalyzeCommand
from album.models.media import Kind


class Command(AnalyzeCommand):
    help = "Describe, tag and embed pending photos. Loads each network once and stops at an item boundary."
    kind = Kind.PHOTO
