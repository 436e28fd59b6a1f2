"""The `WatchListings` transform."""

import copy
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
    Ask,
    Pace,
    Seen,
    Watched,
    Watcher,
    from_state,
    shared_out,
    to_state,
)
from transforms.sources.url_lists import urls_of
from transforms.storage.open import require_files

PARTS = 16
"""In how many parts documents are watched at most; those of a site are in one."""


class Watching(NamedTuple):
    """What documents name that is new, as they come to name it, and rows for the documents themselves."""

    requests: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"
    """One for each time that a document had changed, or could not be had."""
    failures: "beam.PCollection[Failure]"


class WatchListings(beam.PTransform):
    """Watches feeds and sitemaps, without end: PBegin -> `Watching`.

    Args:
        sources: the feeds and sitemaps; none gives nothing. Lists of addresses are read when this is built.
        ask: asks for documents; a function that can be pickled.
        pace: the bounds of their intervals.

    Raises:
        ListError: a list of addresses is not there or cannot be read.
    """

    def __init__(self, sources: Sequence[ListingSource], ask: Ask, pace: Pace) -> None:
        super().__init__()
        self._listings = list(_addresses(sources))
        self._poller = _Poller(tuple(sources), ask, pace)

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Watching:
        parts = shared_out(self._listings, site_of, PARTS)
        watched = begin | Poll(parts, self._poller, tags=("fetches", "failures"))
        watched.main.element_type = UrlRequest
        watched.fetches.element_type = Fetch
        watched.failures.element_type = Failure
        return Watching(watched.main, watched.fetches, watched.failures)


def _addresses(sources: Sequence[ListingSource]) -> Iterator[ListingRequest]:
    for origin, source in enumerate(sources):
        for url in source.listings:
            yield listing_request(url, origin)
        for pattern in source.patterns:
            for file in require_files(pattern):
                for url in urls_of(file, "text"):
                    yield listing_request(url, origin)


class _Poller:
    """A document that does not answer must hold up neither the others nor the watermark: each is read in a thread of
    this process, and a turn gives what has come.
    """

    def __init__(self, sources: tuple[ListingSource, ...], ask: Ask, pace: Pace) -> None:
        self._watcher = Watcher(sources, ask, pace)
        self._token = uuid.uuid4().hex

    def __call__(self, listings: Sequence[ListingRequest], state: bytes) -> Polled:
        watched, now = from_state(state), time.time()
        known, failing = len(watched), _failing(watched)
        for listing in listings:
            if watched.setdefault(listing.url, Watched()).due <= now:
                _begin((self._token, listing.url), self._watcher, listing, watched[listing.url])
        outputs: list[Any] = []
        ended = dict(_ended(self._token, [listing.url for listing in listings]))
        for url, (seen, read) in ended.items():
            watched[url] = read
            outputs += self._told(seen)
        count("feeds", "watched", len(watched) - known)
        count("feeds", "failing", _failing(watched) - failing)
        until = min((w.due for w in watched.values()), default=now) - time.time()
        is_as_it_was = not ended and len(watched) == known
        return Polled(outputs, state if is_as_it_was else to_state(watched), max(0.0, until))

    def _told(self, seen: Seen) -> Iterator[Any]:
        count("sources", "named", len(seen.requests))
        yield from seen.requests
        for fetch in seen.fetches:
            count("listing", fetch.reason or fetch.outcome)
            yield TaggedOutput("fetches", fetch)
        for failure in seen.failures:
            yield TaggedOutput("failures", failure)


def _failing(watched: dict[str, Watched]) -> int:
    return sum(document.is_failing for document in watched.values())


_Key = tuple[str, str]
"""A transform's token, and an address."""

_READERS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="watch")
_READING: dict[_Key, "Future[tuple[Seen, Watched]]"] = {}
_LOCK = threading.Lock()
_TURN_SECONDS = 1.0


def _begin(key: _Key, watcher: Watcher, listing: ListingRequest, known: Watched) -> None:
    """Has a document read, unless it is being read."""

    def read() -> tuple[Seen, Watched]:
        # What is remembered goes with what it brought: until both are given, the state stays as it is.
        watched = copy.deepcopy(known)
        return watcher.read(listing, watched), watched

    with _LOCK:
        if key not in _READING:
            _READING[key] = _READERS.submit(read)


def _ended(token: str, urls: Sequence[str]) -> Iterator[tuple[str, tuple[Seen, Watched]]]:
    """What came of the documents whose reading has ended; a moment is given to those that just began."""
    with _LOCK:
        reading = {url: _READING[token, url] for url in urls if (token, url) in _READING}
    wait(reading.values(), timeout=_TURN_SECONDS)
    for url, future in reading.items():
        if future.done():
            with _LOCK:
                _READING.pop((token, url), None)
            yield url, future.result()
