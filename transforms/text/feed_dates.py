"""The dates of feeds: RFC 822 and RFC 3339 by the book, and the many ways in which they are written."""

import re
from datetime import datetime, timedelta, timezone

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen janv",
            "feb fév fev févr",
            "mar mär mrz maa mars",
            "apr abr avr avri",
            "may mai mei maj mag",
            "jun juin giu",
            "jul juil lug",
            "aug ago aoû août",
            "sep set",
            "oct okt ott out",
            "nov",
            "dec dez dic déc",
        ),
        1,
    )
    for name in names.split()
}
# RFC 822's zones and the common European ones, in hours. Letters of one other zone mean two things each: left out.
_ZONES = {
    "": 0, "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3,
    "msk": 3, "jst": 9, "kst": 9, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
_CLOCK = (
    r"(?:[T,\s]+(?:at\s+)?(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d+))?)?\s*(?P<ap>[ap]\.?m\.?)?)?"
)
_ZONE = r"\s*(?:(?:gmt|utc)?(?P<sign>[+-])(?P<zh>\d{2}):?(?P<zm>\d{2})?|(?P<zone>[a-z]{1,4}))?(?:\s*\([^()]*\))?"
_FORMS = tuple(
    re.compile(form + end, re.IGNORECASE)
    for form, end in (
        (r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})", _CLOCK + _ZONE),
        (r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", _CLOCK + _ZONE),
        # A weekday, in whatever language, says nothing that the rest does not.
        (
            r"(?:[^\W\d]+\.?,?\s+)?(?P<d>\d{1,2})\.?[\s-](?P<name>[^\W\d]{3,})\.?,?[\s-](?P<y>\d{4}|\d{2})",
            _CLOCK + _ZONE,
        ),
        (r"(?:[^\W\d]+\.?,?\s+)?(?P<name>[^\W\d]{3,})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})", _CLOCK + _ZONE),
        (r"(?:[^\W\d]+\.?,?\s+)?(?P<name>[^\W\d]{3,})\s+(?P<d>\d{1,2})", _CLOCK + _ZONE + r"\s+(?P<y>\d{4})"),
    )
)


def parse_date(text: str) -> datetime | None:
    """The moment that a feed's date names, in UTC; one with no zone, or an unknown one, is taken for UTC.

    Returns:
        None for what is no date of the form year, month, day in one of the usual orders: nothing is guessed.
    """
    text = " ".join(text[:100].split())
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _moment(match.groupdict())
    return None


def _moment(parts: dict[str, str | None]) -> datetime | None:
    year, hour = int(parts["y"] or 0), int(parts["h"] or 0)
    if len(parts["y"] or "") == 2:
        year += 1900 if year >= 70 else 2000
    if parts["ap"]:
        hour = hour % 12 + (12 if parts["ap"].lower().startswith("p") else 0)
    name = (parts.get("name") or "").lower()
    month = int(parts["m"] or 0) if not name else _MONTHS.get(name[:4]) or _MONTHS.get(name[:3], 0)
    second = min(int(parts["s"] or 0), 59)
    try:
        clock = hour, int(parts["mi"] or 0), second, int((parts["f"] or "")[:6].ljust(6, "0"))
        return datetime(year, month, int(parts["d"] or 0), *clock, tzinfo=timezone.utc) - _offset(parts)
    except (ValueError, OverflowError):
        return None


def _offset(parts: dict[str, str | None]) -> timedelta:
    if not parts["sign"]:
        return timedelta(hours=_ZONES.get((parts["zone"] or "").lower(), 0))
    offset = timedelta(hours=int(parts["zh"] or 0), minutes=int(parts["zm"] or 0))
    return -offset if parts["sign"] == "-" else offset
