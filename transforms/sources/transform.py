"""The transforms of the sources: `ListUrls`, `ListFeeds` and `ParseFeeds`."""

import dataclasses
import traceback
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.records import Failure, Fetch, Page, Reason, Rejected, UrlRequest, failure_of
from transforms.sources.config import FeedsSource, Format, UrlsSource
from transforms.sources.feeds import parse_feed
from transforms.sources.urls import ListError, read_urls
from transforms.store import list_files, open_input
from transforms.urls import request_of


class _List(NamedTuple):
    """What to read: a path or glob, and how."""

    pattern: str
    format: Format | None
    column: str
    source: str


class ListUrls(beam.PTransform):
    """Reads lists of URLs: PBegin -> PCollection[UrlRequest].

    A list that is not there or cannot be read ends the run, since losing one silently would be worse.

    Args:
        sources: the lists; none gives nothing.
    """

    def __init__(self, sources: Sequence[UrlsSource]) -> None:
        super().__init__()
        self._lists = [_List(p, s.format, s.column, "urls") for s in sources for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        return begin | _ReadLists(self._lists)


class ListFeeds(beam.PTransform):
    """Gives the addresses of feeds: PBegin -> PCollection[UrlRequest], their source ``listing``.

    Args:
        sources: the feeds; none gives nothing.
    """

    def __init__(self, sources: Sequence[FeedsSource]) -> None:
        super().__init__()
        self._urls = [url for s in sources for url in s.urls]
        self._lists = [_List(p, "text", "", "listing") for s in sources for p in s.patterns]

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        given = begin | "Given" >> beam.Create([request_of(url, "listing") for url in self._urls])
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
    files = list_files(wanted.pattern)
    if not files:
        raise ListError(f"there is no file {wanted.pattern}; allowed are a path, a glob and gs://bucket/name")
    return [wanted._replace(pattern=file) for file in files]


def _requests(wanted: _List) -> Iterator[UrlRequest]:
    with open_input(wanted.pattern) as file:
        for url in read_urls(file, wanted.pattern, wanted.format, wanted.column):
            yield request_of(url, wanted.source)


class Listed(NamedTuple):
    """The articles that feeds name, and what became of the feeds themselves: one of `fetches` each."""

    requests: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ParseFeeds(beam.PTransform):
    """Reads fetched feed documents: PCollection[Page] -> `Listed`."""

    def expand(self, pages: "beam.PCollection[Page]") -> Listed:
        parsed = pages | beam.ParDo(_ParseFeed()).with_outputs("fetches", "failures", main="requests")
        parsed.requests.element_type = UrlRequest
        parsed.fetches.element_type = Fetch
        parsed.failures.element_type = Failure
        return Listed(parsed.requests, parsed.fetches, parsed.failures)


class _ParseFeed(beam.DoFn):
    def process(self, page: Page) -> Iterator[UrlRequest | TaggedOutput]:
        try:
            entries = parse_feed(page.body, page.content_type, page.fetch.final_url or page.fetch.url)
        except Rejected as refused:
            yield from self._failed(page, refused)
        except Exception as error:  # noqa: BLE001 - one feed that we cannot take never ends the run
            line = traceback.format_exception_only(type(error), error)[-1].strip()
            yield from self._failed(page, Rejected(Reason.INTERNAL_ERROR, line))
        else:
            Metrics.counter("sources", "ok").inc()
            yield TaggedOutput("fetches", page.fetch)
            for entry in entries:
                yield request_of(entry.url, "feed", entry.title, entry.published_at)

    def _failed(self, page: Page, refused: Rejected) -> Iterator[TaggedOutput]:
        Metrics.counter("sources", refused.reason.value).inc()
        fetch = dataclasses.replace(
            page.fetch, outcome="failed", reason=refused.reason.value, retriable=refused.reason.retriable
        )
        yield TaggedOutput("fetches", fetch)
        failure = failure_of(fetch, "sources", refused.reason, refused.message, datetime.now(timezone.utc))
        yield TaggedOutput("failures", failure)
