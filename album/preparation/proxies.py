"""Videos that browsers cannot play, once more as H.264 and AAC."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from album.media.proxy import make_proxy
from album.media.renditions import PROXY
from album.media.sandbox import Sandbox
from album.models import MediaItem
from album.preparation.extras import Extra, make_extra

VIDEO_PROXY = Extra(PROXY, column="video_proxy", attempts="proxy_attempts", problem="proxy_problem")
WITHOUT_PROXY = VIDEO_PROXY.is_missing() & Q(needs_proxy=True)
"""Videos that are going to have one."""

LIMIT_S = 6 * 3600
"""For one video, however long and slow the machine."""
MAX_FILE_MB = 100_000


def make_video_proxy(item: MediaItem) -> bool:
    """True if the video has its proxy now. Errors as ``make_extra``."""
    with Sandbox(memory_mb=settings.DECODE_MEMORY_MB, timeout_s=LIMIT_S, file_mb=MAX_FILE_MB) as box:
        return make_extra(item, VIDEO_PROXY, box, make_proxy)
