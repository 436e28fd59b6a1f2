"""Report the progress of a run or stream to a listener, as figures computed from the counters of its stages."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from apache_beam.runners.runner import PipelineResult

    from transforms.runtime.metrics import Counts

_LOG = logging.getLogger(__name__)

TICK_SECONDS = 0.25
_REMOTE_TICK_SECONDS = 10.0
_RATE_SECONDS = 30.0
_REASONS = 6

_NO_REASONS = {"ok", "not_modified", "unchanged", "quotes", "asked", "taken_over", "twin"}
"""Counters that are not a reason why a URL has no article."""


class Row(NamedTuple):
    """One labelled part of the figures."""

    name: str
    text: str
    share: float | None = None
    """Completed share, which a terminal shows as a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(ABC):
    """Progress at one moment. The fields are keys of the progress lines of ``--json-logs``."""

    LINE_SECONDS: ClassVar[float] = 10.0
    """Time between two lines where standard error is not a terminal."""

    seconds: float
    """Time since the start."""
    phase: str
    """Current phase; ``ended`` at the end."""
    quotes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Reasons why URLs have no article, the most frequent first."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """The figures as text; a row without text has nothing to show yet."""

    def fields(self) -> dict[str, Any]:
        """The figures for ``--json-logs``."""
        return asdict(self)

    def events(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Events since the previous figures, for ``--json-logs``: name, sentence and further keys."""
        yield from ()

    @property
    def drain_text(self) -> str:
        """The remaining work at the start of a drain, appended to the message."""
        return ""

    @property
    def reasons_text(self) -> str:
        """The most frequent reasons with their counts."""
        shown = [f"{reason} {number:,}" for reason, number in list(self.reasons.items())[:_REASONS]]
        more = len(self.reasons) - len(shown)
        return ", ".join([*shown, *([f"{more} more"] if more else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures(Figures):
    """Progress of a run."""

    phase: str = "reading"
    """``reading`` sources, ``fetching``, ``writing tables`` when all pages are fetched, ``ended``."""
    known: int = 0
    """URLs from the sources so far."""
    asked: int = 0
    """URLs to fetch."""
    fetched: int = 0
    """URLs with a response, or with a reason why there is none, without cancelled ones."""
    cancelled: int = 0
    """URLs that were not fetched because the run was stopped."""
    archived: int = 0
    """Pages read from archives."""
    extracted: int = 0
    """Pages that became an article."""
    annotated: int = 0
    per_second: float = 0.0
    """Current rate of fetched URLs and archived pages."""
    seconds_left: float | None = None
    """Estimated time left for fetching; None if unknown."""

    def rows(self) -> Iterator[Row]:
        """The figures as text."""
        speed = [f"{self.per_second:,.1f}/s"] if self.per_second else []
        left = [f"about {clock(self.seconds_left)} left"] if self.seconds_left else []
        cancelled = [f"{self.cancelled:,} cancelled"] if self.cancelled else []
        fetched = ", ".join([f"{self.fetched:,} of {self.asked:,}", *cancelled, *speed, *left])
        yield Row("URLs", f"{self.known:,} known")
        yield Row("fetched", fetched, self.fetched / max(1, self.asked))
        if self.archived:
            yield Row("archives", f"{self.archived:,} pages")
        yield Row("extracted", f"{self.extracted:,} articles")
        yield Row("annotated", f"{self.annotated:,} articles, {self.quotes:,} quotes")
        yield Row("no article", self.reasons_text)


class ProgressListener:
    """Receives the progress of runs and streams; this base class ignores it."""

    def run_started(self, run_id: str) -> None:
        """A run or stream starts."""

    def retrying(self, retriable: int, urls: int) -> None:
        """A run in which every URL failed is run again.

        Args:
            retriable: number of its URLs that are requested again.
            urls: number of all its URLs.
        """

    def draining(self) -> None:
        """The run was asked to stop. Called in a signal handler."""

    def updated(self, figures: Figures) -> None:
        """New figures; called repeatedly in one thread, and once after the end."""


class Rate:
    """Rate of a growing number over the last seconds."""

    def __init__(self, window_seconds: float = _RATE_SECONDS) -> None:
        self._window = window_seconds
        self._past: deque[tuple[float, int]] = deque()

    def per_second(self, now: float, number: int) -> float:
        """Add the current number and return the rate."""
        # The rate is measured from the first increment, not from the start.
        while self._past and (not number or now - self._past[0][0] > self._window):
            self._past.popleft()
        self._past.append((now, number))
        since, before = self._past[0]
        return (number - before) / max(now - since, TICK_SECONDS)


class RunProgress:
    """Computes the figures of a run."""

    def __init__(self) -> None:
        self._rate = Rate()

    def __call__(self, seconds: float, counts: "Counts") -> RunFigures:
        """The figures from the counts so far."""
        fetched, archived = counts_of(counts, "fetch"), counts_of(counts, "archives")
        done = sum(fetched.values()) - fetched["twin"] + sum(archived.values())
        return run_figures(seconds, counts, self._rate.per_second(seconds, done))


def run_figures(seconds: float, counts: "Counts", per_second: float = 0.0) -> RunFigures:
    """Compute the figures of a run.

    Args:
        seconds: time since the start.
        counts: counts so far (`transforms.runtime.metrics.count`).
        per_second: current rate of fetched URLs and archived pages.
    """
    stages = ("ledger", "listing", "archives", "fetch", "extract")
    urls, listing, archives, fetch, extract = (counts_of(counts, stage) for stage in stages)
    duplicates = fetch.pop("twin", 0)
    asked, fetched, archived = urls["asked"] - duplicates, fetch.total(), archives.total()
    cancelled = fetch["cancelled"]
    is_fetched = 0 < asked <= fetched and extract.total() >= fetch["ok"] and not archived
    has_estimate = 0 < fetched <= asked and per_second > 0 and not archived
    return RunFigures(
        seconds=seconds,
        known=urls.total() - duplicates + listing.total() + archived,
        asked=asked,
        fetched=fetched - cancelled,
        cancelled=cancelled,
        archived=archived,
        extracted=extract["ok"] + extract["unchanged"],
        annotated=counts["annotate", "ok"],
        quotes=counts["annotate", "quotes"],
        reasons=reasons_of(counts),
        phase="writing tables" if is_fetched else "fetching" if fetched or archived else "reading",
        per_second=per_second,
        seconds_left=(asked - fetched) / per_second if has_estimate else None,
    )


def counts_of(counts: "Counts", stage: str) -> Counter[str]:
    """The counts of one stage."""
    return Counter({name: number for (of, name), number in counts.items() if of == stage})


def reasons_of(counts: "Counts", stages: Collection[str] | None = None) -> dict[str, int]:
    """Reasons why URLs have no article, summed over the stages (None: all), the most frequent first."""
    reasons: Counter[str] = Counter()
    for (stage, name), number in counts.items():
        if (stages is None or stage in stages) and name not in _NO_REASONS and not name.startswith("over_"):
            reasons[name] += number
    return dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))


def clock(seconds: float) -> str:
    """Format a duration as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def watched(
    listener: ProgressListener, figures_of: "Callable[[float, Counts], Figures] | None" = None
) -> "Iterator[Callable[[PipelineResult], None]]":
    """Send figures to a listener while the code inside runs, in a thread.

    Args:
        listener: receives the figures.
        figures_of: computes them from the seconds since the start and the counts; None: those of a run.

    Yields:
        A function for a job on other machines: given its result, the counts come from Beam's metrics.
    """
    from transforms.runtime.metrics import watched_counts

    figures_of = figures_of or RunProgress()
    started, ended = time.monotonic(), threading.Event()
    remote: list[PipelineResult] = []
    with watched_counts() as read:

        def figures() -> Figures:
            counts = read()
            if not counts and remote:
                counts = remote_counts(remote[0])
            return figures_of(time.monotonic() - started, counts)

        def report() -> None:
            while not ended.wait(_REMOTE_TICK_SECONDS if remote else TICK_SECONDS):
                _send(listener, figures())

        thread = threading.Thread(target=report, name="progress", daemon=True)
        thread.start()
        try:
            yield remote.append
        finally:
            ended.set()
            thread.join()
            _send(listener, replace(figures(), phase="ended"))


def _send(listener: ProgressListener, figures: Figures) -> None:
    try:
        listener.updated(figures)
    except OSError as error:
        # Standard error may be a closed pipe.
        _LOG.warning("the progress cannot be shown: %s", error)


def remote_counts(result: "PipelineResult") -> "Counts":
    """Counts from Beam's metrics of a job; empty if its runner cannot report them."""
    counts: Counts = Counter()
    try:
        counters = result.metrics().query()["counters"]
    except Exception as error:  # noqa: BLE001 - any exception of a runner; figures are no reason to end a run
        _LOG.warning("the runner reports no metrics: %s", error)
        return counts
    for counter in counters:
        name = counter.key.metric
        counts[name.namespace, name.name] += counter.result or 0
    return counts
