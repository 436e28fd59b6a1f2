"""Dates of pages and of feeds, as they are written."""

from datetime import datetime, timezone

import pytest

from transforms.text.dates import best_moment, parse_feed_date, parse_moment, parse_visible_date


def _utc(*parts: int) -> datetime:
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "at", "precision"),
    [
        ("2031-02-03T04:05:06Z", _utc(2031, 2, 3, 4, 5, 6), "second"),
        ("2031-02-03T23:05:06.789-0500", _utc(2031, 2, 4, 4, 5, 6), "second"),
        ("2031-02-03T04:05+05:30", _utc(2031, 2, 2, 22, 35), "minute"),
        ("2031-02-03 04:05:06 +01:00", _utc(2031, 2, 3, 3, 5, 6), "second"),
        ("2031/02/03", _utc(2031, 2, 3), "day"),
        ("20310203", _utc(2031, 2, 3), "day"),
        ("20310203T040506Z", _utc(2031, 2, 3, 4, 5, 6), "second"),
        ("1927947906", _utc(2031, 2, 4, 5, 5, 6), "second"),
        ("1927947906000", _utc(2031, 2, 4, 5, 5, 6), "second"),
        ("Mon, 03 Feb 2031 04:05:06 +0100", _utc(2031, 2, 3, 3, 5, 6), "second"),
    ],
)
def test_machine_date(value: str, at: datetime, precision: str) -> None:
    moment = parse_moment(value)
    assert moment is not None
    assert (moment.at, moment.precision) == (at, precision)


@pytest.mark.parametrize(
    "value", ["", "soon", "2031-13-01", "2031-02-30T10:00:00Z", "0001-01-01", "9999-12-31", "12:30"]
)
def test_not_a_machine_date(value: str) -> None:
    assert parse_moment(value) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Veröffentlicht am 03.04.2031, 18:30 Uhr", (2031, 4, 3)),
        ("12. März 2031", (2031, 3, 12)),
        ("le 1er août 2031", (2031, 8, 1)),
        ("3 de mayo de 2031", (2031, 5, 3)),
        ("Published on 3rd December 2030 at 10:20", (2030, 12, 3)),
        ("Feb 2, 2031", (2031, 2, 2)),
        ("2031年2月3日", (2031, 2, 3)),
        ("25/12/2030", (2030, 12, 25)),
        ("12/25/2030", (2030, 12, 25)),
        ("16 अप्रैल 2020", (2020, 4, 16)),
        ("الجمعة 24 أبريل 2020", (2020, 4, 24)),
        ("۲ تیر ۱۳۹۹", (2020, 6, 22)),
        ("۳۰ اسفند ۱۳۹۹", (2021, 3, 20)),
        ("5 мая 2021", (2021, 5, 5)),
        ("5 มกราคม 2563", (2020, 1, 5)),
        ("12 Ağustos 2022", (2022, 8, 12)),
        ("3 de maig, 12-Mar-2024", (2024, 3, 12)),
    ],
)
def test_visible_date(text: str, day: tuple[int, int, int]) -> None:
    moment = parse_visible_date(text)
    assert moment is not None
    assert (moment.at, moment.precision) == (_utc(*day), "day")


def test_month_first_where_the_language_says_so() -> None:
    american = parse_visible_date("03/04/2031", month_first=True)
    assert american is not None and american.at == _utc(2031, 3, 4)
    assert parse_visible_date("version 1.2.3 of 2031") is None


def test_the_more_exact_of_two_fields() -> None:
    day, naive, zoned, other = map(
        parse_moment, ("2031-02-03", "2031-02-03T10:00:00", "2031-02-03T10:00:00+02:00", "2030-01-01T00:00Z")
    )
    assert day and naive and zoned and other
    assert best_moment([day, other, zoned]) is zoned
    assert best_moment([naive, zoned]) is zoned
    assert best_moment([naive, other]) is naive
    assert best_moment([]) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T09:12:00+02:00", "2024-05-01T07:12:00+00:00"),
        ("2024-05-01T09:12:00.123456Z", "2024-05-01T09:12:00.123456+00:00"),
        ("2024-05-01 09:12 -0330", "2024-05-01T12:42:00+00:00"),
        ("2024-05-01", "2024-05-01T00:00:00+00:00"),
        ("2024-05-01T09:12:31.25Z", "2024-05-01T09:12:31.250000+00:00"),
        ("2024-05-01T09:12:31.123456789+02:00", "2024-05-01T07:12:31.123456+00:00"),
        ("20240501", "2024-05-01T00:00:00+00:00"),
        ("2017/3/28 09:15:02", "2017-03-28T09:15:02+00:00"),
        ("Wed, 06 May 2020 05:00:00 -0400", "2020-05-06T09:00:00+00:00"),
        ("Wed, 6 May 20 05:00 GMT", "2020-05-06T05:00:00+00:00"),
        ("6 May 2020", "2020-05-06T00:00:00+00:00"),
        ("06-May-99 05:00:00 UT", "1999-05-06T05:00:00+00:00"),
        ("Tue, 24 Jan 2017 05:35:45 +0000 (UTC)", "2017-01-24T05:35:45+00:00"),
        ("Tue, 24 January 2017 05:35:45 GMT+0100", "2017-01-24T04:35:45+00:00"),
        ("Mon, 11 Jan 2010 07:45:00 EST", "2010-01-11T12:45:00+00:00"),
        ("Mon, 11 Jan 2010 07:45:00 MESZ", "2010-01-11T05:45:00+00:00"),
        ("Wed, 11 Sept 2019 10:20:30 +0300", "2019-09-11T07:20:30+00:00"),
        ("Wed, Jun 03 2020 21:10:05 +0000", "2020-06-03T21:10:05+00:00"),
        ("June 3, 2020, 9:10 PM", "2020-06-03T21:10:00+00:00"),
        ("June 3, 2020 at 12:10 a.m.", "2020-06-03T00:10:00+00:00"),
        ("Wed Jun  3 21:10:05 2020", "2020-06-03T21:10:05+00:00"),
        ("Di, 17 Jul 2018 06:12:44", "2018-07-17T06:12:44+00:00"),
        ("Mi., 4. März 2020 10:00", "2020-03-04T10:00:00+00:00"),
        ("16. marraskuuta 2030", "2030-11-16T00:00:00+00:00"),
        ("27 stycznia 2024 10:00", "2024-01-27T10:00:00+00:00"),
        ("Thu, 02 May 2024 08:00:00 GMT+2", "2024-05-02T06:00:00+00:00"),
        ("20240501T091200Z", "2024-05-01T09:12:00+00:00"),
        ("20240501T0912+0200", "2024-05-01T07:12:00+00:00"),
        ("mar., 4 août 2020 10:00:00 CEST", "2020-08-04T08:00:00+00:00"),
        ("  Tue,\n24 Jan 2017 05:35:60 GMT ", "2017-01-24T05:35:59+00:00"),
    ],
)
def test_feed_date(text: str, moment: str) -> None:
    assert parse_feed_date(text) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "5 minutes ago",
        "2024",
        "2024-13-01",
        "2024-02-30",
        "31 Foo 2020",
        "05/06/2020",
        "1-1-1",
        "9" * 500,
        "0001-01-01T00:00:00+10:00",
    ],
)
def test_not_a_feed_date(text: str) -> None:
    assert parse_feed_date(text) is None


@pytest.mark.parametrize(
    ("value", "local"),
    [
        ("20180619T055000+0900", "2018-06-19T05:50:00+09:00"),
        ("2024-03-05T23:30:00-05:00", "2024-03-05T23:30:00-05:00"),
        ("2024-03-05T23:30:00Z", "2024-03-05T23:30:00+00:00"),
        ("Tue, 05 Mar 2024 23:30:00 -0500", "2024-03-05T23:30:00-05:00"),
    ],
)
def test_a_moment_keeps_the_offset_of_the_page(value: str, local: str) -> None:
    moment = parse_moment(value)
    assert moment is not None and moment.local.isoformat() == local
