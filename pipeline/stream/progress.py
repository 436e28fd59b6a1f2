"""How a stream flows: figures made of what its stages have counted, and of the windows that stand in its lake."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.manifest import Manifest, read_manifest
from pipeline.run.progress import NO_REASON, Counted
from transforms.runtime.drain import is_draining
from transforms.runtime.metrics import Counts
from transforms.schema.run import Run
from transforms.storage.base import Store, StoreError

_LOG = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_RATE_SECONDS = 300.0
_LOOK_SECONDS = 60.0
"""The lake is looked at when a commit was counted, and so often where the runner tells of none."""

Phase = Literal["flowing", "draining", "ended"]


@dataclass(frozen=True, slots=True)
class Committed:
    """A window that stands."""

    run_id: str
    until: datetime
    """Its end."""
    rows: dict[str, int]
    """By table."""
    lag_seconds: float | None = None
    """From an article's publication to its commit, the median; None where no article's is known to the second."""
    lag_most_seconds: float | None = None
    """The longest."""


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """How a stream flows."""

    seconds: float
    """Since it began."""
    phase: Phase = "flowing"
    feeds: int = 0
    """Feeds and sitemaps of the configuration that were asked for."""
    feeds_failing: int = 0
    """Of these, how many could not be had or read the last time."""
    named: int = 0
    """URLs that came in, each page's first in a while alone."""
    waiting: int = 0
    """Of these, how many are not settled: the site's turn has not come."""
    articles: int = 0
    quotes: int = 0
    articles_per_minute: float = 0.0
    """Lately."""
    windows: int = 0
    """How many were committed since it began."""
    last: Committed | None = None
    """The one that was committed last."""
    watermark: datetime | None = None
    """The end of the latest window that stands; one of an earlier start, before the first is committed."""
    behind_seconds: float | None = None
    """How far that lies behind the clock."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why URLs have no article, the most frequent first."""
    news: tuple[Committed, ...] = ()
    """The windows that were committed since these figures were made the last time."""


class StreamWatch(Counted):
    """Makes a stream's figures.

    Args:
        read: gives what was counted.
        store: the lake.
        run: the stream's attempt.
        window_seconds: how long its windows are.
    """

    tick = _TICK_SECONDS

    def __init__(self, read: Callable[[], Counts], store: Store, run: Run, window_seconds: float) -> None:
        super().__init__(read)
        self._windows = Windows(store, run, window_seconds)
        self._counted, self._looked = 0, time.monotonic()
        self._made: deque[tuple[float, int]] = deque([(0.0, 0)])
        self._committed = 0
        self._last: Committed | None = None

    def figures(self) -> StreamFigures:
        """The figures of now."""
        now, counts = self.counts()
        news = self._new_windows(counts["windows", "committed"])
        self._committed += len(news)
        self._last = news[-1] if news else self._last
        while len(self._made) > 1 and now - self._made[0][0] > _RATE_SECONDS:
            self._made.popleft()
        articles = counts["extract", "ok"]
        (since, before), watermark = self._made[0], self._windows.watermark
        self._made.append((now, articles))
        ledger, fetched = _of_stage(counts, "ledger"), sum(_of_stage(counts, "fetch").values())
        return StreamFigures(
            seconds=now,
            phase="draining" if is_draining() else "flowing",
            feeds=counts["feeds", "watched"],
            feeds_failing=max(0, counts["feeds", "failing"]),
            named=sum(ledger.values()),
            waiting=max(0, ledger.get("asked", 0) - fetched),
            articles=articles,
            quotes=counts["annotate", "quotes"],
            articles_per_minute=60 * (articles - before) / max(now - since, self.tick),
            windows=self._committed,
            last=self._last,
            watermark=watermark,
            behind_seconds=max(0.0, time.time() - watermark.timestamp()) if watermark else None,
            reasons=_reasons(counts),
            news=tuple(news),
        )

    def _new_windows(self, counted: int) -> list[Committed]:
        now = time.monotonic()
        if counted == self._counted and now - self._looked < _LOOK_SECONDS:
            return []
        self._counted, self._looked = counted, now
        try:
            return self._windows.new()
        except (StoreError, OSError) as error:
            _LOG.warning("the lake cannot be looked at: %s", error)
            return []


class Windows:
    """The windows of a stream that stand in its lake.

    Args:
        store: the lake.
        run: the stream's attempt.
        window_seconds: how long they are.
    """

    def __init__(self, store: Store, run: Run, window_seconds: float) -> None:
        self._store, self._began, self._seconds = store, run.time, window_seconds
        name = re.escape(run.stream_name)
        self._own = re.compile(rf"{name}-([0-9]{{8}}T[0-9]{{6}})(-late[0-9]+)?")
        self._known = self._standing()

    @property
    def watermark(self) -> datetime | None:
        """The end of the latest; None where none stands."""
        return max(self._known.values(), default=None)

    def new(self) -> list[Committed]:
        """Those that came since this was asked, or since the beginning, in the order of their commit.

        Raises:
            StoreError, OSError: the lake cannot be read.
        """
        standing = self._standing()
        read = [read_manifest(self._store, run_id) for run_id in standing.keys() - self._known.keys()]
        self._known = standing
        found = sorted((m for m in read if m is not None), key=lambda m: (m.committed_at, m.run_id))
        return [self._committed(manifest, standing[manifest.run_id]) for manifest in found]

    def _standing(self) -> dict[str, datetime]:
        """The end of each, by its run's id."""
        names = (PurePosixPath(path) for path in self._store.files("_runs") if path.endswith(".json"))
        found = (self._own.fullmatch(name.stem) for name in names)
        return {match[0]: self._end(match[1]) for match in found if match}

    def _end(self, start: str) -> datetime:
        began = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
        return began + timedelta(seconds=self._seconds - began.timestamp() % self._seconds)

    def _committed(self, manifest: Manifest, until: datetime) -> Committed:
        rows = {table: manifest.rows(table) for table in manifest.files}
        lags = self._lags(manifest)
        if not lags:
            return Committed(manifest.run_id, until, rows)
        return Committed(manifest.run_id, until, rows, lags[len(lags) // 2], lags[-1])

    def _lags(self, manifest: Manifest) -> list[float]:
        """Seconds from the publication of each article to the commit, the shortest first.

        Only what was published since the stream began: it could not have older ones sooner. A moment of midnight is a
        mere date. ``stories`` has the time of each article in the smallest file.
        """
        try:
            with self._store.local_copies([file.path for file in manifest.files.get("stories", [])]) as copies:
                moments = [m for copy in copies for m in _moments(copy)]
        except (StoreError, OSError, pa.ArrowException) as error:
            _LOG.warning("the times of run %s cannot be read: %s", manifest.run_id, error)
            return []
        seconds = ((manifest.committed_at - m).total_seconds() for m in moments if m >= self._began)
        return sorted(round(max(0.0, lag), 1) for lag in seconds)


def _moments(copy: Path) -> list[datetime]:
    column = pq.read_table(copy, columns=["published_at"])["published_at"].drop_null()
    is_date = pc.equal(column, pc.floor_temporal(column, unit="day"))
    moments: list[datetime] = column.filter(pc.invert(is_date)).to_pylist()
    return moments


def _of_stage(counts: Counts, stage: str) -> dict[str, int]:
    return {what: number for (of, what), number in counts.items() if of == stage}


def _reasons(counts: Counts) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for stage in ("ledger", "fetch", "extract", "annotate"):
        for what, number in _of_stage(counts, stage).items():
            if what not in NO_REASON:
                reasons[what] = reasons.get(what, 0) + number
    return dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))
