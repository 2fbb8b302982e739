"""Where the renditions of an item lie: beside the originals, by content, so that equal files share them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from album.models import MediaItem

RENDITIONS = "renditions"


def rendition_folder(sha256: str) -> str:
    """Relative to MEDIA_ROOT: ``renditions/ab/cd/<sha256>``."""
    return f"{RENDITIONS}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def rendition_name(item: MediaItem, name: str) -> str:
    """Relative to MEDIA_ROOT: ``renditions/ab/cd/<sha256>/grid.webp`` and the like."""
    return f"{rendition_folder(item.sha256)}/{name}"


def rendition_path(item: MediaItem, name: str) -> Path:
    """The same as an absolute path; whether the file is there is another question."""
    return Path(settings.MEDIA_ROOT) / rendition_name(item, name)


def find_video_proxy(item: MediaItem) -> Path | None:
    """Where its proxy lies, if it has one. A lost one, as backups hold none, is forgotten and made again."""
    if not item.video_proxy:
        return None
    path = Path(item.video_proxy.path)
    if path.is_file():
        return path
    MediaItem.objects.filter(pk=item.pk, video_proxy=item.video_proxy.name).update(video_proxy="")
    item.video_proxy = ""  # else browsers would keep the original for ever under the address of the proxy
    return None
