"""Fetch pages as a Beam transform: `FetchPages`."""

import heapq
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import BoundedWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

import transforms.schema.coders  # noqa: F401 - registers the coder of the grouped records
from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.generator import fetch_pages
from transforms.fetch.streaming import FetchStream, TaggedFailure, TaggedFetch, tagged_outputs
from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.schema.urls import site_of

MAX_QUEUE_SECONDS = 600.0
MOST_ASSIGNED = 10_000
"""Number of largest sites that are assigned to shards by their number of URLs; others by a hash of their name."""


class Fetched(NamedTuple):
    """Outputs of `FetchPages`: each distinct ``article_id`` of the input is in exactly one of the first two."""

    pages: "beam.PCollection[Page]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


@dataclass
class FetchPages(beam.PTransform):
    """Fetch pages: PCollection[UrlRequest] -> `Fetched`.

    In batch, requests are grouped into shards by site, so that one worker at a time sends requests to a host and
    politeness needs no coordination. All requests of a bundle are fetched on one event loop when the bundle ends. Each
    page goes on to the next fused stage at once. The fetch row of a page (``page.fetch``) is written by the stage that
    processes the page last. For a stream see `transforms.fetch.streaming`.

    Args:
        config: the stage's settings.
        accept: content types whose bodies are read.
        max_queue_seconds: maximum time that a request of a stream waits for its site.
    """

    config: FetchConfig
    accept: frozenset[str] = ARTICLE_TYPES
    max_queue_seconds: float = MAX_QUEUE_SECONDS

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Fetched:
        if requests.is_bounded:
            shards = requests | "AssignShards" >> AssignShards(self.config.shards) | "Shards" >> beam.GroupByKey()
            fetched = shards | "Fetch" >> beam.ParDo(FetchShards(self.config, self.accept)).with_outputs(
                "fetches", "failures", main="pages"
            )
        else:
            by_site = requests | "BySite" >> beam.Map(_with_site)
            fetch = FetchStream(self.config, self.accept, self.max_queue_seconds)
            fetched = by_site | "Fetch" >> beam.ParDo(fetch).with_outputs("fetches", "failures", main="pages")
        return Fetched(fetched.pages, fetched.fetches, fetched.failures)


@dataclass
class AssignShards(beam.PTransform):
    """Assign requests to shards by site: PCollection[UrlRequest] -> PCollection[tuple[int, UrlRequest]].

    Shards hold about the same number of URLs, unless one site is larger than that, so workers finish together.

    Args:
        shards: number of shards.
    """

    shards: int

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> "beam.PCollection[tuple[int, UrlRequest]]":
        shards = self.shards
        if shards == 1:
            return requests | beam.Map(lambda r: (0, r)).with_output_types(tuple[int, UrlRequest])
        assigned = (
            requests
            | "Sites" >> beam.Map(lambda r: site_of(r.url)).with_output_types(str)
            | beam.combiners.Count.PerElement()
            | beam.combiners.Top.Of(MOST_ASSIGNED, key=lambda site: (site[1], site[0])).without_defaults()
            | "Largest" >> beam.Map(assign_shards, shards)
        )
        return requests | beam.Map(
            lambda r, assigned: (shard_of(r, shards, assigned), r), beam.pvalue.AsSingleton(assigned)
        ).with_output_types(tuple[int, UrlRequest])


def assign_shards(sites: Iterable[tuple[str, int]], shards: int) -> dict[str, int]:
    """Assign sites to shards, largest first, always to the least-loaded shard.

    Args:
        sites: site names, as returned by `site_of`, with their number of URLs.
        shards: number of shards.

    Returns:
        The shard of each site.
    """
    loads = [(0, shard) for shard in range(shards)]
    assigned = {}
    for site, urls in sorted(sites, key=lambda site: (-site[1], site[0])):
        load, assigned[site] = loads[0]
        heapq.heapreplace(loads, (load + urls, assigned[site]))
    return assigned


def shard_of(request: UrlRequest, shards: int, assigned: Mapping[str, int]) -> int:
    """Return the shard of a request: the same for equal ``article_id``, on every machine."""
    site = site_of(request.url)
    return assigned[site] if site in assigned else zlib.crc32(site.encode()) % shards


def _with_site(request: UrlRequest) -> tuple[str, UrlRequest]:
    return site_of(request.url), request


class FetchShards(beam.DoFn):
    """Fetch all requests of a bundle's shards when the bundle ends.

    ``process`` only collects: elements arrive one after another, and the delay of one host would hold up all others.

    Args:
        config: the stage's settings.
        accept: content types whose bodies are read.
    """

    def __init__(self, config: FetchConfig, accept: frozenset[str]) -> None:
        self._config, self._accept = config, accept

    def start_bundle(self) -> None:
        self._windows: dict[BoundedWindow, tuple[Timestamp, list[UrlRequest]]] = {}

    def process(
        self,
        shard: tuple[int, Iterable[UrlRequest]],
        window: BoundedWindow = beam.DoFn.WindowParam,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
    ) -> Iterator[Page | TaggedFetch | TaggedFailure]:
        self._windows.setdefault(window, (timestamp, []))[1].extend(shard[1])
        return iter(())

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        windows, self._windows = self._windows, {}
        for window, (timestamp, requests) in windows.items():
            if duplicates := len(requests) - len({request.article_id for request in requests}):
                count("fetch", "twin", duplicates)
            with closing(fetch_pages(requests, self._config, self._accept)) as results:
                for result in results:
                    yield from tagged_outputs(result, timestamp, window)
