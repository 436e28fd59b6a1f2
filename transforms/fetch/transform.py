"""The `FetchPages` transform."""

import heapq
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import BoundedWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

import transforms.schema.coders  # noqa: F401 - it registers how records are written between workers
from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.generator import fetch_pages
from transforms.fetch.streaming import FetchInTurns, outputs_of
from transforms.runtime.metrics import count
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.schema.urls import site_of

PATIENCE_SECONDS = 600.0
DEALT = 10_000
"""Sites that are dealt by their number of URLs, the largest; a smaller one goes where its name's hash says."""


class Fetched(NamedTuple):
    """Every distinct ``article_id`` that came in is in exactly one of the first two."""

    pages: "beam.PCollection[Page]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class FetchPages(beam.PTransform):
    """Asks for pages: PCollection[UrlRequest] -> `Fetched`. Of a stream see `transforms.fetch.streaming`; of a run:

    Requests are dealt by site, so that one worker at a time talks to a host and politeness needs no coordination. What
    a bundle holds is fetched on one event loop when the bundle ends, and each page goes on at once to what is fused
    behind. A page's ledger row (``page.fetch``) is left to the stage that ends the page's way.

    Args:
        config: the stage's settings.
        accept: content types whose pages are read.
        patience: seconds that a request of a stream waits for its site.
    """

    def __init__(
        self, config: FetchConfig, accept: frozenset[str] = ARTICLE_TYPES, patience: float = PATIENCE_SECONDS
    ) -> None:
        super().__init__()
        self._config, self._accept, self._patience = config, accept, patience

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Fetched:
        config, accept = self._config, self._accept
        if requests.is_bounded:
            keyed = requests | "Deal" >> Deal(config.shards) | "Shards" >> beam.GroupByKey()
            fetch: beam.DoFn = _Fetch(config, accept)
        else:
            keyed = requests | "BySite" >> beam.Map(lambda r: (site_of(r.url), r)).with_output_types(
                tuple[str, UrlRequest]
            )
            fetch = FetchInTurns(config, accept, self._patience)
        fetched = keyed | "Fetch" >> beam.ParDo(fetch).with_outputs("fetches", "failures", main="pages")
        fetched.pages.element_type = Page
        fetched.fetches.element_type = Fetch
        fetched.failures.element_type = Failure
        return Fetched(fetched.pages, fetched.fetches, fetched.failures)


class Deal(beam.PTransform):
    """Deals requests into groups by site: PCollection[UrlRequest] -> PCollection[tuple[int, UrlRequest]].

    Groups are about as large as one another, as far as no single site is larger: what takes a group is done with it
    when the others are with theirs.

    Args:
        shards: how many groups.
    """

    def __init__(self, shards: int) -> None:
        super().__init__()
        self._shards = shards

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> "beam.PCollection[tuple[int, UrlRequest]]":
        shards = self._shards
        if shards == 1:
            return requests | beam.Map(lambda r: (0, r)).with_output_types(tuple[int, UrlRequest])
        dealt = (
            requests
            | "Sites" >> beam.Map(lambda r: site_of(r.url)).with_output_types(str)
            | beam.combiners.Count.PerElement()
            | beam.combiners.Top.Of(DEALT, key=lambda site: (site[1], site[0])).without_defaults()
            | "Largest" >> beam.Map(deal, shards)
        )
        return requests | beam.Map(
            lambda r, dealt: (shard_of(r, shards, dealt), r), beam.pvalue.AsSingleton(dealt)
        ).with_output_types(tuple[int, UrlRequest])


def deal(sites: Iterable[tuple[str, int]], shards: int) -> dict[str, int]:
    """Deals sites into groups: each, the largest first, into the group that is smallest by then.

    Args:
        sites: their names, as `site_of` gives them, and how many URLs each has.
        shards: how many groups.

    Returns:
        The number of each site's group.
    """
    groups = [(0, shard) for shard in range(shards)]
    dealt = {}
    for site, urls in sorted(sites, key=lambda site: (-site[1], site[0])):
        size, dealt[site] = groups[0]
        heapq.heapreplace(groups, (size + urls, dealt[site]))
    return dealt


def shard_of(request: UrlRequest, shards: int, dealt: Mapping[str, int]) -> int:
    """The group of a request: the same for all that have its ``article_id``, on every machine."""
    site = site_of(request.url)
    return dealt[site] if site in dealt else zlib.crc32(site.encode()) % shards


class _Fetch(beam.DoFn):
    def __init__(self, config: FetchConfig, accept: frozenset[str]) -> None:
        self._config, self._accept = config, accept

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
                    yield from outputs_of(result, timestamp, window)
