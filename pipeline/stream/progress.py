"""Compute the progress of a stream from the counters of its stages and the committed windows in its lake."""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.manifest import Manifest, read_manifest
from pipeline.run.progress import Figures, Rate, Row, clock, counts_of, reasons_of
from transforms.runtime.drain import is_draining
from transforms.runtime.metrics import Counts
from transforms.schema.run import Run
from transforms.storage.base import Store, StoreError

_LOG = logging.getLogger(__name__)

_RATE_SECONDS = 300.0
_LAKE_SECONDS = 60.0
"""Maximum time between two looks into the lake; a runner may report no counter of commits."""


@dataclass(frozen=True, slots=True)
class CommittedWindow:
    """A committed window. The fields are keys of the lines of ``--json-logs``."""

    run_id: str
    until: datetime
    """End of the window."""
    rows: dict[str, int]
    """Number of rows by table."""
    lag_seconds: float | None = None
    """Median time from the publication of an article to its commit; None if no publication has a time of day."""
    lag_most_seconds: float | None = None
    """Maximum of these times."""

    @property
    def rows_text(self) -> str:
        """The number of articles and URLs."""
        return f"{self.rows.get('articles', 0):,} articles of {self.rows.get('fetches', 0):,} URLs"

    @property
    def lag_text(self) -> str:
        """The lag; empty if unknown."""
        if self.lag_seconds is None or self.lag_most_seconds is None:
            return ""
        return f"{clock(self.lag_seconds)} from publication to commit, {clock(self.lag_most_seconds)} at most"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFigures(Figures):
    """Progress of a stream."""

    LINE_SECONDS: ClassVar[float] = 60.0

    phase: str = "flowing"
    """``flowing``, ``draining`` or ``ended``."""
    feeds: int = 0
    """Feeds and sitemaps of the configuration that were read."""
    feeds_failing: int = 0
    """Feeds and sitemaps that could not be read the last time."""
    named: int = 0
    """URLs from the sources, without duplicates."""
    waiting: int = 0
    """URLs that wait to be fetched."""
    articles: int = 0
    articles_per_minute: float = 0.0
    """Current rate."""
    windows: int = 0
    """Windows committed since the start."""
    last: CommittedWindow | None = None
    """The window that was committed last."""
    watermark: datetime | None = None
    """End of the latest committed window, also of an earlier start of the stream."""
    behind_seconds: float | None = None
    """Time since the watermark."""
    news: tuple[CommittedWindow, ...] = ()
    """Windows committed since the previous figures."""

    def rows(self) -> Iterator[Row]:
        """The figures as text."""
        last, rate = self.last, self.articles_per_minute
        if self.feeds:
            yield Row("feeds", f"{self.feeds:,} watched, {self.feeds_failing:,} failing")
        yield Row("URLs", f"{self.named:,} found, {self.waiting:,} waiting")
        yield Row("articles", f"{self.articles:,}, {rate:,.1f} per minute, {self.quotes:,} quotes")
        yield Row("windows", f"{self.windows:,} committed")
        yield Row("last", f"{last.run_id}: {last.rows_text}" if last else "")
        behind = f", {clock(self.behind_seconds)} behind" if self.behind_seconds is not None else ""
        yield Row("watermark", f"{self.watermark:%Y-%m-%d %H:%M:%S} UTC{behind}" if self.watermark else "")
        yield Row("lag", last.lag_text if last else "")
        yield Row("no article", self.reasons_text)

    def fields(self) -> dict[str, Any]:
        """The figures for ``--json-logs``."""
        fields = asdict(self)
        del fields["news"]
        return fields

    def events(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """One event for each new window."""
        for window in self.news:
            yield "committed", f"Committed {window.rows_text} up to {window.until:%H:%M:%S} UTC", asdict(window)

    @property
    def drain_text(self) -> str:
        """The number of waiting URLs, and the watermark."""
        committed = f", committed up to {self.watermark:%H:%M:%S} UTC" if self.watermark else ""
        return f" ({self.waiting:,} URLs waiting{committed})"


class StreamProgress:
    """Computes the figures of a stream.

    Args:
        store: the lake.
        run: the stream's attempt.
        window_seconds: length of its windows.
    """

    def __init__(self, store: Store, run: Run, window_seconds: float) -> None:
        self._store, self._started, self._window_seconds = store, run.time, window_seconds
        self._run_id = re.compile(rf"{re.escape(run.stream_name)}-([0-9]{{8}}T[0-9]{{6}})(-late[0-9]+)?")
        self._ends = self._committed_ends()
        self._rate = Rate(_RATE_SECONDS)
        self._commits, self._looked = 0, time.monotonic()
        self._window_count = 0
        self._last: CommittedWindow | None = None

    def __call__(self, seconds: float, counts: Counts) -> StreamFigures:
        """The figures from the counts so far."""
        news = self._new_windows(counts["windows", "committed"])
        self._window_count += len(news)
        self._last = news[-1] if news else self._last
        watermark, articles = max(self._ends.values(), default=None), counts["extract", "ok"]
        urls = counts_of(counts, "ledger")
        return StreamFigures(
            seconds=seconds,
            phase="draining" if is_draining() else "flowing",
            feeds=counts["feeds", "watched"],
            feeds_failing=max(0, counts["feeds", "failing"]),
            named=urls.total(),
            waiting=max(0, urls["asked"] - counts_of(counts, "fetch").total()),
            articles=articles,
            quotes=counts["annotate", "quotes"],
            articles_per_minute=60 * self._rate.per_second(seconds, articles),
            windows=self._window_count,
            last=self._last,
            watermark=watermark,
            behind_seconds=max(0.0, time.time() - watermark.timestamp()) if watermark else None,
            reasons=reasons_of(counts, ("ledger", "fetch", "extract", "annotate")),
            news=tuple(news),
        )

    def _new_windows(self, commits: int) -> list[CommittedWindow]:
        """Windows committed since the previous call, in the order of their commits."""
        now = time.monotonic()
        if commits == self._commits and now - self._looked < _LAKE_SECONDS:
            return []
        self._commits, self._looked = commits, now
        try:
            ends = self._committed_ends()
            read = [read_manifest(self._store, run_id) for run_id in ends.keys() - self._ends.keys()]
        except (StoreError, OSError) as error:
            _LOG.warning("the windows in the lake cannot be read: %s", error)
            return []
        self._ends = ends
        found = sorted((m for m in read if m is not None), key=lambda m: (m.committed_at, m.run_id))
        return [self._window(manifest) for manifest in found]

    def _committed_ends(self) -> dict[str, datetime]:
        """End of each committed window by run id."""
        names = (PurePosixPath(path) for path in self._store.files("_runs") if path.endswith(".json"))
        found = (self._run_id.fullmatch(name.stem) for name in names)
        return {match[0]: self._end(match[1]) for match in found if match}

    def _end(self, start: str) -> datetime:
        begin = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
        return begin + timedelta(seconds=self._window_seconds - begin.timestamp() % self._window_seconds)

    def _window(self, manifest: Manifest) -> CommittedWindow:
        rows = {table: manifest.rows(table) for table in manifest.files}
        lags = self._lags(manifest)
        median, maximum = (lags[len(lags) // 2], lags[-1]) if lags else (None, None)
        return CommittedWindow(manifest.run_id, self._ends[manifest.run_id], rows, median, maximum)

    def _lags(self, manifest: Manifest) -> list[float]:
        """Seconds from the publication of each article to the commit, in ascending order.

        Articles published before the start of the stream are left out, because it could not commit them sooner, and so
        are those published at midnight, because these are dates without a time. ``stories`` is read because it is the
        smallest table with the time of each article.
        """
        try:
            with self._store.local_copies([file.path for file in manifest.files.get("stories", [])]) as copies:
                moments = [m for copy in copies for m in _publication_times(copy)]
        except (StoreError, OSError, pa.ArrowException) as error:
            _LOG.warning("the publication times of run %s cannot be read: %s", manifest.run_id, error)
            return []
        seconds = ((manifest.committed_at - m).total_seconds() for m in moments if m >= self._started)
        return sorted(round(max(0.0, lag), 1) for lag in seconds)


def _publication_times(copy: Path) -> list[datetime]:
    column = pq.read_table(copy, columns=["published_at"])["published_at"].drop_null()
    is_date = pc.equal(column, pc.floor_temporal(column, unit="day"))
    moments: list[datetime] = column.filter(pc.invert(is_date)).to_pylist()
    return moments
