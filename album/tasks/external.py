"""The door to other sites."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task, shared_task
from django.contrib.auth.models import User

from album.exceptions import AlbumError, StorageError
from album.models import Album
from album.queries import fillable_albums
from album.services.external_images import ExternalImageUnavailable, attach_external_image, note_failure
from album.tasks.bell import ring_bell
from album.tasks.media import prepare_media

logger = logging.getLogger(__name__)
MAX_RETRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 10, 600


@shared_task(
    bind=True,
    name="album.tasks.download_external_image_and_attach",
    max_retries=MAX_RETRIES,
    soft_time_limit=120,
    time_limit=150,
)
def download_external_image_and_attach(  # noqa: PLR0913, PLR0917 - the signature is given from outside
    self: Task[Any, Any],
    app_label: str,
    model_name: str,
    object_id: int,
    image_url: str,
    order: int = 0,
    user_id: int | None = None,
) -> dict[str, Any]:
    """Fetches an image from an allowed host into an album; if that fails, again after 10 s, 20 s and so on.

    Delivered twice it is one item. It belongs to the user who asked, if that user may still fill the album, and
    without ``user_id`` to the album's owner. ``order`` is taken for the callers' sake: albums go by date.
    """
    if (app_label, model_name.lower()) != ("album", "album"):
        return {"skipped": f"images are attached to albums only, not to {app_label}.{model_name}"}
    album = Album.objects.select_related("owner").filter(pk=object_id).first()
    if album is None:
        return {"skipped": f"there is no album {object_id}"}
    owner = album.owner if user_id is None else User.objects.filter(pk=user_id).first()
    if owner is None or not fillable_albums(owner).filter(pk=object_id).exists():
        return {"skipped": f"user {user_id} may not fill album {object_id}"}
    try:
        result = attach_external_image(owner=owner, album=album, url=image_url)
    except (ExternalImageUnavailable, StorageError) as error:
        if self.request.retries < MAX_RETRIES:
            wait_s = min(FIRST_WAIT_S * 2**self.request.retries, LONGEST_WAIT_S)
            raise self.retry(exc=error, countdown=wait_s) from error
        return _failed(owner, album, image_url, error)
    except AlbumError as error:
        return _failed(owner, album, image_url, error)
    if result.is_new:
        ring_bell(prepare_media, result.item.pk)
    return {"item": result.item.pk, "is_new": result.is_new}


def _failed(user: User, album: Album, url: str, error: AlbumError) -> dict[str, Any]:
    logger.warning("An image from another site did not come into album %s: %s", album.pk, error)
    note_failure(user=user, album=album, url=url, error=error)
    return {"failed": str(error)}
