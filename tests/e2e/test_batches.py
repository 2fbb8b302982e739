"""Batches by hand and by night: started, watched and stopped with a real worker; when the next night begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from subprocess import Popen

import pytest
from playwright.sync_api import expect

from tests.cast import Cast
from tests.e2e.browser import OpenPage, SignIn, complaints
from tests.e2e.conftest import RealAlbum
from tests.faults.installation import MAKE_ROWS

PHOTOS = 999
"""More than are done before somebody presses Stop."""
MAKE_PHOTO = """
    from django.contrib.auth.models import User
    from tests.cast import make_photo, scene_bytes
    make_photo(User.objects.get(username="alice"), content=scene_bytes(size_px=(2400, 1800)))
"""
WORKER = "-m celery -A photo_album worker -Q ai -c 1 --without-gossip --without-mingle --without-heartbeat"


@pytest.fixture
def start_worker(live_album: RealAlbum) -> Iterator[Callable[[], object]]:
    """Starts a worker, which ends with the test, and its own processes with it."""
    started: list[Popen[str]] = []
    yield lambda: started.append(live_album.installation.start(*WORKER.split()))
    for worker in started:
        worker.terminate()
        worker.wait(60)


def test_a_batch_is_started_watched_and_stopped(
    live_album: RealAlbum, open_page: OpenPage, start_worker: Callable[[], object]
) -> None:
    live_album.python(MAKE_PHOTO)
    live_album.python(MAKE_ROWS.format(count=PHOTOS))
    page = live_album.sign_in(open_page(), "root")
    page.goto(f"{live_album.url}/process-photos-ai/")
    panel = page.locator("#run")
    expect(panel).to_contain_text("No worker for AI is running")
    page.get_by_role("button", name="Start").click()
    expect(panel).to_contain_text("Waiting for the worker")

    start_worker()
    progress = panel.get_by_role("progressbar")
    expect(panel).to_contain_text(re.compile(rf"[1-9]\d* of {PHOTOS} items"), timeout=60_000)
    before = progress.get_attribute("value")
    expect(progress).not_to_have_attribute("value", before or "", timeout=30_000)
    panel.get_by_role("button", name="Stop").click()
    expect(panel.locator(".badge")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("heading", name="Last batch")).to_be_visible()
    expect(page.get_by_role("heading", name="What it found")).to_be_visible()

    statuses = live_album.installation.statuses()
    assert 0 < statuses["completed"] < PHOTOS
    assert statuses["pending"] + statuses["completed"] == PHOTOS
    expect(panel).to_contain_text(f"{statuses['completed']} items done")
    assert complaints(page) == []


@pytest.mark.django_db(transaction=True)
def test_the_next_night_moves_with_the_schedule(live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.admin, "/ai-settings/")
    photos, videos = page.locator("#next-photo"), page.locator("#next-video")
    page.get_by_label("Hour", exact=True).fill("4")
    page.get_by_label("Minute", exact=True).fill("45")
    page.get_by_role("button", name="Save").click()
    expect(photos).to_contain_text("04:45")
    expect(videos).to_contain_text("05:15")
    page.get_by_label("Every night").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(photos).to_have_text("None: the schedule is off")
    page.get_by_label("Hour", exact=True).fill("24")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
    assert [line for line in complaints(page) if "400" not in line] == []
