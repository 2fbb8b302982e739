"""The scheduler of the album: ``python -m photo_album.celery_beat``.

It is ``celery beat`` without what Celery loads to read its command line, which is 9 MB.
"""

from __future__ import annotations

from celery.apps.beat import Beat

from photo_album.celery import app

if __name__ == "__main__":
    Beat(app=app, loglevel="WARNING", quiet=True).run()
