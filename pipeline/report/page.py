"""Render the report: one HTML page that needs neither a network nor the lake.

All values from web pages are treated as data: Jinja escapes them, charts read them from a JSON block, links lead only
to http and https, and the Content-Security-Policy of the page allows only its own two scripts.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timezone
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.lake.manifest import report_path
from pipeline.report.advice import ADVICE
from pipeline.report.queries import Numbers, Speed, numbers_of
from pipeline.report.sample import samples_of
from transforms.storage.base import Store
from transforms.text.counts import counted
from transforms.text.quotations import as_shown

CHARTED = 12
"""Maximum number of bars in a chart; the table below it may have more rows."""

KINDS = {
    "direct": "in quotation marks",
    "mixed": "partly in quotation marks",
    "indirect": "without quotation marks",
}
METHODS = {
    "named": "named next to the quote",
    "surname": "found by surname",
    "role": "found by office or description",
    "pronoun": "found by pronoun",
    "carried_over": "same speaker as the previous quote",
    "label": "found by a label before the quote",
    "none": "not found",
}
TYPES = {"PERSON": "person", "ORG": "organisation", "LOC": "place", "NORP": "group", "MISC": "other"}


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers that the report shows as bars and as a table."""

    id: str
    title: str
    summary: str
    """One sentence with the main result."""
    heading: str
    """Heading of the first column of the table."""
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[int, ...]], ...]
    is_vertical: bool = False
    """Vertical bars, for a time axis."""

    @property
    def data(self) -> dict[str, Any]:
        """The data of the script."""
        limit = len(self.labels) if self.is_vertical else CHARTED
        return {
            "id": self.id,
            "vertical": self.is_vertical,
            "labels": self.labels[:limit],
            "series": [{"name": name, "values": values[:limit]} for name, values in self.series],
        }


def write_report(store: Store, database: duckdb.DuckDBPyConnection, run_id: str | None = None) -> str:
    """Write the report of a run, or of the whole lake, into the lake.

    Args:
        store: the lake.
        database: the run, or the whole lake (`pipeline.lake.query.catalog.open_lake`).
        run_id: the run's id; None for the whole lake.

    Returns:
        The path or ``gs://`` URI of the report.

    Raises:
        StoreError, OSError: the report cannot be written.
    """
    store.write(report_path(run_id), render(database, run_id))
    return store.uri(report_path(run_id))


def render(database: duckdb.DuckDBPyConnection, run_id: str | None = None) -> bytes:
    """Render the report as HTML in UTF-8.

    Args:
        database: the run, or the whole lake (`pipeline.lake.query.catalog.open_lake`).
        run_id: the run's id, for the heading; None for the whole lake.
    """
    numbers, samples = numbers_of(database), samples_of(database)
    domains = {sample.domain for sample in samples} | {row[0] for row in numbers.sites}
    domains |= {row[5] for row in (*numbers.quotes, *numbers.attitudes)}
    domains |= {site for problem in numbers.problems for site, _ in problem.sites}
    speakers = {row[0] for row in numbers.quotes} | {name for sample in samples for name, _ in sample.speakers}
    charts = [chart for chart in _charts(numbers) if chart.labels]
    scripts, style = (
        [_file("chart.umd.min.js").rpartition("\n//# sourceMappingURL")[0], _file("report.js")],
        _file("report.css"),
    )
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "link": web_link,
        "time": _time,
        "day": _day,
        "share": _share,
        "as_shown": as_shown,
        "counted": counted,
    }
    page = environment.get_template("report.html.j2").render(
        run_id=run_id,
        created_at=datetime.now(timezone.utc),
        n=numbers,
        samples=samples,
        charts={chart.id: chart for chart in charts},
        chart_data={"charts": [chart.data for chart in charts]},
        sites={site: number for number, site in enumerate(sorted(domains))},
        speakers={name: number for number, name in enumerate(sorted(speakers, key=str.casefold))},
        advice={reason.value: text for reason, text in ADVICE.items()},
        kinds=KINDS,
        methods=METHODS,
        types=TYPES,
        policy=_policy(scripts, style),
        scripts=scripts,
        style=style,
    )
    return page.encode("utf-8", "replace")


def web_link(url: str) -> str | None:
    """The URL if it is a link to http or https, else None, and the report shows it as text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def _charts(n: Numbers) -> list[Chart]:
    total = n.totals["quotes"]
    return [
        Chart(
            "speed",
            "URLs over time",
            _speed_summary(n.speed),
            "start, UTC",
            tuple(_clock(start, n.speed) for start in n.speed.starts),
            tuple(
                (name, tuple(counts[at] for counts in n.speed.counts))
                for at, name in enumerate(("succeeded", "failed", "skipped"))
            ),
            is_vertical=True,
        ),
        Chart(
            "kinds",
            "Quotes by kind",
            f"{_share(total - n.totals['unnamed'], total)} of {counted(total, 'quote')} with a named speaker.",
            "kind",
            tuple(row[0] for row in n.kinds),
            tuple(
                (name, tuple(row[at] for row in n.kinds))
                for at, name in ((1, "named speaker"), (2, "unnamed speaker"), (3, "no speaker"))
            ),
        ),
        Chart(
            "speakers",
            "Most quoted",
            f"{n.speakers[0][0]} has the most quotes: {sum(n.speakers[0][2:5]):,}." if n.speakers else "",
            "speaker",
            tuple(row[0] for row in n.speakers),
            tuple((kind, tuple(row[at] for row in n.speakers)) for at, kind in enumerate(KINDS, 2)),
        ),
        Chart(
            "entities",
            "Most mentioned",
            f"{n.entities[0][0]} is mentioned in {counted(n.entities[0][3], 'article')}." if n.entities else "",
            "name",
            tuple(f"{row[0]} ({TYPES.get(row[1], row[1])})" for row in n.entities),
            (("articles", tuple(row[3] for row in n.entities)),),
        ),
        Chart(
            "languages",
            "Languages",
            f"The articles are in {len(n.languages)} languages."
            if len(n.languages) > 1
            else "All articles are in one language.",
            "language",
            tuple(row[0] or "unknown" for row in n.languages),
            (("articles", tuple(row[1] for row in n.languages)),),
        ),
        Chart(
            "sites",
            "Sites",
            _sites_summary(n),
            "site",
            tuple(row[0] for row in n.sites),
            (("articles", tuple(row[2] for row in n.sites)), ("failed", tuple(row[3] for row in n.sites))),
        ),
    ]


def _sites_summary(n: Numbers) -> str:
    if not n.sites or not n.sites[0][2]:
        return "No site has a new article."
    return f"{n.sites[0][0]} has the most articles: {n.sites[0][2]:,}."


def _speed_summary(speed: Speed) -> str:
    processed = sum(map(sum, speed.counts))
    if not speed.seconds:
        return f"{counted(processed, 'URL')} processed at the same time."
    per_second = processed / speed.seconds
    rate = f"{per_second:,.1f} URLs per second" if per_second >= 1 else f"{per_second * 60:,.1f} URLs per minute"
    return (
        f"{counted(processed, 'URL')} processed in {_duration(speed.seconds)}, {rate} on average. "
        f"Each bar covers {_duration(speed.width)}."
    )


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size, 1)
            return f"{count:g} {name}{'' if count == 1 else 's'}"
    count = round(seconds, 1)
    return f"{count:g} second{'' if count == 1 else 's'}"


def _clock(at: datetime, speed: Speed) -> str:
    if speed.seconds >= 86_400:
        return f"{at:%d %b %H:%M}" if speed.width < 86_400 else f"{at:%d %b %Y}"
    return f"{at:%H:%M:%S}" if speed.width < 60 else f"{at:%H:%M}"


def _time(at: datetime) -> str:
    return f"{_day(at)}, {at.astimezone(timezone.utc):%H:%M} UTC"


def _day(at: date) -> str:
    moment = at.astimezone(timezone.utc) if isinstance(at, datetime) else at
    return f"{moment.day} {moment:%B %Y}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"


def _file(name: str) -> str:
    return (resources.files("pipeline.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(scripts: list[str], style: str) -> str:
    """The Content-Security-Policy: nothing is loaded, and only these scripts and this style are allowed."""

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(map(hashed, scripts))}; style-src {hashed(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
