"""The Celery application: ``celery -A photo_album worker``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
# Celery would run Django's checks when a worker starts, which import every page and with them Pillow and numpy:
# 20 MB in each process of a worker that serves no page. The web server and manage.py run the checks.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("photo_album")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
