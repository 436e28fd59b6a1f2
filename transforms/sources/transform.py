"""The transforms of the sources: `ListUrls`, `ReadListings` and its parts."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import Rejected, failed
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.schema.urls import request_of
from transforms.sources.config import Format, ListingSource, SitemapsSource, UrlsSource
from transforms.sources.documents import listing_request, max_depth, next_listings, origin_of, read_listing
from transforms.sources.url_lists import urls_of
from transforms.storage.open import require_files

_LOG = logging.getLogger(__name__)


class _List(NamedTuple):
    """What to read: a path or glob, and how."""

    pattern: str
    format: Format | None
    column: str
    origin: int | None = None
    """For a list of feeds or sitemaps: their source's place."""


class ListUrls(beam.PTransform):
    """Reads lists of URLs: PBegin -> PCollection[UrlRequest].

    A list that is not there or cannot be read ends the run, since losing one silently would be worse.

    Args:
        sources: the lists; none gives nothing.
    """

    def __init__(self, sources: Sequence[UrlsSource]) -> None:
        super().__init__()
        self._lists = [_List(p, s.format, s.column) for s in sources for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        return begin | _ReadLists(self._lists)


class Listings(NamedTuple):
    """The articles that feeds and sitemaps name, and the documents themselves: one of `fetches` each."""

    requests: "beam.PCollection[UrlRequest]"
    listings: "beam.PCollection[UrlRequest]"
    """Every document that was asked for."""
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ReadListings(beam.PTransform):
    """Reads feeds and sitemaps: PBegin -> `Listings`.

    A document is fetched like any other page. Those that name further ones need rounds: a fixed number, the greatest
    ``max_depth`` of the sources, so that nothing that a site says makes the graph longer. No document is asked for in
    two rounds.

    Args:
        sources: the feeds and sitemaps; none gives nothing.
        fetch: asks for documents: PCollection[UrlRequest] -> an object with their ``pages``, ``fetches`` and
            ``failures``, as `FetchPages` gives them.
    """

    def __init__(self, sources: Sequence[ListingSource], fetch: beam.PTransform) -> None:
        super().__init__()
        self._sources, self._fetch = tuple(sources), fetch

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Listings:
        asked = [begin | ListListings(self._sources)]
        fetched: list[Any] = []
        parsed: list[Listed] = []
        for depth in range(1, max(map(max_depth, self._sources), default=1) + 1):
            if depth > 1:
                asked.append(_next_round(asked, parsed[-1].listings, self._sources))
            fetched.append(asked[-1] | f"Fetch{depth}" >> self._fetch)
            parsed.append(fetched[-1].pages | f"Parse{depth}" >> ParseListings(self._sources, depth))
        return Listings(
            requests=[p.requests for p in parsed] | "Requests" >> beam.Flatten(),
            listings=asked | "Listings" >> beam.Flatten(),
            fetches=[p.fetches for p in (*fetched, *parsed)] | "Fetches" >> beam.Flatten(),
            failures=[p.failures for p in (*fetched, *parsed)] | "Failures" >> beam.Flatten(),
        )


class ListListings(beam.PTransform):
    """Gives the addresses of feeds and sitemaps: PBegin -> PCollection[UrlRequest], each a `ListingRequest`.

    Args:
        sources: the feeds and sitemaps; none gives nothing.
    """

    def __init__(self, sources: Sequence[ListingSource]) -> None:
        super().__init__()
        self._given = [listing_request(url, n) for n, s in enumerate(sources) for url in s.listings]
        self._lists = [_List(p, "text", "", n) for n, s in enumerate(sources) for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        given = begin | "Given" >> beam.Create(self._given)
        return (given, begin | _ReadLists(self._lists)) | beam.Flatten()


class _ReadLists(beam.PTransform):
    """A file is a work item: only names of files are dealt out."""

    def __init__(self, lists: list[_List]) -> None:
        super().__init__()
        self._lists = lists

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        return (
            begin
            | beam.Create(self._lists)
            | "Files" >> beam.FlatMap(_files).with_output_types(_List)
            | beam.Reshuffle()
            | "Read" >> beam.FlatMap(_requests).with_output_types(UrlRequest)
        )


def _files(wanted: _List) -> list[_List]:
    return [wanted._replace(pattern=file) for file in require_files(wanted.pattern)]


def _requests(wanted: _List) -> Iterator[UrlRequest]:
    for url in urls_of(wanted.pattern, wanted.format, wanted.column):
        yield request_of(url, "urls") if wanted.origin is None else listing_request(url, wanted.origin)


class Listed(NamedTuple):
    """What documents name, and what became of the documents themselves: one of `fetches` each."""

    requests: "beam.PCollection[UrlRequest]"
    listings: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ParseListings(beam.PTransform):
    """Reads fetched feeds and sitemaps: PCollection[Page] -> `Listed`.

    Args:
        sources: the feeds and sitemaps that the pages' requests, each a `ListingRequest`, come from.
        depth: the round, from 1: a source whose ``max_depth`` is reached gives no further documents.
    """

    def __init__(self, sources: Sequence[ListingSource], depth: int = 1) -> None:
        super().__init__()
        self._sources, self._depth = tuple(sources), depth

    @multiple_outputs
    def expand(self, pages: "beam.PCollection[Page]") -> Listed:
        parsed = pages | beam.ParDo(_ParseListing(self._sources, self._depth)).with_outputs(
            "listings", "fetches", "failures", main="requests"
        )
        parsed.requests.element_type = UrlRequest
        parsed.listings.element_type = UrlRequest
        parsed.fetches.element_type = Fetch
        parsed.failures.element_type = Failure
        return Listed(parsed.requests, parsed.listings, parsed.fetches, parsed.failures)


class _ParseListing(beam.DoFn):
    def __init__(self, sources: tuple[ListingSource, ...], depth: int) -> None:
        self._sources, self._depth = sources, depth

    def process(self, page: Page) -> Iterator[UrlRequest | TaggedOutput]:
        origin = origin_of(page.request)
        source = self._sources[origin]
        try:
            named = read_listing(page, source, origin)
        except Rejected as refused:
            yield from self._failed(page, refused)
        except Exception as error:  # noqa: BLE001 - one document that we cannot take never ends the run
            yield from self._failed(page, Rejected.of_fault(error))
        else:
            count("sources", "ok")
            yield TaggedOutput("fetches", page.fetch)
            yield from named.requests
            _tell_left_out("max_urls", named.left_out, page.fetch.url)
            if self._depth < max_depth(source):
                for listing in named.listings:
                    yield TaggedOutput("listings", listing)
            else:
                _tell_left_out("max_depth", len(named.listings), page.fetch.url)

    def _failed(self, page: Page, refused: Rejected) -> Iterator[TaggedOutput]:
        count("sources", refused.reason.value)
        fetch, failure = failed(page.fetch, "sources", refused)
        yield TaggedOutput("fetches", fetch)
        yield TaggedOutput("failures", failure)


def _next_round(
    asked: "list[beam.PCollection[UrlRequest]]",
    named: "beam.PCollection[UrlRequest]",
    sources: tuple[ListingSource, ...],
) -> "beam.PCollection[UrlRequest]":
    """What to ask for after these rounds, of what the last one named; grouped are addresses alone."""
    depth = len(asked) + 1
    by_source = {
        "asked": asked | f"Asked{depth}" >> beam.Flatten() | f"KeyAsked{depth}" >> beam.Map(_by_source),
        "named": named | f"KeyNamed{depth}" >> beam.Map(_by_source),
    }
    return (
        by_source
        | f"Group{depth}" >> beam.CoGroupByKey()
        | f"Choose{depth}" >> beam.FlatMap(_choose, sources).with_output_types(UrlRequest)
    )


def _by_source(request: UrlRequest) -> tuple[int, UrlRequest]:
    return origin_of(request), request


def _choose(group: tuple[int, dict[str, list[UrlRequest]]], sources: tuple[ListingSource, ...]) -> list[UrlRequest]:
    origin, found = group
    source = sources[origin]
    most = source.max_sitemaps if isinstance(source, SitemapsSource) else 0
    chosen, left_out = next_listings(found["asked"], found["named"], most)
    _tell_left_out("max_sitemaps", left_out, f"sources of {source.listings[:1] or source.patterns}")
    return chosen


def _tell_left_out(limit: str, number: int, where: str) -> None:
    """A limit of the configuration is no failure of a URL, yet nothing is left out unsaid."""
    if number:
        count("sources", f"over_{limit}", number)
        _LOG.warning("%s: %s leaves out %d of the addresses that it names", where, limit, number)
