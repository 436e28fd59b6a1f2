"""The `FetchPages` transform."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import BoundedWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.counters import count
from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.pages import fetch_pages
from transforms.records import Failure, Fetch, Page, UrlRequest
from transforms.urls import site_of


class Fetched(NamedTuple):
    """Every distinct ``article_id`` that came in is in exactly one of the first two."""

    pages: "beam.PCollection[Page]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class FetchPages(beam.PTransform):
    """Asks for pages: PCollection[UrlRequest] -> `Fetched`.

    Requests are dealt by host, so that one worker at a time talks to a host and politeness needs no coordination. What
    a bundle holds is fetched on one event loop when the bundle ends, and each page goes on at once to what is fused
    behind. A page's ledger row (``page.fetch``) is left to the stage that ends the page's way.

    Args:
        config: the stage's settings.
        accept: content types whose pages are read.
    """

    def __init__(self, config: FetchConfig, accept: frozenset[str] = ARTICLE_TYPES) -> None:
        super().__init__()
        self._config, self._accept = config, accept

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Fetched:
        shards = self._config.shards
        fetched = (
            requests
            | "ByHost" >> beam.Map(lambda r: (shard_of(r, shards), r)).with_output_types(tuple[int, UrlRequest])
            | "Shards" >> beam.GroupByKey()
            | "Fetch"
            >> beam.ParDo(_Fetch(self._config, self._accept)).with_outputs("fetches", "failures", main="pages")
        )
        fetched.pages.element_type = Page
        fetched.fetches.element_type = Fetch
        fetched.failures.element_type = Failure
        return Fetched(fetched.pages, fetched.fetches, fetched.failures)


def shard_of(request: UrlRequest, shards: int) -> int:
    """The group of a request: the same for all that have its ``article_id``, on every machine."""
    return zlib.crc32(site_of(request.url).encode()) % shards


class _Fetch(beam.DoFn):
    def __init__(self, config: FetchConfig, accept: frozenset[str]) -> None:
        self._config, self._accept = config, accept
        self._milliseconds = Metrics.distribution("fetch", "elapsed_ms")

    def start_bundle(self) -> None:
        self._windows: dict[BoundedWindow, tuple[Timestamp, list[UrlRequest]]] = {}

    def process(
        self,
        shard: tuple[int, Iterable[UrlRequest]],
        window: BoundedWindow = beam.DoFn.WindowParam,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
    ) -> None:
        # Only collected here: elements come one after another, and a host's delay would hold up all the others.
        self._windows.setdefault(window, (timestamp, []))[1].extend(shard[1])

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        windows, self._windows = self._windows, {}
        for window, (timestamp, requests) in windows.items():
            if twins := len(requests) - len({request.article_id for request in requests}):
                count("fetch", "twin", twins)
            with closing(fetch_pages(requests, self._config, self._accept)) as results:
                for result in results:
                    stage = "listing" if result.fetch.source == "listing" else "fetch"
                    count(stage, result.fetch.reason or result.fetch.outcome)
                    if result.fetch.elapsed_ms is not None:
                        self._milliseconds.update(result.fetch.elapsed_ms)
                    if isinstance(result, Page):
                        yield WindowedValue(result, timestamp, (window,))
                        continue
                    yield TaggedOutput("fetches", WindowedValue(result.fetch, timestamp, (window,)))
                    if result.failure is not None:
                        yield TaggedOutput("failures", WindowedValue(result.failure, timestamp, (window,)))
