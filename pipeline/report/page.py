"""The run report: one HTML page that needs nothing else, neither a network nor the lake.

All that comes from pages is data: Jinja escapes each value, charts read theirs from a JSON block, links lead to http
and https alone, and the page's policy lets run the two scripts only that it was written with.
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

CHARTED = 12
"""Most bars of a chart; the table beneath may have more rows."""

KINDS = {
    "direct": "in quote marks",
    "mixed": "marks inside a reported clause",
    "indirect": "reported without marks",
}
METHODS = {
    "named": "named beside the quote",
    "surname": "by surname",
    "role": "by office or description",
    "pronoun": "by pronoun",
    "carried_over": "carried over from the quote before",
    "label": "by a label before it",
    "none": "not found",
}
TYPES = {"PERSON": "person", "ORG": "organisation", "LOC": "place", "NORP": "group", "MISC": "other"}


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers as bars, and as the table that says the same."""

    id: str
    title: str
    summary: str
    """One sentence: what a reader should see."""
    heading: str
    """Of the table's first column."""
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[int, ...]], ...]
    is_upright: bool = False
    """Columns along time; else bars that lie."""

    @property
    def drawn(self) -> dict[str, Any]:
        """What the script draws."""
        limit = len(self.labels) if self.is_upright else CHARTED
        return {
            "id": self.id,
            "upright": self.is_upright,
            "labels": self.labels[:limit],
            "series": [{"name": name, "values": values[:limit]} for name, values in self.series],
        }


def write_report(store: Store, database: duckdb.DuckDBPyConnection, run_id: str | None = None) -> str:
    """Writes the report of a run, or of the whole lake, to its place in the lake.

    Args:
        store: the lake.
        database: the run, or the lake (`pipeline.lake.query.catalog.open_lake`).
        run_id: the run's id; None for the whole lake.

    Returns:
        Where it lies: a path or a ``gs://`` URI.

    Raises:
        StoreError, OSError: it cannot be written.
    """
    store.write(report_path(run_id), render(database, run_id))
    return store.uri(report_path(run_id))


def render(database: duckdb.DuckDBPyConnection, run_id: str | None = None) -> bytes:
    """The report as a page in UTF-8.

    Args:
        database: the run, or the lake (`pipeline.lake.query.catalog.open_lake`).
        run_id: the run's id, for the heading; None for the whole lake.
    """
    numbers, samples = numbers_of(database), samples_of(database)
    domains = (
        {sample.domain for sample in samples} | {row[0] for row in numbers.sites} | {row[5] for row in numbers.quotes}
    )
    domains |= {site for problem in numbers.problems for site, _ in problem.sites}
    voices = {row[0] for row in numbers.quotes} | {name for sample in samples for name, _ in sample.voices}
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
    environment.filters |= {"link": web_link, "time": _time, "day": _day, "share": _share}
    page = environment.get_template("report.html.j2").render(
        run_id=run_id,
        made_at=datetime.now(timezone.utc),
        n=numbers,
        samples=samples,
        charts={chart.id: chart for chart in charts},
        drawn={"charts": [chart.drawn for chart in charts]},
        sites={site: number for number, site in enumerate(sorted(domains))},
        voices={name: number for number, name in enumerate(sorted(voices, key=str.casefold))},
        advice={reason.value: text for reason, text in ADVICE.items()},
        kinds=KINDS,
        methods=METHODS,
        types=TYPES,
        speed_said=_speed_said(numbers.speed),
        policy=_policy(scripts, style),
        scripts=scripts,
        style=style,
    )
    return page.encode("utf-8", "replace")


def web_link(url: str) -> str | None:
    """The URL where it is one of http or https, else None: it is shown as text then."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def _charts(n: Numbers) -> list[Chart]:
    named = sum(row[1] for row in n.kinds)
    everything = sum(sum(row[1:]) for row in n.kinds)
    return [
        Chart(
            "speed",
            "Speed over time",
            _speed_said(n.speed),
            "from, UTC",
            tuple(_clock(begin, n.speed) for begin in n.speed.begins),
            tuple(
                (name, tuple(counts[at] for counts in n.speed.counts))
                for at, name in enumerate(("came", "failed", "skipped"))
            ),
            is_upright=True,
        ),
        Chart(
            "kinds",
            "Quotes by kind",
            f"{_share(named, everything)} of {everything:,} quotes have a speaker with a name.",
            "kind",
            tuple(row[0] for row in n.kinds),
            tuple(
                (name, tuple(row[at] for row in n.kinds))
                for at, name in ((1, "named speaker"), (2, "described only"), (3, "no speaker"))
            ),
        ),
        Chart(
            "speakers",
            "Most quoted",
            f"{n.speakers[0][0]} is quoted most: {sum(n.speakers[0][2:5]):,} quotes." if n.speakers else "",
            "speaker",
            tuple(row[0] for row in n.speakers),
            tuple((kind, tuple(row[at] for row in n.speakers)) for at, kind in enumerate(KINDS, 2)),
        ),
        Chart(
            "entities",
            "Most written about",
            f"{n.entities[0][0]} is named in {n.entities[0][3]:,} articles." if n.entities else "",
            "name",
            tuple(f"{row[0]} ({TYPES.get(row[1], row[1])})" for row in n.entities),
            (("articles", tuple(row[3] for row in n.entities)),),
        ),
        Chart(
            "languages",
            "Languages",
            f"{len(n.languages)} found in the texts." if len(n.languages) > 1 else "One found in all texts.",
            "language",
            tuple(row[0] or "unknown" for row in n.languages),
            (("articles", tuple(row[1] for row in n.languages)),),
        ),
        Chart(
            "sites",
            "Sites",
            f"{n.sites[0][0]} brought most: {n.sites[0][2]:,} articles." if n.sites else "",
            "site",
            tuple(row[0] for row in n.sites),
            (("articles", tuple(row[2] for row in n.sites)), ("failed", tuple(row[3] for row in n.sites))),
        ),
    ]


def _speed_said(speed: Speed) -> str:
    settled = sum(map(sum, speed.counts))
    if not speed.seconds:
        return f"{settled:,} URLs settled at one moment."
    rate = settled / speed.seconds
    pace = f"{rate:,.1f} URLs a second" if rate >= 1 else f"{rate * 60:,.1f} URLs a minute"
    return (
        f"{settled:,} URLs settled in {_span(speed.seconds)}: {pace} on average. Each column is {_span(speed.width)}."
    )


def _span(seconds: float) -> str:
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
    """The page's Content-Security-Policy: nothing is loaded, and only these scripts and this style count."""

    def named(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(map(named, scripts))}; style-src {named(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
