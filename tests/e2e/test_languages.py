"""Long words of other languages fit on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from album.models import Preferences
from tests.cast import Cast
from tests.e2e.browser import PHONE, SignIn, complaints, overflow_px
from tests.media.video_files import write_video
from tests.web.everybody import TOKEN, make_world

PAGES = (
    *("", "albums/", "albums/{album}/", "albums/{album}/edit/", "albums/{album}/people/", "albums/{album}/links/"),
    *(
        "media/{item}/",
        "people/",
        "map/",
        "memories/",
        "search/?q=x",
        "statistics/",
        "trash/",
        "filters/",
        "archive/",
    ),
    *("links/", "account/", "upload/", "process-photos-ai/", "ai-settings/", "accounts/2fa/", f"s/{TOKEN}/"),
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_pages_in_other_languages_fit_on_a_phone(
    live_cast: Cast, signed_in: SignIn, live_server: Any, tmp_path: Path, language: str
) -> None:
    moving = write_video(tmp_path / "v.mp4", ["red", "blue"]).read_bytes()
    world = make_world(live_cast, moving)
    Preferences.objects.create(user=live_cast.admin, language=language)
    page = signed_in(live_cast.admin, "/account/", PHONE)
    wide = {}
    for path in PAGES:
        address = path.format(album=live_cast.shared.pk, item=world.photo.pk)
        page.goto(f"{live_server.url}/{address}", wait_until="networkidle")
        assert page.locator("html").get_attribute("lang") == language
        if overflow_px(page) > 0:
            wide[path] = overflow_px(page)
    assert wide == {}
    assert complaints(page) == []
