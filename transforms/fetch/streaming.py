"""Fetching from a stream: each site has its turns, by state and timers of its own.

A bundle of a stream holds a few requests of a few sites. Were each fetched when its bundle ends, as a run does it, a
site that asks for a long delay would hold up all others of its bundle, and what is known of a host would be forgotten
with the bundle. So requests wait in the state of their site, a timer gives it turns, and a turn takes only as many as
its pace lets through in `TURN_SECONDS`; the process keeps connections, robots.txt and each host's clock from turn to
turn (``fetch_pages(lasting=True)``). A runner has one worker at a time for a key, so one worker talks to a site.

A timer holds the watermark at the time of the last turn, and a page carries the time of its fetch: so no page is late,
also when the sources have ended, and a site with a long queue does not hold up the windows of all others.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import apache_beam as beam
from apache_beam.coders import FloatCoder, TupleCoder
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import BoundedWindow, GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.fetch.config import FetchConfig
from transforms.fetch.generator import fetch_pages, pace_of
from transforms.fetch.results import Missed, Progress, missed
from transforms.runtime.drain import is_draining
from transforms.runtime.metrics import count
from transforms.schema.coders import RecordCoder
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Page, UrlRequest

TURN_SECONDS = 5.0
"""How long a site's turn lasts at its pace, which is how long others may have to wait for it."""
ANSWER_SECONDS = 30.0
"""How long a request may last once its turn began, which is how long it may hold up a window."""

_MOST_AT_ONCE = 100
_MILLISECONDS = Metrics.distribution("fetch", "elapsed_ms")

_Waiting = tuple[float, UrlRequest]
"""A request and when it came, in seconds since 1970."""


class FetchInTurns(beam.DoFn):
    """Asks for pages of a stream: (site, UrlRequest) -> Page, and the outputs ``fetches`` and ``failures``.

    Args:
        config: the stage's settings.
        accept: content types whose pages are read.
        patience: seconds that a request waits for its site; one that waited for longer, or would have to, is skipped,
            ``host_budget``. So what waits for a site is bounded.
    """

    WAITING = BagStateSpec("waiting", TupleCoder((FloatCoder(), RecordCoder(UrlRequest))))
    TURN = TimerSpec("turn", TimeDomain.REAL_TIME)

    def __init__(self, config: FetchConfig, accept: frozenset[str], patience: float) -> None:
        self._config, self._accept, self._patience = config, accept, patience

    def start_bundle(self) -> None:
        self._asked: list[UrlRequest] = []
        self._overdue: list[UrlRequest] = []

    def process(
        self,
        element: tuple[str, UrlRequest],
        waiting: "beam.transforms.userstate.AccumulatingRuntimeState" = beam.DoFn.StateParam(WAITING),  # noqa: B008 - Beam's way
        turn: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(TURN),  # noqa: B008
    ) -> None:
        now = time.time()
        waiting.add((now, element[1]))
        turn.set(_next_second(now))

    @on_timer(TURN)  # type: ignore[untyped-decorator]
    def take_turn(
        self,
        waiting: "beam.transforms.userstate.AccumulatingRuntimeState" = beam.DoFn.StateParam(WAITING),  # noqa: B008
        turn: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(TURN),  # noqa: B008
    ) -> None:
        now = time.time()
        queue: list[_Waiting] = sorted(waiting.read(), key=lambda entry: entry[0])
        waiting.clear()
        first = sum(now - since > self._patience for since, _ in queue)
        last = first + self._most_waiting(queue[-1][1].url) if queue else first
        rest = queue[first:last]
        overdue = [request for _, request in (*queue[:first], *queue[last:])]
        most = len(rest) if is_draining() or not rest else self._at_once(rest[0][1].url)
        self._overdue += overdue
        self._asked += [request for _, request in rest[:most]]
        for entry in rest[most:]:
            waiting.add(entry)
        if rest[most:]:
            _hold_from(turn, now)
            turn.set(_next_second(now))

    def _at_once(self, url: str) -> int:
        pace = pace_of(url, self._config)
        return max(1, int(TURN_SECONDS / pace)) if pace else _MOST_AT_ONCE

    def _most_waiting(self, url: str) -> int:
        return max(1, int(self._patience / (pace_of(url, self._config) or 1 / _MOST_AT_ONCE)))

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        message = f"The site's pace did not let us ask within {self._patience:,.0f} s (stream.patience)."
        for request in self._overdue:
            yield from _given(missed(request, Rejected(Reason.HOST_BUDGET, message), Progress()))
        asked = fetch_pages(self._asked, self._config, self._accept, lasting=True, patience=ANSWER_SECONDS)
        with closing(asked) as results:
            for result in results:
                yield from _given(result)


def _given(result: Page | Missed) -> Iterator[WindowedValue | TaggedOutput]:
    return outputs_of(result, Timestamp.of(result.fetch.fetched_at.timestamp()), GlobalWindow())


def outputs_of(
    result: Page | Missed, timestamp: Timestamp, window: BoundedWindow
) -> Iterator[WindowedValue | TaggedOutput]:
    """What a result of a fetch is among a DoFn's outputs, ``pages`` the main one; it is counted.

    Args:
        result: a page, or why there is none.
        timestamp: of what is given.
        window: of what is given.
    """
    count("listing" if result.fetch.source == "listing" else "fetch", result.fetch.reason or result.fetch.outcome)
    if result.fetch.elapsed_ms is not None:
        _MILLISECONDS.update(result.fetch.elapsed_ms)
    if isinstance(result, Page):
        yield WindowedValue(result, timestamp, (window,))
        return
    yield TaggedOutput("fetches", WindowedValue(result.fetch, timestamp, (window,)))
    if result.failure is not None:
        yield TaggedOutput("failures", WindowedValue(result.failure, timestamp, (window,)))


def _hold_from(turn: Any, now: float) -> None:
    """Lets the timer that is set next hold the watermark from now on, no longer from the time of the first request.

    That is ``Timer.withOutputTimestamp`` of Beam's Java SDK, which its Python SDK lacks: it takes this attribute.
    """
    turn._input_timestamp = Timestamp.of(now)


def _next_second(now: float) -> Timestamp:
    """Whole seconds, so that the sites of one second share a bundle, and a file."""
    return Timestamp.of(int(now) + 1)
