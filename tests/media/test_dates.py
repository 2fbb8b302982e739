"""Which date a photo gets, and in which zone its clock ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from album.media.dates import (
    TRUST,
    Moment,
    moment_in_name,
    moment_of,
    moments_in_photo,
    moments_in_sidecar,
    most_trusted,
    parse_moment,
    settle_zone,
)
from album.media.tags import Tags

BERLIN = (52.52, 13.405)
NOON = datetime(2024, 7, 1, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019:03:21 11:04:22", datetime(2019, 3, 21, 11, 4, 22)),
        ("2019-03-21T11:04:22.348", datetime(2019, 3, 21, 11, 4, 22, 348000)),
        (" 2019:03:21  11:04:22 ", datetime(2019, 3, 21, 11, 4, 22)),
        ("2019-03-21T11:04", datetime(2019, 3, 21, 11, 4)),
        ("2019-03-21", datetime(2019, 3, 21)),
        ("1931-07", datetime(1931, 7, 1)),
        ("1931", datetime(1931, 1, 1)),
        ("1970:05:03 10:00:00", datetime(1970, 5, 3, 10)),
    ],
)
def test_a_stated_time_is_read_in_the_forms_of_exif_and_xmp(text: str, expected: datetime) -> None:
    assert parse_moment(text) == (expected, None)


@pytest.mark.parametrize(
    ("ending", "hours"), [("Z", 0), ("+09:00", 9), ("-0500", -5), ("+05:30", 5.5), ("+19:00", None)]
)
def test_an_offset_is_read_if_it_is_one_on_earth(ending: str, hours: float | None) -> None:
    expected = None if hours is None else timedelta(hours=hours)
    assert parse_moment(f"2019-03-21T11:04:22{ending}") == (datetime(2019, 3, 21, 11, 4, 22), expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2024:13:45 99:00:00",
        "2023:02:29 10:00:00",
        "1904-01-01T00:00:00Z",
        "1970:01:01 01:00:00",
        "1969:12:31 19:00:00",
        "2099:09:29 10:10:10",
        "0217:01:01 00:00:00",
        "yesterday",
        "٢٠١٩:03:21 11:04:22x",
    ],
)
def test_a_date_without_sense_is_no_date(text: str) -> None:
    assert parse_moment(text) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20190321_110422.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("VID_20190321_110422.mp4", datetime(2019, 3, 21, 11, 4, 22)),
        ("PXL_20210321_110422123.jpg", datetime(2021, 3, 21, 11, 4, 22, 123000)),
        ("2019-03-21 11.04.22.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("WIN_20190321_11_04_22_Pro.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("Screenshot_20190321-110422_Chrome.png", datetime(2019, 3, 21, 11, 4, 22)),
        ("Screenshot 2019-03-21 at 11.04.22.png", datetime(2019, 3, 21, 11, 4, 22)),
        ("signal-2019-03-21-110422.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("signal-2019-03-21-11-04-22-123.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("photo_2019-03-21_11-04-22.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("20190321110422.jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("20190321_110422(0).jpg", datetime(2019, 3, 21, 11, 4, 22)),
        ("WhatsApp Image 2019-03-21 at 11.04.22.jpeg", datetime(2019, 3, 21, 11, 4, 22)),
        ("WhatsApp Image 2021-05-01 at 10.30.12 PM.jpeg", datetime(2021, 5, 1, 22, 30, 12)),
        ("WhatsApp Image 2021-05-01 at 9.30.12 PM (2).jpeg", datetime(2021, 5, 1, 21, 30, 12)),
        ("WhatsApp Image 2021-05-01 at 12.04.22 AM.jpeg", datetime(2021, 5, 1, 0, 4, 22)),
        ("WhatsApp Image 2021-05-01 at 12.04.22 PM.jpeg", datetime(2021, 5, 1, 12, 4, 22)),
        ("Screenshot 2024-01-05 at 11.04.22\u202fPM.png", datetime(2024, 1, 5, 23, 4, 22)),
        ("Screenshot 2024-01-05 at 3.04.22\u202fp.m. copy.png", datetime(2024, 1, 5, 15, 4, 22)),
        ("Screenshot 2024-01-05 at 9.04.22.png", datetime(2024, 1, 5, 9, 4, 22)),
        ("2019-03-21 13.04.22 PM.jpg", datetime(2019, 3, 21, 13, 4, 22)),
        ("2019-03-21 13.04.22 am See.jpg", datetime(2019, 3, 21, 13, 4, 22)),
        ("2019-03-21 12.04.22 Amsterdam.jpg", datetime(2019, 3, 21, 12, 4, 22)),
        ("2019-03-21 11042.jpg", datetime(2019, 3, 21)),
        ("2019-03-21 at 12345.jpg", datetime(2019, 3, 21)),
        ("IMG-20190321-WA0001.jpg", datetime(2019, 3, 21)),
        ("2019-03-21.jpg", datetime(2019, 3, 21)),
    ],
)
def test_the_names_that_phones_and_programs_give_tell_the_date(name: str, expected: datetime) -> None:
    found = moment_in_name(name)
    assert found is not None
    assert (found.local, found.source) == (expected, "name")
    assert found.is_utc == name.startswith("PXL_")


@pytest.mark.parametrize(
    "name",
    [
        "DSC_0001.jpg",
        "IMG_1234.HEIC",
        "holiday 2019.jpg",
        "20191399.jpg",
        "1553166262000.jpg",
        "20990321_110422.jpg",
    ],
)
def test_a_name_without_a_date_tells_none(name: str) -> None:
    assert moment_in_name(name) is None


def test_the_more_trusted_source_wins_whatever_the_order() -> None:
    moments = [Moment(NOON + timedelta(days=day), None, source) for day, source in enumerate(TRUST)]
    assert most_trusted([None, *reversed(moments)]) == moments[0]
    assert most_trusted([None]) is None


def test_exif_states_fraction_and_offset_beside_the_date() -> None:
    tags = Tags(
        {
            "Exif.Photo.DateTimeOriginal": "2024:07:01 12:00:00",
            "Exif.Photo.SubSecTimeOriginal": "07 ",
            "Exif.Photo.OffsetTimeOriginal": "+01:00",
            "Exif.Image.DateTime": "2025:01:01 00:00:00",
        }
    )
    found = most_trusted(moments_in_photo(tags))
    assert found == Moment(NOON.replace(microsecond=70000), timedelta(hours=1), "original")


def test_an_offset_beside_the_same_date_under_another_name_counts_and_beside_another_does_not() -> None:
    values = {"Exif.Photo.DateTimeOriginal": "2024:07:01 12:00:00", "Exif.Photo.OffsetTime": "+01:00"}
    same = Tags(values | {"Exif.Image.DateTime": "2024:07:01 12:00:00"})
    other = Tags(values | {"Exif.Image.DateTime": "2024:08:01 12:00:00"})
    assert [getattr(most_trusted(moments_in_photo(tags)), "offset", 0) for tags in (same, other)] == [
        timedelta(hours=1),
        None,
    ]


@pytest.mark.parametrize(
    ("in_file", "winner"),
    [
        ({"Exif.Photo.DateTimeOriginal": "2001:05:05 10:00:00"}, "original"),
        (
            {
                "Exif.Photo.DateTimeOriginal": "2001:05:05 10:00:00",
                "Exif.Photo.DateTimeDigitized": "2020:01:02 03:04:05",
                "Exif.Photo.SubSecTimeDigitized": "25",
            },
            "original",
        ),
        (
            {
                "Exif.Photo.DateTimeOriginal": "2001:05:05 10:00:00",
                "Exif.Photo.DateTimeDigitized": "2001:05:05 10:00:00",
            },
            "sidecar",
        ),
        ({}, "created"),
    ],
    ids=["of a scan", "that the file states too", "that corrects that of the file", "alone"],
)
def test_the_create_date_of_a_sidecar(in_file: dict[str, str], winner: str) -> None:
    photo = list(moments_in_photo(Tags(in_file)))
    sidecar = moments_in_sidecar(Tags({"Xmp.xmp.CreateDate": "2020-01-02T03:04:05"}), photo)
    found = most_trusted([*sidecar, *photo])
    assert found is not None
    assert found.source == winner


@pytest.mark.parametrize("name", ["Xmp.exif.DateTimeOriginal", "Xmp.photoshop.DateCreated"])
@pytest.mark.parametrize(
    ("stated", "offset"),
    [
        ("2019-06-21T11:04:22", 9),
        ("2019-06-21T11:04:22.348", 9),
        ("2019-06-21T11:04:22+09:00", 9),
        ("2019-06-21T11:04:22+08:00", 8),
        ("2019-06-21T11:04:22+00:00", 0),
        ("2019-06-21T11:04:22Z", 9),
        ("2019-06-21T02:04:22Z", 9),
        ("2019-06-21T11:04", 9),
        ("2019-06-21", 9),
        ("2019-06", 9),
    ],
)
def test_a_sidecar_that_repeats_less_takes_nothing_away(name: str, stated: str, offset: int) -> None:
    photo = [
        Moment(datetime(2019, 6, 21, 2, 4, 21), timedelta(0), "gps", is_utc=True),
        Moment(datetime(2019, 6, 21, 11, 4, 22, 348000), timedelta(hours=9), "original"),
    ]
    found = most_trusted([*moments_in_sidecar(Tags({name: stated}), photo), *photo])
    assert found == Moment(photo[1].local, timedelta(hours=offset), "sidecar")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2019-06-21T11:04:23", Moment(datetime(2019, 6, 21, 11, 4, 23), None, "sidecar")),
        ("2019-06-20", Moment(datetime(2019, 6, 20), None, "sidecar")),
        ("2019-06-21T00:00:00", Moment(datetime(2019, 6, 21), None, "sidecar")),
        ("2019-06-21T15:04:22Z", Moment(datetime(2019, 6, 21, 15, 4, 22), timedelta(0), "sidecar", is_utc=True)),
        ("2019-06-21T02:04:22+00:00", Moment(datetime(2019, 6, 21, 2, 4, 22), timedelta(0), "sidecar")),
    ],
)
def test_a_sidecar_that_states_another_time_is_believed(stated: str, expected: Moment) -> None:
    photo = [Moment(datetime(2019, 6, 21, 11, 4, 22, 348000), timedelta(hours=9), "original")]
    sidecar = moments_in_sidecar(Tags({"Xmp.exif.DateTimeOriginal": stated}), photo)
    assert most_trusted([*sidecar, *photo]) == expected


@pytest.mark.parametrize("stated", ["2019-06-21T11:04:22", "2019-06-21T02:04:22Z", "2019-06-21"])
def test_a_create_date_that_repeats_that_of_the_file_is_no_correction(stated: str) -> None:
    photo = [Moment(datetime(2019, 6, 21, 11, 4, 22, 348000), timedelta(hours=9), "created")]
    sidecar = moments_in_sidecar(Tags({"Xmp.xmp.CreateDate": stated}), photo)
    assert most_trusted([*sidecar, *photo]) == photo[0]


def test_a_gps_time_beyond_all_numbers_is_none() -> None:
    clock = {"Exif.GPSInfo.GPSDateStamp": "2024:07:01", "Exif.GPSInfo.GPSTimeStamp": f"1{'0' * 400}/1 0/1 0/1"}
    assert list(moments_in_photo(Tags(clock))) == []


def test_iptc_without_a_zone_says_zero_and_means_nothing() -> None:
    day = {"Iptc.Application2.DateCreated": "2024-07-01"}
    unknown = Tags(day | {"Iptc.Application2.TimeCreated": "12:00:00+00:00"})
    known = Tags(day | {"Iptc.Application2.TimeCreated": "12:00:00-04:00"})
    assert list(moments_in_photo(unknown)) == [Moment(NOON, None, "iptc")]
    assert list(moments_in_photo(known)) == [Moment(NOON, timedelta(hours=-4), "iptc")]
    assert list(moments_in_photo(Tags(day))) == [Moment(datetime(2024, 7, 1), None, "iptc")]


def test_gps_states_utc() -> None:
    tags = Tags({"Exif.GPSInfo.GPSDateStamp": "2024:07:01", "Exif.GPSInfo.GPSTimeStamp": "12/1 0/1 2101/100"})
    assert list(moments_in_photo(tags)) == [
        Moment(datetime(2024, 7, 1, 12, 0, 21), timedelta(0), "gps", is_utc=True)
    ]
    assert list(moments_in_photo(Tags({"Exif.GPSInfo.GPSDateStamp": "2024:07:01"}))) == []


def test_a_sidecar_states_the_taking_before_the_making() -> None:
    tags = Tags(
        {"Xmp.exif.DateTimeOriginal": "1975-07-01T12:00:00", "Xmp.xmp.CreateDate": "2015-01-01T12:00:00+01:00"}
    )
    assert most_trusted(moments_in_sidecar(tags)) == Moment(datetime(1975, 7, 1, 12), None, "sidecar")


@pytest.mark.parametrize(("month", "hours"), [(1, 1), (7, 2)])
def test_the_place_tells_the_offset_in_winter_and_in_summer(month: int, hours: int) -> None:
    moment = Moment(NOON.replace(month=month), None, "original")
    settled, name = settle_zone(moment, BERLIN, UTC)
    assert (settled.local, settled.offset, name) == (moment.local, timedelta(hours=hours), "Europe/Berlin")


def test_a_stated_offset_is_believed_against_the_place() -> None:
    moment = Moment(NOON, timedelta(hours=-5), "original")
    assert settle_zone(moment, BERLIN, UTC) == (moment, "")
    agreeing = Moment(NOON, timedelta(hours=2), "original")
    assert settle_zone(agreeing, BERLIN, UTC) == (agreeing, "Europe/Berlin")


def test_without_offset_and_place_nobody_knows_the_zone() -> None:
    moment = Moment(NOON, None, "original")
    assert settle_zone(moment, None, ZoneInfo("Europe/Berlin")) == (moment, "")


def test_a_moment_in_utc_is_shown_as_clocks_there_show_it_or_those_at_home() -> None:
    moment = moment_of(datetime(2024, 7, 1, 10, tzinfo=UTC), "file")
    assert moment is not None
    for place, home, name in ((BERLIN, UTC, "Europe/Berlin"), (None, ZoneInfo("Europe/Berlin"), "")):
        settled, zone = settle_zone(moment, place, home)
        assert (settled.local, settled.offset, zone) == (NOON, timedelta(hours=2), name)


def test_a_file_time_at_the_epoch_is_none() -> None:
    assert moment_of(datetime(1970, 1, 1, tzinfo=UTC), "file") is None
    assert moment_of(None, "file") is None
