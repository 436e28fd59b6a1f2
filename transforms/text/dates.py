"""Parse dates: machine-readable ones, those of feeds, and those that pages show to readers."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

Precision = Literal["second", "minute", "day"]

_EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)
_JALALI_START, _JALALI_LIMIT, _NOWRUZ = 1369, 1600, datetime(1990, 3, 21, tzinfo=timezone.utc)
_BUDDHIST = 543
_LARGEST_OFFSET = timedelta(hours=14)
_ISO = re.compile(
    r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:(?:[T,]|\s|at\b)+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?)?\s*",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"\s*(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?\s*")
_EPOCH = re.compile(r"\s*(\d{10})(?:\d{3})?\s*")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([./-])\s?(\d{1,2})\2\s?(\d{4})(?![\d/-])")
_YEAR_FIRST = re.compile(r"(?<![\d./-])(\d{4})([./-])(\d{1,2})\2(\d{1,2})(?![\d/-])")
_CJK = re.compile(r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]")
_NAME = r"[^\s\d.,:;/|()·-]{2,14}"
_DAY_MONTH = re.compile(
    rf"(?<![\d:])(\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?[\s-]+(?:of\s+|de\s+|di\s+)?({_NAME})[.,،]*[\s-]+(?:de\s+|del\s+)?(\d{{4}})\b"
)
_MONTH_DAY = re.compile(rf"(?<!\S)({_NAME})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?[,،]?\s+(\d{{4}})\b")
_THAI_DAY = re.compile(r"(\d{1,2})\s+(\S{4,12})\s+(2[45]\d{2})\b")
_MONTHS = (
    "january jan januar jänner janvier janv enero ene janeiro gennaio gen januari styczeń stycznia tammikuuta ianuarie"
    " jaan",
    "february feb februar février fevrier févr fév febrero fevereiro fev febbraio februari luty lutego helmikuuta"
    " februarie",
    "march mar märz mär mrz mars marzo março marco maart maa mrt marts marzec marca maaliskuuta martie",
    "april apr avril avri avr abril abr aprile kwiecień kwietnia huhtikuuta aprilie",
    "may mai mayo maio maggio mag mei maj maja toukokuuta",
    "june jun juni juin junio junho giugno giu czerwiec czerwca kesäkuuta iunie",
    "july jul juli juillet juil julio julho luglio lug lipiec lipca heinäkuuta iulie",
    "august aug août aoû aout agosto ago augustus augusti sierpień sierpnia elokuuta",
    "september sep sept septembre septiembre setembro set settembre wrzesień września syyskuuta septembrie",
    "october oct oktober okt octobre octubre outubro out ottobre ott październik października lokakuuta octombrie",
    "november nov novembre noviembre novembro listopad listopada marraskuuta noiembrie",
    "december dec dezember dez décembre decembre déc diciembre dic dezembro dicembre desember des grudzień grudnia"
    " joulukuuta decembrie",
)
_MORE_MONTHS = (
    "يناير जनवरी января янв січня ocak ledna leden ιανουαρίου януари มกราคม",
    "فبراير شباط फरवरी फ़रवरी февраля фев лютого şubat února únor φεβρουαρίου февруари กุมภาพันธ์ fevereiro",
    "مارس آذار मार्च марта мар березня mart března březen μαρτίου март มีนาคม",
    "أبريل ابريل إبريل نيسان अप्रैल апреля апр квітня nisan dubna duben απριλίου април เมษายน",
    "مايو أيار मई мая травня mayıs května květen μαΐου май พฤษภาคม",
    "يونيو يونيه حزيران जून июня июн червня haziran června červen ιουνίου юни มิถุนายน juny giugno",
    "يوليو يوليه تموز जुलाई июля июл липня temmuz července červenec ιουλίου юли กรกฎาคม juliol",
    "أغسطس اغسطس آب अगस्त августа авг серпня ağustos srpna srpen αυγούστου август สิงหาคม agost",
    "سبتمبر أيلول सितंबर सितम्बर сентября сен вересня eylül září σεπτεμβρίου септември กันยายน setembre",
    "أكتوبر اكتوبر अक्टूबर अक्तूबर октября окт жовтня ekim října říjen οκτωβρίου октомври ตุลาคม",
    "نوفمبر नवंबर नवम्बर ноября ноя листопада kasım listopadu νοεμβρίου ноември พฤศจิกายน novembre",
    "ديسمبر दिसंबर दिसम्बर декабря дек грудня aralık prosince prosinec δεκεμβρίου декември ธันวาคม desembre",
)
"""Arabic, Hindi, Russian, Ukrainian, Turkish, Czech, Greek, Bulgarian, Thai and Catalan."""
_JALALI = "فروردین اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند".split()
"""The months of the Persian calendar."""
_MONTH = {
    name: number
    for names_of_months in (_MORE_MONTHS, _MONTHS)
    for number, names in enumerate(names_of_months, 1)
    for name in names.split()
}
# Hours from UTC: the zones of RFC 822 and the common European ones. Ambiguous abbreviations are left out.
_ZONES = {
    "": 0, "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3,
    "msk": 3, "jst": 9, "kst": 9, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
_CLOCK = (
    r"(?:[T,\s]+(?:at\s+)?(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d+))?)?\s*(?P<ap>[ap]\.?m\.?)?)?"
)
_ZONE = (
    r"\s*(?:(?:gmt|utc)?(?P<sign>[+-])(?P<zh>\d{2}|\d(?!\d)):?(?P<zm>\d{2})?|(?P<zone>[a-z]{1,4}))?(?:\s*\([^()]*\))?"
)
_FORMS = tuple(
    re.compile(form + end, re.IGNORECASE)
    for form, end in (
        (r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})", _CLOCK + _ZONE),
        (r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", _CLOCK + _ZONE),
        # The basic form of ISO 8601.
        (r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})T(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})?", _ZONE),
        # The weekday, in any language, is redundant.
        (
            r"(?:[^\W\d]+\.?,?\s+)?(?P<d>\d{1,2})\.?[\s-](?P<name>[^\W\d]{3,})\.?,?[\s-](?P<y>\d{4}|\d{2})",
            _CLOCK + _ZONE,
        ),
        (r"(?:[^\W\d]+\.?,?\s+)?(?P<name>[^\W\d]{3,})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})", _CLOCK + _ZONE),
        (r"(?:[^\W\d]+\.?,?\s+)?(?P<name>[^\W\d]{3,})\s+(?P<d>\d{1,2})", _CLOCK + _ZONE + r"\s+(?P<y>\d{4})"),
    )
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time as a page names it."""

    at: datetime
    """In UTC; midnight when the precision is a day."""
    precision: Precision
    has_offset: bool = True
    """False: the page named a time but no zone, and it was read as UTC."""
    offset: timedelta = timedelta(0)
    """The page's own offset from UTC."""

    @property
    def local(self) -> datetime:
        """The moment in the page's own offset."""
        return self.at.astimezone(timezone(self.offset))


def parse_moment(value: str) -> Moment | None:
    """Parse a machine-readable date: ISO 8601 and its variants, RFC 5322, seconds or milliseconds since 1970.

    Args:
        value: the attribute or field, without other text.

    Returns:
        The moment in UTC; None if this is not a date, or a date before 1990 or more than ten years in the future.
    """
    moment = _iso(value) or _compact(value) or _epoch(value) or _mail(value)
    return moment if moment and _is_plausible(moment.at) else None


def parse_visible_date(text: str, *, month_first: bool = False) -> Moment | None:
    """Parse the first day in a visible line, such as ``12. März 2024`` or ``Published: 03/04/2024``.

    Args:
        text: the line.
        month_first: whether 03/04/2024 is the 4th of March, as on American pages.

    Returns:
        The day, or None. The time of day is ignored, because visible lines rarely state a time zone.
    """
    for pattern, order in (
        (_YEAR_FIRST, (1, 3, 4)),
        (_CJK, (1, 2, 3)),
        (_DAY_MONTH, (3, 2, 1)),
        (_THAI_DAY, (3, 2, 1)),
        (_MONTH_DAY, (3, 1, 2)),
        (_NUMERIC, (4, 1, 3) if month_first else (4, 3, 1)),
    ):
        for match in pattern.finditer(text):
            year, month, day = (match[group] for group in order)
            if month in _JALALI and int(year) < _JALALI_LIMIT:
                return _jalali_day(int(year), _JALALI.index(month) + 1, int(day))
            number = int(month) if month.isdigit() else _MONTH.get(month.lower(), 0)
            if pattern is _NUMERIC and match[2] == "/" and number > 12 >= int(day):
                number, day = int(day), str(number)
            moment = _day(int(year) - (_BUDDHIST if pattern is _THAI_DAY else 0), number, int(day))
            if moment and _is_plausible(moment.at):
                return moment
    return None


def _jalali_day(year: int, month: int, day: int) -> Moment | None:
    """The day of a date in the Persian calendar; its leap years follow the cycle of 33 years (1178 to 1633)."""
    if not (1 <= day <= 31 and year > _JALALI_START):
        return None
    leap_days = sum((each % 33) in (1, 5, 9, 13, 17, 22, 26, 30) for each in range(_JALALI_START, year))
    days = (year - _JALALI_START) * 365 + leap_days + (month - 1) * 31 - max(0, month - 7) + day - 1
    moment = Moment(_NOWRUZ + timedelta(days=days), "day")
    return moment if _is_plausible(moment.at) else None


def parse_feed_date(text: str) -> datetime | None:
    """Parse a feed's date: RFC 822, RFC 3339 and the usual deviations from both, in several languages.

    Args:
        text: the element's text; its first 100 characters are read.

    Returns:
        The moment in UTC, or None if this is not a date with year, month and day in one of the usual orders. A date
        without a zone, or with an unknown one, is read as UTC.
    """
    text = " ".join(text[:100].split())
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _moment_of(match.groupdict())
    return None


def best_moment(moments: list[Moment]) -> Moment | None:
    """Return the first moment, or a later one that is the same but more precise: with a time of day, or a time zone.

    Args:
        moments: the values of a page's fields for one event, the most reliable first.
    """
    if not moments:
        return None
    first, *others = moments
    timed = [other for other in others if other.precision != "day"]
    if first.precision == "day":
        return next((other for other in timed if other.at.date() == first.at.date()), first)
    if not first.has_offset:
        zoned = (other for other in timed if other.has_offset and abs(other.at - first.at) <= _LARGEST_OFFSET)
        return next(zoned, first)
    return first


def _day(year: int, month: int, day: int) -> Moment | None:
    try:
        return Moment(datetime(year, month, day, tzinfo=timezone.utc), "day")
    except ValueError:
        return None


def _iso(value: str) -> Moment | None:
    match = _ISO.fullmatch(value)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if match[4] is None:
        return _day(year, month, day)
    zone = timezone.utc
    try:
        if match[8]:
            minutes = int(match[9]) * 60 + int(match[10] or 0)
            zone = timezone(timedelta(minutes=minutes if match[8] == "+" else -minutes))
        local = datetime(year, month, day, int(match[4]), int(match[5]), int(match[6] or 0), tzinfo=zone)
    except ValueError:
        return None
    at = local.astimezone(timezone.utc)
    return Moment(at, "second" if match[6] else "minute", bool(match[7] or match[8]), local.utcoffset() or timedelta(0))


def _compact(value: str) -> Moment | None:
    match = _COMPACT.fullmatch(value)
    if match is None:
        return None
    day = f"{match[1]}-{match[2]}-{match[3]}"
    return _iso(f"{day}T{match[4]}:{match[5]}:{match[6] or '00'}{match[7] or ''}" if match[4] else day)


def _epoch(value: str) -> Moment | None:
    match = _EPOCH.fullmatch(value)
    return Moment(datetime.fromtimestamp(int(match[1]), timezone.utc), "second") if match else None


def _mail(value: str) -> Moment | None:
    if "," not in value and ":" not in value:
        return None
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    has_offset = at.tzinfo is not None
    utc = at.astimezone(timezone.utc) if has_offset else at.replace(tzinfo=timezone.utc)
    return Moment(utc, "second", has_offset, (at.utcoffset() or timedelta(0)) if has_offset else timedelta(0))


def _is_plausible(at: datetime) -> bool:
    return _EARLIEST <= at <= datetime.now(timezone.utc) + timedelta(days=3650)


def _moment_of(parts: dict[str, str | None]) -> datetime | None:
    year, hour = int(parts["y"] or 0), int(parts["h"] or 0)
    if len(parts["y"] or "") == 2:
        year += 1900 if year >= 70 else 2000
    if parts.get("ap"):
        hour = hour % 12 + (12 if (parts["ap"] or "").lower().startswith("p") else 0)
    name = (parts.get("name") or "").lower()
    month = int(parts["m"] or 0) if not name else _month(name)
    second = min(int(parts["s"] or 0), 59)
    try:
        clock = hour, int(parts["mi"] or 0), second, int((parts.get("f") or "")[:6].ljust(6, "0"))
        return datetime(year, month, int(parts["d"] or 0), *clock, tzinfo=timezone.utc) - _offset(parts)
    except (ValueError, OverflowError):
        return None


def _month(name: str) -> int:
    """Number of a month by its name or a longer form of an abbreviation; 0 when unknown."""
    return _MONTH.get(name) or _MONTH.get(name[:4]) or _MONTH.get(name[:3], 0)


def _offset(parts: dict[str, str | None]) -> timedelta:
    if not parts["sign"]:
        return timedelta(hours=_ZONES.get((parts["zone"] or "").lower(), 0))
    offset = timedelta(hours=int(parts["zh"] or 0), minutes=int(parts["zm"] or 0))
    return -offset if parts["sign"] == "-" else offset
