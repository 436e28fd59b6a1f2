from datetime import datetime, timezone

import pytest

from transforms.text.dates import best_moment, parse_moment, parse_visible_date


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
def test_machines_dates(value: str, at: datetime, precision: str) -> None:
    moment = parse_moment(value)
    assert moment is not None
    assert (moment.at, moment.precision) == (at, precision)


@pytest.mark.parametrize(
    "value", ["", "soon", "2031-13-01", "2031-02-30T10:00:00Z", "0001-01-01", "9999-12-31", "12:30"]
)
def test_no_dates(value: str) -> None:
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
    ],
)
def test_readers_dates(text: str, day: tuple[int, int, int]) -> None:
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
