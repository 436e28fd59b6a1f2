"""Filter known URLs, retry failed ones and acknowledge duplicates, by the crawl state of the lake."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import BoundedWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.config.models import RevisitConfig, RunConfig
from pipeline.lake.manifest import read_manifest
from pipeline.lake.query.crawl_state import (
    apply_revisit_policy,
    look_up,
    open_crawl_state,
    recovered_ids,
    temporary_failures,
    urls_to_retry,
)
from pipeline.lake.tombstones import read_tombstones
from transforms.runtime.metrics import count
from transforms.runtime.polling_source import Poll, Polled
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import Fetch, UrlRequest
from transforms.schema.run import Run
from transforms.storage.open import open_store

_BATCH = 10_000
_REOPEN_SECONDS = 60.0
"""A stream reads the crawl state again after this time, because its own windows are added to it."""


def _at_current_time(run: Run) -> Run:
    """A stream's run with the current time as its logical time."""
    now = datetime.now(timezone.utc)
    return dataclasses.replace(run, run_date=now.date(), logical_time=now)


@dataclass
class RetryUrls(beam.PTransform):
    """Read the retry queue, the URLs that earlier runs failed on: PBegin -> PCollection[UrlRequest].

    A run reads it once, a stream polls it. A retry of a run (`Run.is_retry`) also reads the failures of this run.

    Args:
        config: the run's configuration.
        run: names the lake, and the logical time.
    """

    config: RunConfig
    run: Run

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        config, run = self.config, self.run
        if run.is_stream:
            return begin | Poll([run.run_id], _PollRetries(config, run), UrlRequest)
        return (
            begin
            | beam.Create([run] if config.revisit.take_up_days or run.is_retry else [])
            | "Read" >> beam.FlatMap(lambda run: _urls_to_retry(config, run)).with_output_types(UrlRequest)
            # Without it, a repeated read could give other URLs, because the crawl state grows meanwhile.
            | beam.Reshuffle()
            # Beam's Java fuser rejects a Flatten of a shuffle and a stage.
            | "Identity" >> beam.Map(lambda request: request).with_output_types(UrlRequest)
        )


class _PollRetries:
    """Poll the retry queue every ``stream.take_up_every``."""

    def __init__(self, config: RunConfig, run: Run) -> None:
        self._config, self._run = config, run

    def __call__(self, _element: object, state: bytes) -> Polled:
        interval, now = self._config.stream.take_up_every.seconds, time.time()
        last_poll = float(state or 0)
        if now - last_poll < interval:
            return Polled([], state, last_poll + interval - now)
        delay, max_wait = self._config.fetch.delay_seconds, self._config.stream.patience.seconds
        # At most half of the requests that a site allows within that time; otherwise new URLs would wait too long.
        per_domain = max(1, int(max_wait / delay / 2)) if delay else None
        requests = _urls_to_retry(self._config, _at_current_time(self._run), per_domain)
        return Polled(requests, str(now).encode(), interval)


def _urls_to_retry(config: RunConfig, run: Run, per_domain: int | None = None) -> list[UrlRequest]:
    since = run.run_date - timedelta(days=2 * config.revisit.take_up_days + 1)
    store = open_store(run.lake)
    is_rerun = read_manifest(store, run.run_id) is not None
    with open_crawl_state(store, since) as database:
        own = temporary_failures(database, run) if run.is_retry else []
        if not config.revisit.take_up_days:
            return own
        earlier = urls_to_retry(database, config.name, config.revisit, run, is_rerun=is_rerun, per_domain=per_domain)
        return own + earlier


class FilteredUrls(NamedTuple):
    """Outputs of `FilterKnownUrls`. Each request is in one of the two, unless its rows were recovered."""

    requests: "beam.PCollection[UrlRequest]"
    """URLs to fetch."""
    fetches: "beam.PCollection[Fetch]"
    """Rows of URLs that are skipped."""


@dataclass
class FilterKnownUrls(beam.PTransform):
    """Drop the URLs that need no request now, by the crawl state: PCollection[UrlRequest] -> `FilteredUrls`.

    Args:
        config: the revisit policy.
        run: names the lake, and the run, which ignores its own rows.
    """

    config: RevisitConfig
    run: Run

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, requests: "beam.PCollection[UrlRequest]") -> FilteredUrls:
        look_up = beam.ParDo(_FilterKnownUrls(self.config, self.run)).with_outputs("fetches", main="requests")
        filtered = requests | "LookUp" >> look_up
        return FilteredUrls(filtered.requests, filtered.fetches)


class _FilterKnownUrls(beam.DoFn):
    """Look up a batch of requests at a time."""

    def __init__(self, config: RevisitConfig, run: Run) -> None:
        self._config, self._run = config, run

    def setup(self) -> None:
        self._stack = ExitStack()
        self._open()

    def teardown(self) -> None:
        self._stack.close()

    def _open(self) -> None:
        self._stack.close()
        self._opened_at = time.monotonic()
        store = open_store(self._run.lake)
        self._recovered = recovered_ids(store, self._run)
        self._database = self._stack.enter_context(open_crawl_state(store))
        self._tombstones = read_tombstones(store)
        self._is_rerun = read_manifest(store, self._run.run_id) is not None

    def start_bundle(self) -> None:
        self._batch: list[tuple[UrlRequest, Timestamp, BoundedWindow]] = []

    def process(
        self,
        request: UrlRequest,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: BoundedWindow = beam.DoFn.WindowParam,
    ) -> Iterator[UrlRequest | TaggedOutput[Literal["fetches"], Fetch]]:
        self._batch.append((request, timestamp, window))
        if len(self._batch) == _BATCH:
            yield from self._look_up()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        if self._batch:
            yield from self._look_up()

    def _look_up(self) -> Iterator[WindowedValue | TaggedOutput]:
        run = self._run
        if run.is_stream:
            run = _at_current_time(run)
            if time.monotonic() - self._opened_at > _REOPEN_SECONDS:
                self._open()
        batch, self._batch = self._batch, []
        ids = pa.array([request.article_id for request, _, _ in batch], pa.string())
        recovered = set(self._recovered.filter(pc.is_in(self._recovered, value_set=ids)).to_pylist())
        remaining = [element for element in batch if element[0].article_id not in recovered]
        known = look_up(self._database, [request for request, _, _ in remaining], run, is_rerun=self._is_rerun)
        counts = Counter({"taken_over": len(batch) - len(remaining)})
        for request, timestamp, window in remaining:
            history = known.get(request.article_id)
            result = apply_revisit_policy(request, history, self._config, run, self._tombstones)
            if isinstance(result, Fetch):
                counts[result.reason or ""] += 1
                yield TaggedOutput("fetches", WindowedValue(result, timestamp, (window,)))
            else:
                counts["asked"] += 1
                yield WindowedValue(result, timestamp, (window,))
        for name, number in counts.items():
            count("ledger", name, number)


Acknowledge = Callable[[Iterable[str]], None]
"""Acknowledges queue messages by their handles (`UrlRequest.ack_handle`), once their rows are committed."""


@dataclass
class AcknowledgeDuplicates(beam.PTransform):
    """Acknowledge the messages of duplicate requests for pages that are committed already; no output.

    Takes a PCollection[UrlRequest]. The message of a page that is not committed yet is not acknowledged, so the queue
    delivers it again: it may be the message of the fetch that is in progress, which only the commit may acknowledge.

    Args:
        run: the stream's attempt.
        acknowledge: acknowledges messages by their handles.
    """

    run: Run
    acknowledge: Acknowledge

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> "beam.PCollection[None]":
        return (
            requests
            | beam.Filter(lambda request: request.ack_handle is not None)
            | beam.ParDo(_AcknowledgeDuplicates(self.run, self.acknowledge)).with_output_types(None)
        )


class _AcknowledgeDuplicates(beam.DoFn):
    def __init__(self, run: Run, acknowledge: Acknowledge) -> None:
        self._run, self._acknowledge = run, acknowledge

    def start_bundle(self) -> None:
        self._duplicates: list[UrlRequest] = []

    def process(self, request: UrlRequest) -> None:
        self._duplicates.append(request)

    def finish_bundle(self) -> None:
        if self._duplicates:
            with open_crawl_state(open_store(self._run.lake)) as database:
                known = look_up(database, self._duplicates, self._run)
            self._acknowledge(r.ack_handle for r in self._duplicates if r.article_id in known and r.ack_handle)
