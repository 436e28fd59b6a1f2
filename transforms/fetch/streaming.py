"""Fetch the pages of a stream, with one rate-limited queue per site in keyed state with timers.

A bundle of a stream holds a few requests of a few sites. If each were fetched when its bundle ends, as in batch, a site
with a long delay would hold up all others of its bundle, and the politeness state of a host would be lost with the
bundle. Instead, requests wait in the keyed state of their site. A timer fires about once a second and fetches as many
requests as the site's request interval allows in `SLICE_SECONDS`; the process keeps connections, robots.txt and the
rate limit of each host between timers (``fetch_pages(persistent=True)``). A runner processes a key on one worker at a
time, so only one worker sends requests to a site.

A timer holds the watermark at the time of the last slice, and a page's timestamp is the time of its fetch. So no page
is late, even after the sources have ended, and a site with a long queue does not delay the windows of other sites.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal, TypeAlias

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
from transforms.fetch.generator import fetch_pages, request_interval
from transforms.fetch.results import Progress, no_page
from transforms.runtime.drain import is_draining
from transforms.runtime.metrics import count
from transforms.schema.coders import RecordCoder
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Failure, Fetch, NoPage, Page, UrlRequest

SLICE_SECONDS = 5.0
"""Maximum time of a site's requests in one timer, at its request interval; other sites may have to wait this long."""
RESPONSE_SECONDS = 30.0
"""Maximum time of a request after it left the queue; it may delay a window this long."""

_MOST_AT_ONCE = 100
_MILLISECONDS = Metrics.distribution("fetch", "elapsed_ms")

_Queued = tuple[float, UrlRequest]
"""A request with its time of arrival, in seconds since 1970."""

TaggedFetch: TypeAlias = TaggedOutput[Literal["fetches"], Fetch]
TaggedFailure: TypeAlias = TaggedOutput[Literal["failures"], Failure]


class FetchStream(beam.DoFn):
    """Fetch pages of a stream: (site, UrlRequest) -> Page, and the tagged outputs ``fetches`` and ``failures``.

    Args:
        config: the stage's settings.
        accept: content types whose bodies are read.
        max_queue_seconds: maximum time that a request waits for its site. A request that waited longer, or that would
            have to, is skipped with the reason ``host_budget``, which bounds the queue of each site.
    """

    QUEUE = BagStateSpec("waiting", TupleCoder((FloatCoder(), RecordCoder(UrlRequest))))
    NEXT_SLICE = TimerSpec("turn", TimeDomain.REAL_TIME)

    def __init__(self, config: FetchConfig, accept: frozenset[str], max_queue_seconds: float) -> None:
        self._config, self._accept, self._max_queue_seconds = config, accept, max_queue_seconds

    def start_bundle(self) -> None:
        self._due: list[UrlRequest] = []
        self._overdue: list[UrlRequest] = []

    def process(
        self,
        element: tuple[str, UrlRequest],
        queue: "beam.transforms.userstate.AccumulatingRuntimeState" = beam.DoFn.StateParam(QUEUE),  # noqa: B008 - Beam's way
        timer: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(NEXT_SLICE),  # noqa: B008
    ) -> Iterator[Page | TaggedFetch | TaggedFailure]:
        now = time.time()
        queue.add((now, element[1]))
        timer.set(_next_second(now))
        return iter(())

    @on_timer(NEXT_SLICE)  # type: ignore[untyped-decorator]
    def take_slice(
        self,
        queue: "beam.transforms.userstate.AccumulatingRuntimeState" = beam.DoFn.StateParam(QUEUE),  # noqa: B008
        timer: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(NEXT_SLICE),  # noqa: B008
    ) -> None:
        now = time.time()
        queued: list[_Queued] = sorted(queue.read(), key=lambda entry: entry[0])
        queue.clear()
        first = sum(now - since > self._max_queue_seconds for since, _ in queued)
        last = first + self._queue_limit(queued[-1][1].url) if queued else first
        rest = queued[first:last]
        self._overdue += [request for _, request in (*queued[:first], *queued[last:])]
        taken = len(rest) if is_draining() or not rest else self._slice_size(rest[0][1].url)
        self._due += [request for _, request in rest[:taken]]
        for entry in rest[taken:]:
            queue.add(entry)
        if rest[taken:]:
            _hold_watermark_at(timer, now)
            timer.set(_next_second(now))

    def _slice_size(self, url: str) -> int:
        interval = request_interval(url, self._config)
        return max(1, int(SLICE_SECONDS / interval)) if interval else _MOST_AT_ONCE

    def _queue_limit(self, url: str) -> int:
        return max(1, int(self._max_queue_seconds / (request_interval(url, self._config) or 1 / _MOST_AT_ONCE)))

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        limit = f"{self._max_queue_seconds:,.0f} s (stream.patience)"
        message = f"The site's request interval left no time for this URL within {limit}."
        for request in self._overdue:
            yield from _now(no_page(request, Rejected(Reason.HOST_BUDGET, message), Progress()))
        fetched = fetch_pages(
            self._due, self._config, self._accept, persistent=True, max_queue_seconds=RESPONSE_SECONDS
        )
        with closing(fetched) as results:
            for result in results:
                yield from _now(result)


def _now(result: Page | NoPage) -> Iterator[WindowedValue | TaggedOutput]:
    return tagged_outputs(result, Timestamp.of(result.fetch.fetched_at.timestamp()), GlobalWindow())


def tagged_outputs(
    result: Page | NoPage, timestamp: Timestamp, window: BoundedWindow
) -> Iterator[WindowedValue | TaggedOutput]:
    """Convert a fetch result into the outputs of a DoFn whose main output is pages, and count it.

    Args:
        result: a page, or the rows of a request without a page.
        timestamp: of the outputs.
        window: of the outputs.
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


def _hold_watermark_at(timer: Any, now: float) -> None:
    """Make the next timer hold the watermark at `now` instead of at the time of the first request.

    Beam's Python SDK has no ``Timer.withOutputTimestamp``; it reads this private attribute
    (tests/transforms/fetch/test_streaming.py fails if that changes).
    """
    timer._input_timestamp = Timestamp.of(now)


def _next_second(now: float) -> Timestamp:
    """Round up to whole seconds, so that the sites of one second share a bundle and a file."""
    return Timestamp.of(int(now) + 1)
