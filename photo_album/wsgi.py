"""WSGI entry point: ``gunicorn photo_album.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
application = get_wsgi_application()
