"""How far a run is: figures made of what its stages have counted, again and again while it goes on."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from transforms.runtime.metrics import Counts, watched_counts

if TYPE_CHECKING:
    from apache_beam.runners.runner import PipelineResult

_LOG = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_REMOTE_TICK_SECONDS = 10.0
_RATE_SECONDS = 30.0

NO_REASON = {"ok", "not_modified", "unchanged", "quotes", "asked", "taken_over", "twin"}
"""What is counted and is no reason for having no article."""


Phase = Literal["reading", "fetching", "writing tables", "ended"]


@dataclass(frozen=True, slots=True)
class Figures:
    """How far a run is."""

    seconds: float
    """Since it began."""
    known: int = 0
    """URLs that came in so far."""
    asked: int = 0
    """Of these, how many articles the sites are asked for."""
    fetched: int = 0
    """Of these, how many are settled: the answer came, or there is a reason why there is none."""
    archived: int = 0
    """Pages that came from archives."""
    extracted: int = 0
    """Pages that became an article."""
    annotated: int = 0
    quotes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why URLs have no article of this run, the most frequent first."""
    phase: Phase = "reading"
    """What it does now: it reads its sources, fetches, or has all pages and writes the tables."""
    per_second: float = 0.0
    """URLs and archived pages a second, lately."""
    seconds_left: float | None = None
    """For the fetching, at this rate; None where that cannot be known."""


class Watcher(Protocol):
    """Is told how runs and streams go."""

    def begins(self, run_id: str) -> None:
        """A run begins."""

    def drains(self) -> None:
        """The run was asked to stop. Called in a signal's handler."""

    def moved(self, figures: Any) -> None:
        """Called now and then, in one thread, and once when the run has ended.

        Args:
            figures: `Figures`; of a stream `pipeline.stream.progress.StreamFigures`.
        """


class Unwatched:
    """The watcher that does nothing."""

    def begins(self, run_id: str) -> None:
        """Nothing."""

    def drains(self) -> None:
        """Nothing."""

    def moved(self, figures: Any) -> None:
        """Nothing."""


UNWATCHED = Unwatched()


def figures_of(counts: Counts, seconds: float, per_second: float = 0.0) -> Figures:
    """The figures that counts amount to.

    Args:
        counts: as `transforms.runtime.metrics.count` counted them.
        seconds: since the run began.
        per_second: URLs and archived pages a second, lately.
    """
    by_stage = {stage: {w: n for (s, w), n in counts.items() if s == stage} for stage, _ in counts}
    ledger, listing, archives, fetch, extract = (
        by_stage.get(stage, {}) for stage in ("ledger", "listing", "archives", "fetch", "extract")
    )
    twins = fetch.pop("twin", 0)
    asked, fetched, archived = ledger.get("asked", 0) - twins, sum(fetch.values()), sum(archives.values())
    reasons: dict[str, int] = {}
    for (_, what), number in counts.items():
        if what not in NO_REASON and not what.startswith("over_"):
            reasons[what] = reasons.get(what, 0) + number
    is_in = 0 < asked <= fetched and sum(extract.values()) >= fetch.get("ok", 0) and not archived
    is_known = 0 < fetched <= asked and per_second > 0 and not archived
    return Figures(
        seconds=seconds,
        known=sum(ledger.values()) - twins + sum(listing.values()) + archived,
        asked=asked,
        fetched=fetched,
        archived=archived,
        extracted=extract.get("ok", 0) + extract.get("unchanged", 0),
        annotated=counts["annotate", "ok"],
        quotes=counts["annotate", "quotes"],
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        phase="writing tables" if is_in else "fetching" if fetched or archived else "reading",
        per_second=per_second,
        seconds_left=(asked - fetched) / per_second if is_known else None,
    )


class Counted(ABC):
    """Reads counts, for what makes figures of them; these are dataclasses with ``seconds`` and a ``phase``."""

    tick = _TICK_SECONDS

    def __init__(self, read: Callable[[], Counts]) -> None:
        self._read = read
        self._began = time.monotonic()

    def follow(self, result: "PipelineResult") -> None:
        """Has Beam's metrics asked for what the stages count on other machines; for a run that goes on elsewhere."""
        local = self._read
        self._read = lambda: local() or counts_in(result)
        self.tick = _REMOTE_TICK_SECONDS

    def counts(self) -> tuple[float, Counts]:
        """The seconds since it began, and what was counted so far."""
        return time.monotonic() - self._began, self._read()

    @abstractmethod
    def figures(self) -> Any:
        """The figures of now."""


class Watch(Counted):
    """Makes a run's figures."""

    def __init__(self, read: Callable[[], Counts]) -> None:
        super().__init__(read)
        self._past: deque[tuple[float, int]] = deque()

    def figures(self) -> Figures:
        """The figures of now."""
        now, counts = self.counts()
        done = sum(n for (stage, what), n in counts.items() if stage in ("fetch", "archives") and what != "twin")
        while self._past and (not done or now - self._past[0][0] > _RATE_SECONDS):
            self._past.popleft()
        self._past.append((now, done))
        since, before = self._past[0]
        return figures_of(counts, now, (done - before) / max(now - since, _TICK_SECONDS))


@contextmanager
def watched(watcher: Watcher, watch_of: Callable[[Callable[[], Counts]], Counted] = Watch) -> Iterator[Counted]:
    """Tells a watcher of the run inside, in a thread.

    Args:
        watcher: is told.
        watch_of: what makes the figures, given what reads the counts.
    """
    ended = threading.Event()
    with watched_counts() as read:
        watch = watch_of(read)

        def tell() -> None:
            while not ended.wait(watch.tick):
                _show(watcher, watch.figures())

        thread = threading.Thread(target=tell, name="progress", daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            ended.set()
            thread.join()
            _show(watcher, replace(watch.figures(), phase="ended"))


def _show(watcher: Watcher, figures: Any) -> None:
    try:
        watcher.moved(figures)
    except OSError as error:
        # As where standard error is a pipe that nobody reads any more.
        _LOG.warning("the figures cannot be shown: %s", error)


def counts_in(result: "PipelineResult") -> Counts:
    """What Beam's metrics say of a run; nothing where its runner cannot be asked now."""
    counts: Counts = Counts()
    try:
        counters = result.metrics().query()["counters"]
    except Exception as error:  # noqa: BLE001 - whatever another's runner raises: figures are no reason to end a run
        _LOG.warning("the runner gives no figures: %s", error)
        return counts
    for counter in counters:
        name = counter.key.metric
        counts[name.namespace, name.name] += counter.result or 0
    return counts
