"""The facts read from real photos are those that ExifTool reads and that the corpora themselves publish."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from album.exceptions import UnsupportedMedia
from album.media.dates import parse_offset
from album.media.facts import FileFacts, Origin
from album.media.metadata import read_facts
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from tests.corpus.places import CORPUS, need

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # Pillow's remarks on files damaged on purpose
]

IMMICH = CORPUS / "immich-test-assets"
FOLDERS = (
    "avif-link-u",
    "coco-captions-by",
    "exif-orientation-examples",
    "exif-samples",
    "exiftool-t",
    "image-rs",
    "immich-test-assets",
    "libheif-fuzz",
    "mdn-media",
    "metadata-extractor-sample",
    "pillow-hard",
    "sharp-fixtures",
)

NO_DECODER = {"image/jp2", "image/j2c", "image/vnd.microsoft.icon", "image/x-exr", "image/vnd.radiance"}
"""Kept without a preview; nobody asks for the size of what is not shown."""

DIFFERENT = {
    "an XMP block whose header Flickr damaged: readers that follow the standard skip it": {
        "coco-captions-by/000000129648.jpg": {"date", "camera", "rating"},
        "coco-captions-by/000000177977.jpg": {"date", "camera"},
    },
    "stated only in a maker's block from before Exif": {
        "exif-samples/jpg/exif-org/olympus-d320l.jpg": {"date"},
        "exif-samples/jpg/exif-org/sony-powershota5.jpg": {"date", "camera"},
        "exiftool-t/CasioQVCI.jpg": {"date"},
        "exiftool-t/KyoceraRaw.raw": {"date", "camera"},
        "exiftool-t/Sigma.x3f": {"date", "camera"},
        "exiftool-t/SigmaDP2.x3f": {"date", "camera"},
    },
    "stated twice, and ExifTool believes the maker's block": {"exiftool-t/ExifTool.jpg": {"date", "camera"}},
    "cut short for ExifTool's own tests, so that Exiv2 refuses it": {
        "exiftool-t/CanonRaw.cr3": {"date", "offset", "camera", "rating"},
    },
    "an unset clock, or a year to come": {
        "metadata-extractor-sample/jpg/Olympus C860L.jpg": {"date"},
        "metadata-extractor-sample/jpg/Olympus C4040Z.jpg": {"date"},
        "metadata-extractor-sample/jpg/Issue 609.jpg": {"date"},
        "metadata-extractor-sample/jpg/FujiFilm DX-5.jpg": {"date"},
        "metadata-extractor-sample/jpg/FujiFilm SP-2500.jpg": {"date"},
        "pillow-hard/exif_gps.jpg": {"date", "place"},
    },
    "empty or 0, 0: no position": {
        "exiftool-t/InfiRay.jpg": {"place"},
        "immich-test-assets/metadata/gps-position/empty_gps.jpg": {"place"},
        "metadata-extractor-sample/jpg/Samsung GT-I9000 (Galaxy S).jpg": {"place"},
    },
    "the frames of the animation are larger than the header says": {
        "image-rs/images/gif/simple/issue_1455_oversized.gif": {"size"},
        "image-rs/images/gif/anim/oob.gif": {"size"},
    },
    "a size that no decoder accepts": {
        "exiftool-t/PCX.pcx": {"size"},
        "image-rs/regression/gif/zero-loop-count.gif": {"size"},
        "image-rs/regression/ico/crash-981fee302fe0fc543ee48292cc3d6ace7e97e633.ico": {"size"},
        "metadata-extractor-sample/heic/NegativeArraySizeException.ItemInfoBox.init.heif": {"size"},
        "metadata-extractor-sample/heic/IllegalArgumentException.HeifReader.processBoxes.heif": {"size"},
        "metadata-extractor-sample/jpg/beach.jpg": {"size"},
        "pillow-hard/decompression_bomb.gif": {"size"},
        "pillow-hard/zero_width.gif": {"size"},
    },
    "cropped by its decoder, which ExifTool does not tell": {
        "libheif-fuzz/fuzzing/data/corpus/avc32.heif": {"size"},
        "libheif-fuzz/fuzzing/data/corpus/hevc32.heif": {"size"},
        "libheif-fuzz/tests/data/rainbow-451x461.heic": {"size"},
    },
}
"""Where the album knowingly says something else than ExifTool, by reason."""

ALLOWED = {path: facts for group in DIFFERENT.values() for path, facts in group.items()}


@pytest.fixture(scope="module")
def places_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


def read(path: Path, places_folder: Path, **origin: Any) -> FileFacts:
    return read_facts(path, type_of(path), Origin(path.name, places_folder=places_folder, **origin))


def type_of(path: Path) -> MediaType:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES), path.name)


@pytest.mark.parametrize("name", FOLDERS)
def test_facts_are_those_that_exiftool_reads(name: str, places_folder: Path) -> None:
    need(CORPUS / name)
    compared, wrong = 0, []
    for stated in json.loads((CORPUS / name / "facts.json").read_text()):
        relative = stated["SourceFile"].split("public/", 1)[1]
        path = CORPUS / relative
        try:
            media_type = type_of(path)
        except (UnsupportedMedia, FileNotFoundError):
            continue
        if media_type.kind == "video":
            continue
        facts = read_facts(path, media_type, Origin(places_folder=places_folder))
        for fact, expected, found in compare(stated, facts, media_type):
            compared += 1
            is_broken = name == "libheif-fuzz" and facts.width_px is None
            if expected != found and not is_broken and fact not in ALLOWED.get(relative, ()):
                wrong.append(f"{relative}: {fact} {found}, not {expected}")
    print(f"{name}: {compared} facts compared")
    assert compared > 0
    assert not wrong, "\n".join(wrong)


def compare(stated: dict[str, Any], facts: FileFacts, media_type: MediaType) -> Iterator[tuple[str, Any, Any]]:
    """Each fact that ExifTool states: its name, what is expected, what was found (None if nothing)."""
    if "ImageWidth" in stated and media_type.decoder != "raw" and media_type.mime not in NO_DECODER:
        yield "size", upright_size(stated, media_type), facts.width_px and (facts.width_px, facts.height_px)
    if "Orientation" in stated and media_type.decoder == "pillow" and media_type.mime != "image/avif":
        is_legal = stated["Orientation"] in range(1, 9)
        yield "orientation", stated["Orientation"] if is_legal else 1, facts.orientation
    if "DateTimeOriginal" in stated:
        local = facts.taken_at_local
        yield "date", str(stated["DateTimeOriginal"])[:19], local and f"{local:%Y:%m:%d %H:%M:%S}"
    if "OffsetTimeOriginal" in stated:
        yield "offset", parse_offset(stated["OffsetTimeOriginal"]), facts.utc_offset
    place = (stated.get("GPSLatitude"), stated.get("GPSLongitude"))
    found = (facts.latitude_deg, facts.longitude_deg)
    is_near = None not in (*place, *found) and place == pytest.approx(found, abs=1e-6)
    yield "place", place, place if is_near else found
    for name in {"Make", "Model"} & set(stated):
        said, camera = " ".join(str(stated[name]).split()), facts.camera
        is_said = said.split()[0].lower() in camera.lower() if name == "Make" and said else said in camera
        yield "camera", said, said if is_said else camera
    if "Rating" in stated:
        yield "rating", stated["Rating"], facts.rating


def upright_size(stated: dict[str, Any], media_type: MediaType) -> tuple[int, int]:
    is_turned_by_container = media_type.decoder == "heif" or media_type.mime == "image/avif"
    sideways = (
        stated.get("Rotation", 0) % 180 if is_turned_by_container else stated.get("Orientation") in range(5, 9)
    )
    size = (stated["ImageWidth"], stated["ImageHeight"])
    return size[::-1] if sideways else size


def test_every_published_fact_of_immich_holds(places_folder: Path) -> None:
    need(IMMICH)
    checked = 0
    for name, stated in json.loads((IMMICH / "facts_stated.json").read_text()).items():
        if isinstance(stated, str) or not (IMMICH / name).exists():
            continue
        facts = read(IMMICH / name, places_folder)
        found = {
            "w": facts.width_px,
            "h": facts.height_px,
            "lat": facts.latitude_deg,
            "lon": facts.longitude_deg,
            "tz": facts.time_zone,
            "iso": facts.iso,
            "fnumber": facts.f_number,
            "focal": facts.focal_length_mm,
            "exposure": f"1/{1 / facts.exposure_s:.0f}" if facts.exposure_s else None,
            "rating": facts.rating,
            "description": facts.description,
            "display_w": facts.width_px,
            "display_h": facts.height_px,
        }
        for fact in set(stated) & set(found):
            checked += 1
            assert found[fact] == pytest.approx(stated[fact]), (name, fact)
        if "taken_utc" in stated:
            assert facts.taken_at_local is not None
            zone = timezone(facts.utc_offset or timedelta(0))
            assert facts.taken_at_local.replace(tzinfo=zone) == datetime.fromisoformat(stated["taken_utc"]), name
        if "make" in stated:
            assert facts.camera == f"{stated['make']} {stated['model']}"
    assert checked > 20


def test_the_phone_that_knows_no_offset_gets_that_of_its_place(places_folder: Path) -> None:
    need(IMMICH)
    facts = read(IMMICH / "formats/heic/IMG_2682.heic", places_folder)
    assert facts.taken_at_local == datetime(2019, 3, 21, 11, 4, 22, 348000)
    assert (facts.utc_offset, facts.time_zone) == (timedelta(hours=-5), "America/Chicago")
    assert facts.place is not None
    assert (facts.place.country_code, facts.place.region) == ("US", "Nebraska")


@pytest.mark.parametrize(
    ("name", "source", "local"),
    [
        ("date-priority-test.jpg", "original", datetime(2023, 2, 2, 2)),
        ("datetimeoriginal-gps.jpg", "original", datetime(2025, 12, 1, 11, 30)),
        ("gps-datetime.jpg", "gps", datetime(2023, 11, 15, 4, 30)),  # 12:30 UTC, in San Francisco
        ("time-created.jpg", "", None),  # a time of day without a day
    ],
)
def test_dates_are_believed_in_their_order(
    name: str, source: str, local: datetime | None, places_folder: Path
) -> None:
    need(IMMICH)
    facts = read(IMMICH / "metadata/dates" / name, places_folder)
    assert (facts.taken_at_source, facts.taken_at_local) == (source, local)


def test_gps_tags_that_are_there_but_empty_are_no_position(places_folder: Path) -> None:
    need(IMMICH)
    facts = read(IMMICH / "metadata/gps-position/empty_gps.jpg", places_folder)
    assert (facts.latitude_deg, facts.longitude_deg, facts.place) == (None, None, None)


@pytest.mark.parametrize("year", [2000, 2010, 2020])
def test_the_date_of_a_sidecar_wins(year: int, places_folder: Path) -> None:
    need(IMMICH)
    sidecar = IMMICH / f"metadata/xmp/dates/{year}.xmp"  # UTF-16, which Exiv2 alone refuses
    facts = read(IMMICH / "formats/jpg/el_torcal_rocks.jpg", places_folder, sidecars=(sidecar,))
    assert (facts.taken_at_source, facts.taken_at_local) == ("sidecar", datetime(year, 9, 27, 14, 35, 33))
    assert facts.utc_offset == timedelta(hours=2)
    assert facts.description == "SONY DSC"  # the sidecar states none


def test_the_clip_of_a_samsung_motion_photo_is_found_byte_for_byte(places_folder: Path) -> None:
    need(IMMICH)
    path = IMMICH / "formats/motionphoto/samsung-one-ui-6.heic"
    clip = read(path, places_folder).clip
    assert clip is not None
    content = path.read_bytes()[clip.offset : clip.offset + clip.size_bytes]
    assert base64.b64encode(hashlib.sha1(content).digest()) == b"/ejgzywvgvzvVhUYVfvkLzFBAF0="


def test_an_apple_photo_names_its_clip(places_folder: Path) -> None:
    path = CORPUS / "metadata-extractor-sample/heic/IMG_2927.HEIC"
    need(path)
    assert read(path, places_folder).content_identifier == "1745E022-9712-43C7-B024-F308EC6413CB"


def test_a_phone_video_tells_the_time_of_its_place(places_folder: Path) -> None:
    path = CORPUS / "metadata-extractor-sample/mov/with-gps.mov"
    need(path)
    facts = read(path, places_folder, modified_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (facts.taken_at_local, facts.taken_at_source) == (datetime(2019, 7, 24, 11, 25, 40), "container")
    assert (facts.utc_offset, facts.time_zone) == (timedelta(hours=3), "Asia/Jerusalem")
    assert (facts.latitude_deg, facts.longitude_deg) == (32.0929, 34.862)
