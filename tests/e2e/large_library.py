"""A library of many photos for a real browser, and how soon it shows the largest of them."""

from __future__ import annotations

MAKE_LIBRARY = """
    import os, random, shutil
    from datetime import UTC, datetime, timedelta
    from django.contrib.auth.models import User
    from album.models import MediaItem
    from album.preparation.paths import rendition_path
    from tests.cast import make_photo, scene_bytes
    alice, dice, at = User.objects.get(username="alice"), random.Random(1), datetime(2026, 11, 1, 18, tzinfo=UTC)
    shapes = ((1200, 900), (900, 1200), (1600, 900), (1000, 1000))
    drawn = [make_photo(alice, content=scene_bytes(seed=n, size_px=shapes[n % 4])) for n in range(24)]
    same = "kind mime_type size_bytes width_px height_px placeholder preview_status prepared_at".split()
    rows = []
    for n in range({count} - len(drawn)):
        at -= timedelta(minutes=dice.choice((1, 2, 5, 120)) if dice.random() < .9 else 5000)
        values = {{name: getattr(drawn[n % 24], name) for name in same}}
        rows.append(MediaItem(owner=alice, original=drawn[n % 24].original.name, original_name=f"IMG_{{n:04}}.jpg",
                              sha256=f"{{n:064x}}", timeline_at=at, **values))
        shutil.copytree(rendition_path(drawn[n % 24], ""), rendition_path(rows[n], ""), copy_function=os.link)
    MediaItem.objects.bulk_create(rows)
"""
LARGEST_PAINT = """() => new Promise((told) => new PerformanceObserver((list) => {
    const last = list.getEntries().at(-1); told([last.startTime, last.url]);
}).observe({type: "largest-contentful-paint", buffered: true}))"""
SLOW_DOWN = 4
"""Times slower than this machine: what a phone of the middle class is to a desktop."""
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb")
OWN_FILES = """() => performance.getEntriesByType("resource")
    .filter(({name}) => /\\/static\\/album\\/.*\\.(js|css)$/.test(name))
    .map(({name, encodedBodySize}) => [name.split("/").at(-1), encodedBodySize])"""
"""Names and compressed bytes of the scripts and styles that a page has fetched and that are ours."""
