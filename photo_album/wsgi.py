"""WSGI entry point: ``gunicorn photo_album.wsgi``. Small pictures are given out in front of Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
_django = get_wsgi_application()

from album.web.files_door import FilesDoor  # noqa: E402 - it needs the apps to be there
from album.web.turns import Turns  # noqa: E402

application = FilesDoor(Turns(_django))
