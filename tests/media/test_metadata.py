"""What a file tells about itself, what its sidecars add, and what is not believed although tags are there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from album.media.facts import FileFacts, Origin
from album.media.metadata import read_facts
from album.media.sniff import HEAD_BYTES, sniff
from tests.media.video_files import write_video

BASE, GPS = ExifTags.Base, ExifTags.GPS
LISBON: dict[int, Any] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (38.0, 43.0, 12.0),
    GPS.GPSLongitudeRef: "W",
    GPS.GPSLongitude: (9.0, 8.0, 24.0),
}
PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
 xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
 {attributes}>
{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture(scope="module")
def places_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


def xmp(attributes: str = "", **elements: str) -> bytes:
    """A packet; an element is ``dc_title`` and the like, with its content."""
    inner = "".join(
        f"<{name.replace('_', ':')}>{text}</{name.replace('_', ':')}>" for name, text in elements.items()
    )
    return PACKET.format(attributes=attributes, elements=inner).encode()


def bag(*words: str) -> str:
    return f"<rdf:Bag>{''.join(f'<rdf:li>{word}</rdf:li>' for word in words)}</rdf:Bag>"


def said(text: str) -> str:
    return f'<rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>'


def write_photo(
    path: Path,
    base: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
    **options: Any,
) -> Path:
    exif = Image.Exif()
    exif.update(base or {})
    exif.get_ifd(ExifTags.IFD.Exif).update(details or {})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    Image.new("RGB", (60, 40)).save(path, exif=exif, **options)
    return path


def read(path: Path, **origin: Any) -> FileFacts:
    with path.open("rb") as file:
        media_type = sniff(file.read(HEAD_BYTES), path.name)
    return read_facts(path, media_type, Origin(**origin))


def test_time_place_camera_and_exposure_are_read(tmp_path: Path, places_folder: Path) -> None:
    path = write_photo(
        tmp_path / "a.jpg",
        {BASE.Make: "NIKON CORPORATION", BASE.Model: "NIKON D70", BASE.ImageDescription: "A castle"},
        {
            BASE.DateTimeOriginal: "2024:07:01 08:15:30",
            BASE.SubsecTimeOriginal: "25",
            BASE.OffsetTimeOriginal: "+01:00",
            BASE.LensModel: "18-70mm",
            BASE.ExposureTime: IFDRational(1, 250),
            BASE.FNumber: IFDRational(28, 10),
            BASE.FocalLength: IFDRational(35),
            BASE.ISOSpeedRatings: (200, 400),
        },
        LISBON,
    )
    facts = read(path, places_folder=places_folder)
    assert facts.latitude_deg == pytest.approx(38.72)
    assert facts.longitude_deg == pytest.approx(-9.14)
    assert facts.place is not None and facts.place.country == "Portugal"
    assert (facts.taken_at_local, facts.taken_at_source) == (datetime(2024, 7, 1, 8, 15, 30, 250000), "original")
    assert (facts.utc_offset, facts.time_zone) == (timedelta(hours=1), "Europe/Lisbon")
    assert (facts.camera, facts.lens, facts.iso) == ("NIKON D70", "18-70mm", 200)
    assert (facts.exposure_s, facts.f_number, facts.focal_length_mm) == (1 / 250, 2.8, 35.0)
    assert (facts.description, facts.rating, facts.duration_s) == ("A castle", None, None)


@pytest.mark.parametrize("stated", ["1e-300/1e20", "0/1", "1e-320", "-1/250", "1/0"])
def test_an_exposure_of_which_no_part_of_a_second_can_be_told_is_none(tmp_path: Path, stated: str) -> None:
    assert read(write_photo(tmp_path / "a.jpg", xmp=xmp(f'exif:ExposureTime="{stated}"'))).exposure_s is None


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_width_and_height_are_those_of_the_upright_picture(
    tmp_path: Path, orientation: int, image_format: str
) -> None:
    path = write_photo(tmp_path / "a", {BASE.Orientation: orientation}, format=image_format)
    facts = read(path)
    assert (facts.width_px, facts.height_px, facts.orientation) == (40, 60, orientation)


@pytest.mark.parametrize("orientation", [0, 9, 90])
def test_an_illegal_orientation_is_1(tmp_path: Path, orientation: int) -> None:
    facts = read(write_photo(tmp_path / "a.jpg", {BASE.Orientation: orientation}))
    assert (facts.orientation, facts.width_px) == (1, 60)


def test_a_heic_photo_is_turned_once(tmp_path: Path) -> None:
    import pillow_heif

    exif = Image.Exif()
    exif[BASE.Orientation] = 6
    exif[BASE.Model] = "A phone"
    photo = pillow_heif.from_pillow(Image.new("RGB", (64, 48)))
    photo.save(tmp_path / "a.heic", exif=exif.tobytes())
    facts = read(tmp_path / "a.heic")
    with Image.open(tmp_path / "a.heic", formats=pillow_heif.register_heif_opener() or ("HEIF",)) as image:
        assert (facts.width_px, facts.height_px) == image.size
    assert (facts.orientation, facts.camera) == (1, "A phone")


def test_a_photo_without_metadata_has_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png") == FileFacts(60, 40)


def test_tags_that_exiv2_refuses_are_read_from_the_block_that_the_decoder_finds(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg", {BASE.Model: "A camera"}, icc_profile=b"no profile, which Exiv2 minds")
    facts = read(path)
    assert (facts.width_px, facts.height_px, facts.camera) == (60, 40, "A camera")


@pytest.mark.parametrize(
    ("image_format", "expected"), [("GIF", True), ("PNG", True), ("WEBP", True), ("AVIF", True), ("TIFF", False)]
)
def test_animations_are_told_from_pages(tmp_path: Path, image_format: str, expected: bool) -> None:
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a", image_format, save_all=True, append_images=frames[1:])
    assert read(tmp_path / "a").is_animated is expected
    frames[0].save(tmp_path / "b", image_format)
    assert read(tmp_path / "b").is_animated is False


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {key: "" if isinstance(value, str) else () for key, value in LISBON.items()},
        LISBON | {GPS.GPSLatitude: (IFDRational(0, 0),) * 3},
        LISBON | {GPS.GPSLatitude: (200.0, 0.0, 0.0)},
        LISBON | {GPS.GPSLatitude: (0.0,) * 3, GPS.GPSLongitude: (0.0,) * 3},
        {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (38.0, 43.0, 12.0)},
    ],
    ids=["absent", "empty", "0/0", "200 degrees", "0, 0", "half"],
)
def test_a_place_without_sense_is_no_place(tmp_path: Path, gps: dict[int, Any]) -> None:
    facts = read(write_photo(tmp_path / "a.jpg", gps=gps))
    assert (facts.latitude_deg, facts.longitude_deg, facts.place) == (None, None, None)


@pytest.mark.parametrize(
    ("latitude", "reference", "expected"),
    [
        ("43,4.58N", "", 43.07633),
        ("43,4.58S", "", -43.07633),
        ("43,4,34.8s", "", -43.07633),
        ("33.9075", "S", -33.9075),
        ("33.9075", "N", 33.9075),
        ("-33.9075", "S", -33.9075),
        ("-33.9075", "", -33.9075),
        ("33.9075", "", 33.9075),
        ("S", "", None),
    ],
)
def test_xmp_states_a_place_with_a_letter_a_sign_or_a_reference(
    tmp_path: Path, latitude: str, reference: str, expected: float | None
) -> None:
    sidecar = tmp_path / "a.jpg.xmp"
    attributes = f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="79.0770034790039" exif:GPSLongitudeRef="W"'
    sidecar.write_bytes(xmp(attributes + (f' exif:GPSLatitudeRef="{reference}"' if reference else "")))
    facts = read(write_photo(tmp_path / "a.jpg"), sidecars=(sidecar,))
    assert facts.latitude_deg == (None if expected is None else pytest.approx(expected, abs=1e-5))
    assert facts.longitude_deg == (None if expected is None else -79.0770034790039)


def test_words_are_read_in_any_script_and_cleaned(tmp_path: Path) -> None:
    packet = xmp(
        dc_title=said(" Am&#10; See "),
        dc_description=said("Line one  &#10;Zeile zwei: äöü 日本 👨\u200d👧"),
        dc_subject=bag("Sea", "sea ", "one, two", "x" * 100, " "),
        lr_hierarchicalSubject=bag("Animals|Birds|Falcon", "Sea"),
        digiKam_TagsList=bag("People/Ada"),
    )
    facts = read(write_photo(tmp_path / "a.jpg", xmp=packet))
    assert facts.title == "Am See"
    assert facts.description == "Line one\nZeile zwei: äöü 日本 👨\u200d👧"
    assert facts.keywords == ("Sea", "one, two", "x" * 80, "Falcon", "Ada")


def test_latin_1_of_old_programs_is_read(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg", {BASE.ImageDescription: "Caf\u00e9".encode("latin-1")})
    assert read(path).description == "Café"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('xmp:Rating="4"', 4),
        ('xmp:Rating="0"', 0),
        ('xmp:Rating="3.0"', 3),
        ('xmp:Rating="-1"', None),
        ('xmp:Rating="9"', None),
        ('xmp:Rating="good"', None),
        ('MicrosoftPhoto:Rating="1"', 1),
        ('MicrosoftPhoto:Rating="50"', 3),
        ('MicrosoftPhoto:Rating="99"', 5),
        ('xmp:Rating="2" MicrosoftPhoto:Rating="99"', 2),
        ("", None),
    ],
)
def test_a_rating_is_0_to_5_stars(tmp_path: Path, attributes: str, expected: int | None) -> None:
    assert read(write_photo(tmp_path / "a.jpg", xmp=xmp(attributes))).rating == expected


def test_an_xmp_sidecar_holds_what_its_owner_corrected(tmp_path: Path) -> None:
    path = write_photo(
        tmp_path / "a.jpg",
        {BASE.ImageDescription: "SONY DSC"},
        {BASE.DateTimeOriginal: "2024:07:01 08:15:30"},
        xmp=xmp('xmp:Rating="1"', dc_subject=bag("old"), dc_title=said("Kept")),
    )
    sidecar = tmp_path / "a.jpg.xmp"
    sidecar.write_bytes(
        xmp(
            'xmp:Rating="5" exif:DateTimeOriginal="1975-08-02T10:00:00" exif:GPSLatitude="38,43.2N"'
            ' exif:GPSLongitude="9,8.4W"',
            dc_subject=bag("new"),
            dc_description=said("By hand"),
        )
    )
    facts = read(path, sidecars=(sidecar,))
    assert (facts.rating, facts.keywords, facts.description, facts.title) == (5, ("new",), "By hand", "Kept")
    assert (facts.taken_at_local, facts.taken_at_source) == (datetime(1975, 8, 2, 10), "sidecar")
    assert facts.latitude_deg == pytest.approx(38.72)
    assert facts.longitude_deg == pytest.approx(-9.14)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2024-07-01T08:15:30", datetime(2024, 7, 1, 8, 15, 30, 250000)),
        ("2024-07-01T07:15:30Z", datetime(2024, 7, 1, 8, 15, 30, 250000)),
        ("2024-07-01", datetime(2024, 7, 1, 8, 15, 30, 250000)),
        ("2024-07-02T07:15:30Z", datetime(2024, 7, 2, 8, 15, 30)),
    ],
)
def test_an_xmp_sidecar_that_says_less_takes_nothing_away(
    tmp_path: Path, places_folder: Path, stated: str, expected: datetime
) -> None:
    details: dict[int, Any] = {
        BASE.DateTimeOriginal: "2024:07:01 08:15:30",
        BASE.SubsecTimeOriginal: "25",
        BASE.OffsetTimeOriginal: "+01:00",
    }
    sidecar = tmp_path / "a.jpg.xmp"
    sidecar.write_bytes(xmp(f'exif:DateTimeOriginal="{stated}"'))
    path = write_photo(tmp_path / "a.jpg", details=details, gps=LISBON)
    facts = read(path, sidecars=(sidecar,), places_folder=places_folder)
    assert (facts.taken_at_local, facts.utc_offset) == (expected, timedelta(hours=1))


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe<", bytes(100)])
def test_a_sidecar_that_is_none_changes_nothing(tmp_path: Path, content: bytes) -> None:
    path = write_photo(tmp_path / "a.jpg", {BASE.Model: "A camera"})
    sidecar = tmp_path / "a.xmp"
    sidecar.write_bytes(content)
    assert read(path, sidecars=(sidecar, tmp_path / "gone.xmp", tmp_path / "gone.json")) == read(path)


def test_takeout_fills_what_the_photo_does_not_know(tmp_path: Path, places_folder: Path) -> None:
    sidecar = tmp_path / "a.jpg.json"
    stated = {
        "photoTakenTime": {"timestamp": "1719818130"},
        "geoData": {"latitude": 38.72, "longitude": -9.14},
        "description": "Typed in",
    }
    sidecar.write_text(json.dumps(stated))
    bare = read(write_photo(tmp_path / "a.jpg"), sidecars=(sidecar,), places_folder=places_folder)
    assert (bare.taken_at_local, bare.taken_at_source) == (datetime(2024, 7, 1, 8, 15, 30), "takeout")
    assert (bare.time_zone, bare.latitude_deg, bare.description) == ("Europe/Lisbon", 38.72, "Typed in")
    path = write_photo(
        tmp_path / "b.jpg",
        {BASE.ImageDescription: "SONY DSC"},
        {BASE.DateTimeOriginal: "2020:01:01 00:00:00"},
        LISBON | {GPS.GPSLatitudeRef: "S"},
    )
    full = read(path, sidecars=(sidecar,), places_folder=places_folder)
    assert (full.taken_at_local, full.taken_at_source) == (datetime(2020, 1, 1), "original")
    assert full.latitude_deg == pytest.approx(-38.72)
    assert full.description == "Typed in"


def test_the_name_and_then_the_file_time_are_asked_last(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg")
    modified_at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    named = read(path, name="IMG_20190321_110422.jpg", modified_at=modified_at)
    assert (named.taken_at_local, named.taken_at_source) == (datetime(2019, 3, 21, 11, 4, 22), "name")
    nameless = read(path, name="DSC_0001.jpg", modified_at=modified_at)
    assert (nameless.taken_at_local, nameless.taken_at_source) == (datetime(2026, 1, 1, 12), "file")


def test_a_video_tells_size_duration_time_and_place(tmp_path: Path, places_folder: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4",
        ["red", "blue"],
        metadata={"creation_time": "2024-07-01T07:15:30.000000Z", "location": "+38.7200-009.1400/"},
    )
    facts = read(path, places_folder=places_folder)
    assert (facts.width_px, facts.height_px) == (160, 96)
    assert facts.duration_s == pytest.approx(2.0, abs=0.1)
    assert (facts.latitude_deg, facts.longitude_deg) == (38.72, -9.14)
    assert (facts.taken_at_local, facts.taken_at_source) == (datetime(2024, 7, 1, 8, 15, 30), "container")
    assert (facts.utc_offset, facts.time_zone) == (timedelta(hours=1), "Europe/Lisbon")


def test_what_a_video_says_is_cleaned_and_cut(tmp_path: Path) -> None:
    said = {"title": f"My\n{'x' * 5_000}", "comment": "c", "description": "a \r\nb", "keywords": "k" * 300 + ",K,k"}
    facts = read(write_video(tmp_path / "a.mp4", ["red"], metadata=said))
    assert facts.title == f"My {'x' * 197}"
    assert facts.description == "a\nb"
    assert facts.keywords == ("k" * 80, "K")


def test_a_turned_video_has_the_size_of_the_upright_picture(tmp_path: Path) -> None:
    facts = read(write_video(tmp_path / "a.mp4", ["red"], rotation_deg=90))
    assert (facts.width_px, facts.height_px) == (96, 160)


def test_pixels_that_are_not_square_widen_the_picture(tmp_path: Path) -> None:
    assert read(write_video(tmp_path / "a.mp4", ["red"], pixel_aspect=Fraction(3, 2))).width_px == 240


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's remarks on the damage
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe1" + bytes(99),
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        b"II*\x00\x08\x00\x00\x00" + b"\xff" * 99,
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(99),
        b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom" + bytes(99),
    ],
    ids=["jpeg", "png", "tiff", "heic", "mp4"],
)
def test_a_damaged_file_still_has_the_date_of_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    facts = read(tmp_path / "a", name="IMG_20190321_110422.jpg")
    assert facts == FileFacts(taken_at_local=datetime(2019, 3, 21, 11, 4, 22), taken_at_source="name")


def test_a_name_of_any_bytes_is_opened(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg", {BASE.Model: "A camera"})
    odd = path.rename(tmp_path / b"caf\xe9 \xff.jpg".decode("utf-8", "surrogateescape"))
    assert read(odd).camera == "A camera"


def test_png_text_blocks_do_not_hide_the_exif(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "a program")
    facts = read(write_photo(tmp_path / "a.png", {BASE.Model: "A camera"}, pnginfo=info))
    assert facts.camera == "A camera"


def test_people_are_read_from_lists_and_faces_not_from_pets(tmp_path: Path) -> None:
    packet = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Ada</rdf:li><rdf:li>Bo</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>
<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>
<rdf:li><rdf:Description mwg-rs:Name="Cy" mwg-rs:Type="Face"/></rdf:li>
<rdf:li><rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet"/></rdf:li>
</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<MP:RegionInfo><rdf:Description><MPRI:Regions><rdf:Bag><rdf:li><rdf:Description MPReg:PersonDisplayName="ada "/>
</rdf:li><rdf:li><rdf:Description MPReg:PersonDisplayName="Di"/></rdf:li></rdf:Bag></MPRI:Regions></rdf:Description>
</MP:RegionInfo></rdf:Description></rdf:RDF></x:xmpmeta>"""
    assert read(write_photo(tmp_path / "a.jpg", xmp=packet)).people == ("Ada", "Bo", "Cy", "Di")
