"""Read lists, feeds and sitemaps as Beam transforms: `ListUrls`, `ReadListings` and its parts."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

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

TaggedListing: TypeAlias = TaggedOutput[Literal["listings"], UrlRequest]
TaggedFetch: TypeAlias = TaggedOutput[Literal["fetches"], Fetch]
TaggedFailure: TypeAlias = TaggedOutput[Literal["failures"], Failure]


class _List(NamedTuple):
    """A list of URLs: path or glob, format and column."""

    pattern: str
    format: Format | None
    column: str
    origin: int | None = None
    """Index of the source, for a list of feeds or sitemaps."""


class ListUrls(beam.PTransform):
    """Read lists of URLs: PBegin -> PCollection[UrlRequest].

    A missing or unreadable list fails the run: its URLs would be lost otherwise.

    Args:
        sources: the lists; may be empty.
    """

    def __init__(self, sources: Sequence[UrlsSource]) -> None:
        super().__init__()
        self._lists = [_List(p, s.format, s.column) for s in sources for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        return begin | _ReadLists(self._lists)


class FoundUrls(NamedTuple):
    """URLs found in feeds and sitemaps, and the rows of these documents; each has one row in ``fetches``."""

    requests: "beam.PCollection[UrlRequest]"
    listings: "beam.PCollection[UrlRequest]"
    """Requests for feeds and sitemaps: all fetched ones from `ReadListings`, further ones from `ParseDocuments`."""
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ReadListings(beam.PTransform):
    """Read feeds and sitemaps: PBegin -> `FoundUrls`.

    A document is fetched like a page. Sitemap indexes list further documents, which are fetched in rounds. The number
    of rounds is the largest ``max_depth`` of the sources, so a site cannot make the graph longer. No document is
    fetched in two rounds.

    Args:
        sources: the feeds and sitemaps; may be empty.
        fetch: fetches the documents: PCollection[UrlRequest] -> an object with ``pages``, ``fetches`` and ``failures``,
            as returned by `FetchPages`.
    """

    def __init__(self, sources: Sequence[ListingSource], fetch: beam.PTransform) -> None:
        super().__init__()
        self._sources, self._fetch = tuple(sources), fetch

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> FoundUrls:
        requested = [begin | ListDocuments(self._sources)]
        fetched: list[Any] = []
        parsed: list[FoundUrls] = []
        for depth in range(1, max(map(max_depth, self._sources), default=1) + 1):
            if depth > 1:
                requested.append(_next_round(requested, parsed[-1].listings, self._sources))
            fetched.append(requested[-1] | f"Fetch{depth}" >> self._fetch)
            parsed.append(fetched[-1].pages | f"Parse{depth}" >> ParseDocuments(self._sources, depth))
        return FoundUrls(
            requests=[p.requests for p in parsed] | "Requests" >> beam.Flatten(),
            listings=requested | "Listings" >> beam.Flatten(),
            fetches=[p.fetches for p in (*fetched, *parsed)] | "Fetches" >> beam.Flatten(),
            failures=[p.failures for p in (*fetched, *parsed)] | "Failures" >> beam.Flatten(),
        )


class ListDocuments(beam.PTransform):
    """List the URLs of feeds and sitemaps: PBegin -> PCollection[UrlRequest], each a `ListingRequest`.

    Args:
        sources: the feeds and sitemaps; may be empty.
    """

    def __init__(self, sources: Sequence[ListingSource]) -> None:
        super().__init__()
        self._given = [listing_request(url, n) for n, s in enumerate(sources) for url in s.listings]
        self._lists = [_List(p, "text", "", n) for n, s in enumerate(sources) for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        given = begin | "Given" >> beam.Create(self._given)
        return (given, begin | _ReadLists(self._lists)) | beam.Flatten()


class _ReadLists(beam.PTransform):
    """Read list files in parallel; only their names are shuffled."""

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


class ParseDocuments(beam.PTransform):
    """Parse fetched feeds and sitemaps: PCollection[Page] -> `FoundUrls`.

    Args:
        sources: the sources of the pages' requests, each a `ListingRequest`.
        depth: the round, from 1; at a source's ``max_depth``, its further documents are left out.
    """

    def __init__(self, sources: Sequence[ListingSource], depth: int = 1) -> None:
        super().__init__()
        self._sources, self._depth = tuple(sources), depth

    @multiple_outputs
    def expand(self, pages: "beam.PCollection[Page]") -> FoundUrls:
        parsed = pages | beam.ParDo(_ParseDocument(self._sources, self._depth)).with_outputs(
            "listings", "fetches", "failures", main="requests"
        )
        return FoundUrls(parsed.requests, parsed.listings, parsed.fetches, parsed.failures)


class _ParseDocument(beam.DoFn):
    def __init__(self, sources: tuple[ListingSource, ...], depth: int) -> None:
        self._sources, self._depth = sources, depth

    def process(self, page: Page) -> Iterator[UrlRequest | TaggedListing | TaggedFetch | TaggedFailure]:
        origin = origin_of(page.request)
        source = self._sources[origin]
        try:
            named = read_listing(page, source, origin)
        except Rejected as refused:
            yield from self._failed(page, refused)
        except Exception as error:  # noqa: BLE001 - an error in one document must not fail the run
            yield from self._failed(page, Rejected.of_error(error))
        else:
            count("sources", "ok")
            yield TaggedOutput("fetches", page.fetch)
            yield from named.requests
            _report_left_out("max_urls", named.left_out, page.fetch.url)
            if self._depth < max_depth(source):
                for listing in named.listings:
                    yield TaggedOutput("listings", listing)
            else:
                _report_left_out("max_depth", len(named.listings), page.fetch.url)

    def _failed(self, page: Page, refused: Rejected) -> Iterator[TaggedFetch | TaggedFailure]:
        count("sources", refused.reason.value)
        fetch, failure = failed(page.fetch, "sources", refused)
        yield TaggedOutput("fetches", fetch)
        yield TaggedOutput("failures", failure)


def _next_round(
    requested: "list[beam.PCollection[UrlRequest]]",
    named: "beam.PCollection[UrlRequest]",
    sources: tuple[ListingSource, ...],
) -> "beam.PCollection[UrlRequest]":
    """Choose the documents of the next round from those that the last round found; only URLs are grouped."""
    depth = len(requested) + 1
    by_source = {
        "requested": requested | f"Requested{depth}" >> beam.Flatten() | f"KeyRequested{depth}" >> beam.Map(_by_source),
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
    chosen, left_out = next_listings(found["requested"], found["named"], most)
    _report_left_out("max_sitemaps", left_out, f"sources of {source.listings[:1] or source.patterns}")
    return chosen


def _report_left_out(limit: str, number: int, where: str) -> None:
    """Count and log URLs that are left out because of a limit in the configuration; they are not failures."""
    if number:
        count("sources", f"over_{limit}", number)
        _LOG.warning("%s: %s leaves out %d of its URLs", where, limit, number)
