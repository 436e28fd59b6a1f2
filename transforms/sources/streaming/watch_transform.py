"""Watch feeds and sitemaps in a stream: the `WatchListings` transform."""

import copy
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.runtime.metrics import count
from transforms.runtime.polling_source import Poll, Polled
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import Failure, Fetch, UrlRequest
from transforms.schema.urls import site_of
from transforms.sources.config import ListingSource
from transforms.sources.documents import ListingRequest, listing_request
from transforms.sources.streaming.feed_watcher import (
    FeedWatcher,
    FetchDocuments,
    ListingState,
    PollInterval,
    PollResult,
    decode_state,
    encode_state,
    partition_listings,
)
from transforms.sources.url_lists import urls_of
from transforms.storage.open import require_files

MAX_PARTS = 16
"""Maximum number of parts into which the watched documents are divided; all documents of a site are in one part."""


class NewUrls(NamedTuple):
    """URLs that feeds and sitemaps list for the first time, and the rows of these documents."""

    requests: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"
    """One row for each changed document and for each failed poll."""
    failures: "beam.PCollection[Failure]"


@dataclass
class WatchListings(beam.PTransform):
    """Watch feeds and sitemaps without an end: PBegin -> `NewUrls`.

    Args:
        sources: the feeds and sitemaps; may be empty. Their list files are read when the transform is created.
        fetch: fetches documents; a function that can be pickled.
        interval: bounds of the poll intervals.

    Raises:
        StoreError: a list file is missing.
        ListError: a list file cannot be read.
    """

    sources: Sequence[ListingSource]
    fetch: FetchDocuments
    interval: PollInterval

    def __post_init__(self) -> None:
        super().__init__()
        self._listings = list(_listings(self.sources))

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> NewUrls:
        parts = partition_listings(self._listings, site_of, MAX_PARTS)
        poller = _FeedPoller(tuple(self.sources), self.fetch, self.interval)
        polled = begin | Poll(parts, poller, UrlRequest, {"fetches": Fetch, "failures": Failure})
        return NewUrls(polled.main, polled.fetches, polled.failures)


def _listings(sources: Sequence[ListingSource]) -> Iterator[ListingRequest]:
    for origin, source in enumerate(sources):
        for url in source.listings:
            yield listing_request(url, origin)
        for pattern in source.patterns:
            for file in require_files(pattern):
                for url in urls_of(file, "text"):
                    yield listing_request(url, origin)


class _FeedPoller:
    """Reads each document in its own thread, so a slow server delays neither other documents nor the watermark.

    A poll returns the results of the threads that have finished.
    """

    def __init__(self, sources: tuple[ListingSource, ...], fetch: FetchDocuments, interval: PollInterval) -> None:
        self._watcher = FeedWatcher(sources, fetch, interval)
        self._token = uuid.uuid4().hex

    def __call__(self, listings: Sequence[ListingRequest], state: bytes) -> Polled:
        states, now = decode_state(state), time.time()
        known, failing = len(states), _failing(states)
        for listing in listings:
            if states.setdefault(listing.url, ListingState()).due <= now:
                _start((self._token, listing.url), self._watcher, listing, states[listing.url])
        outputs: list[Any] = []
        finished = dict(_finished(self._token, [listing.url for listing in listings]))
        for url, (result, updated) in finished.items():
            states[url] = updated
            outputs += _outputs(result)
        count("feeds", "watched", len(states) - known)
        count("feeds", "failing", _failing(states) - failing)
        until = min((s.due for s in states.values()), default=now) - time.time()
        is_unchanged = not finished and len(states) == known
        return Polled(outputs, state if is_unchanged else encode_state(states), max(0.0, until))


def _outputs(result: PollResult) -> Iterator[Any]:
    count("sources", "named", len(result.requests))
    yield from result.requests
    for fetch in result.fetches:
        count("listing", fetch.reason or fetch.outcome)
        yield TaggedOutput("fetches", fetch)
    for failure in result.failures:
        yield TaggedOutput("failures", failure)


def _failing(states: dict[str, ListingState]) -> int:
    return sum(state.is_failing for state in states.values())


_Key = tuple[str, str]
"""A transform's token and a URL."""

_READERS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="watch")
_RUNNING: dict[_Key, "Future[tuple[PollResult, ListingState]]"] = {}
_LOCK = threading.Lock()
_WAIT_SECONDS = 1.0


def _start(key: _Key, watcher: FeedWatcher, listing: ListingRequest, state: ListingState) -> None:
    """Start reading a listing, unless this is running already."""

    def read() -> tuple[PollResult, ListingState]:
        # The new state is returned with the result: if either were lost alone, URLs would be lost or repeated.
        updated = copy.deepcopy(state)
        return watcher.read(listing, updated), updated

    with _LOCK:
        if key not in _RUNNING:
            _RUNNING[key] = _READERS.submit(read)


def _finished(token: str, urls: Sequence[str]) -> Iterator[tuple[str, tuple[PollResult, ListingState]]]:
    """Collect the results of listings that have been read, after a short wait for those just started."""
    with _LOCK:
        running = {url: _RUNNING[token, url] for url in urls if (token, url) in _RUNNING}
    wait(running.values(), timeout=_WAIT_SECONDS)
    for url, future in running.items():
        if future.done():
            with _LOCK:
                _RUNNING.pop((token, url), None)
            yield url, future.result()
