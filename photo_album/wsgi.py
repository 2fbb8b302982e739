"""WSGI entry point: ``gunicorn photo_album.wsgi``. Small pictures are given out in front of Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
_django = get_wsgi_application()

from album.search import semantic  # noqa: E402 - they need the apps to be there
from album.web.files_door import FilesDoor  # noqa: E402
from album.web.turns import Turns  # noqa: E402

_turns = Turns(_django)
semantic.while_waiting = _turns.given_back
application = FilesDoor(_turns)
