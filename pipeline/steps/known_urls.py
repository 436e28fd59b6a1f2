"""Filter known URLs, retry failed ones and acknowledge duplicates, by the crawl state of the lake."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

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
_OPEN_SECONDS = 60.0


def _now(run: Run) -> Run:
    """A stream, whose logical time is the clock's."""
    now = datetime.now(timezone.utc)
    return dataclasses.replace(run, run_date=now.date(), logical_time=now)


class RetryUrls(beam.PTransform):
    """Gives what earlier runs left behind: PBegin -> PCollection[UrlRequest]. A stream takes it up over and over.

    Args:
        config: the run's configuration.
        run: names the lake, and the time from which the days count.
    """

    def __init__(self, config: RunConfig, run: Run) -> None:
        super().__init__()
        self._config, self._run = config, run

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        config, run = self._config, self._run
        if run.is_stream:
            return begin | Poll([run.run_id], _PollRetries(config, run))
        return (
            begin
            | beam.Create([run] if config.revisit.take_up_days else [])
            | "Read" >> beam.FlatMap(lambda run: _urls_to_retry(config, run)).with_output_types(UrlRequest)
            # A ledger that grows meanwhile must not give another answer to whoever asks for it twice.
            | beam.Reshuffle()
            # Beam's Java fuser refuses a Flatten of what a shuffle gives and of what a stage gives.
            | "Same" >> beam.Map(lambda request: request).with_output_types(UrlRequest)
        )


class _PollRetries:
    """Polls the ledger."""

    def __init__(self, config: RunConfig, run: Run) -> None:
        self._config, self._run = config, run

    def __call__(self, _element: object, state: bytes) -> Polled:
        every, now = self._config.stream.seconds("take_up_every"), time.time()
        since = float(state or 0)
        if now - since < every:
            return Polled([], state, since + every - now)
        delay, patience = self._config.fetch.delay_seconds, self._config.stream.seconds("patience")
        # Half of what a site's pace lets through, or its news would find no place any more.
        of_domain = max(1, int(patience / delay / 2)) if delay else None
        return Polled(_urls_to_retry(self._config, _now(self._run), of_domain), str(now).encode(), every)


def _urls_to_retry(config: RunConfig, run: Run, of_domain: int | None = None) -> list[UrlRequest]:
    since = run.run_date - timedelta(days=2 * config.revisit.take_up_days + 1)
    store = open_store(run.lake)
    is_rerun = read_manifest(store, run.run_id) is not None
    with open_crawl_state(store, since) as database:
        return urls_to_retry(database, config.name, config.revisit, run, is_rerun=is_rerun, of_domain=of_domain)


class FilteredUrls(NamedTuple):
    """Each input request is in one of the two, except those with recovered rows (`Run.recovered`)."""

    requests: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"


class FilterKnownUrls(beam.PTransform):
    """Looks requests up in the ledger, a batch at a time: PCollection[UrlRequest] -> `FilteredUrls`.

    In a stream the ledger is opened anew now and then, since the stream's own windows go into it.

    Args:
        config: the policy.
        run: names the lake, and the run whose own rows do not count.
    """

    def __init__(self, config: RevisitConfig, run: Run) -> None:
        super().__init__()
        self._config, self._run = config, run

    @multiple_outputs
    def expand(self, requests: "beam.PCollection[UrlRequest]") -> FilteredUrls:
        recalled = requests | "LookUp" >> beam.ParDo(_FilterKnownUrls(self._config, self._run)).with_outputs(
            "fetches", main="requests"
        )
        recalled.requests.element_type = UrlRequest
        recalled.fetches.element_type = Fetch
        return FilteredUrls(recalled.requests, recalled.fetches)


class _FilterKnownUrls(beam.DoFn):
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
        self._adopted = recovered_ids(store, self._run)
        self._database = self._stack.enter_context(open_crawl_state(store))
        self._banned = read_tombstones(store)
        self._is_remade = read_manifest(store, self._run.run_id) is not None

    def start_bundle(self) -> None:
        self._waiting: list[tuple[UrlRequest, Timestamp, BoundedWindow]] = []

    def process(
        self,
        request: UrlRequest,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: BoundedWindow = beam.DoFn.WindowParam,
    ) -> Iterator[WindowedValue | TaggedOutput]:
        self._waiting.append((request, timestamp, window))
        if len(self._waiting) == _BATCH:
            yield from self._look_up()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        if self._waiting:
            yield from self._look_up()

    def _look_up(self) -> Iterator[WindowedValue | TaggedOutput]:
        run = self._run
        if run.is_stream:
            run = _now(run)
            if time.monotonic() - self._opened_at > _OPEN_SECONDS:
                self._open()
        waiting, self._waiting = self._waiting, []
        requests = [request for request, _, _ in waiting]
        ids = pa.array([request.article_id for request in requests], pa.string())
        taken = set(self._adopted.filter(pc.is_in(self._adopted, value_set=ids)).to_pylist())
        asked = [entry for entry in waiting if entry[0].article_id not in taken]
        known = look_up(self._database, [request for request, _, _ in asked], run, is_rerun=self._is_remade)
        met = Counter({"taken_over": len(requests) - len(asked)})
        for request, timestamp, window in asked:
            result = apply_revisit_policy(request, known.get(request.article_id), self._config, run, self._banned)
            if isinstance(result, Fetch):
                met[result.reason or ""] += 1
                yield TaggedOutput("fetches", WindowedValue(result, timestamp, (window,)))
            else:
                met["asked"] += 1
                yield WindowedValue(result, timestamp, (window,))
        for what, number in met.items():
            count("ledger", what, number)


Acknowledge = Callable[[Iterable[str]], None]
"""Tells queues that the rows of their messages stand, by the ack_handles (`UrlRequest.ack_handle`)."""


class AcknowledgeDuplicates(beam.PTransform):
    """Ends the messages of twins, the requests for a page that was asked for before, once that page's row stands.

    Takes a PCollection[UrlRequest]; gives nothing. Until then a message stays with its queue and comes again: it may be
    the very message whose page is under way, which only a commit may end.

    Args:
        run: the stream's attempt.
        acknowledge: is called with the ack_handles.
    """

    def __init__(self, run: Run, acknowledge: Acknowledge) -> None:
        super().__init__()
        self._run, self._acknowledge = run, acknowledge

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> "beam.PCollection[None]":
        return (
            requests
            | beam.Filter(lambda request: request.ack_handle is not None)
            | beam.ParDo(_AcknowledgeDuplicates(self._run, self._acknowledge)).with_output_types(None)
        )


class _AcknowledgeDuplicates(beam.DoFn):
    def __init__(self, run: Run, acknowledge: Acknowledge) -> None:
        self._run, self._acknowledge = run, acknowledge

    def start_bundle(self) -> None:
        self._twins: list[UrlRequest] = []

    def process(self, request: UrlRequest) -> None:
        self._twins.append(request)

    def finish_bundle(self) -> None:
        if self._twins:
            with open_crawl_state(open_store(self._run.lake)) as database:
                known = look_up(database, self._twins, self._run)
            self._acknowledge(twin.ack_handle for twin in self._twins if twin.article_id in known and twin.ack_handle)
