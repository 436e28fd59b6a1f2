"""The Beam graph, on one screen: of a run, and of a stream.

    ListUrls -----+
    ReadListings -+-> FilterKnownUrls -> FetchPages -+
    RetryUrls -------+      |          |       +-> ExtractArticles -+-> Annotate
    ReadArchives (WARC) -|----------|-------+          |         |      |
    ReadRecovered --------------|----------|------------------|---------+      |
                         +----------+- StageRows, one a table ----------+
                                                    |
                                    file names -> Publish -> Commit

ReadListings reads feeds and sitemaps; RetryUrls the URLs that earlier runs failed on, ReadRecovered the rows that a
crashed attempt staged. Listings, archives and ReadRecovered are left out where not needed: fewer steps start sooner.

A stream has the same stages between other ends:

    ListUrls ------+                                           file names, by window
    WatchListings -+-> DropSeen -> FilterKnownUrls -> ... -> StageRows -----------------------> CommitWindows
    ReadPubSub ----+      |
    RetryUrls ---------------+

WatchListings reads feeds and sitemaps over and over, DropSeen lets each page's first request pass, and each window of
time becomes a run of its own. A row's time is that of its fetch.

Only URLs (inside FetchPages, by host, and DropSeen) and file names (inside Publish and CommitWindows) are ever grouped.
From the fetch to the staged file everything is fused in one worker: no page and no text crosses a shuffle, so memory
stays flat. Each stage gives its records and its failures; rows of one table that arise at several places are staged
where they arise.
"""

from functools import partial

import apache_beam as beam
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.window import FixedWindows

from pipeline.config.models import RunConfig, StreamConfig
from pipeline.config.quality import QualityConfig
from pipeline.steps.commit import Commit
from pipeline.steps.known_urls import AcknowledgeDuplicates, FilterKnownUrls, RetryUrls
from pipeline.steps.recovered import ReadRecovered
from pipeline.steps.window_commit import CommitWindows
from transforms.annotate.transform import Annotate
from transforms.extract.transform import ExtractArticles
from transforms.fetch import FEED_TYPES, fetch_pages
from transforms.fetch.transform import FetchPages
from transforms.schema.records import Article, Page, UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import Row
from transforms.sources import SITEMAP_TYPES
from transforms.sources.streaming.deduplicate import DropSeen
from transforms.sources.streaming.feed_watcher import Pace
from transforms.sources.streaming.pubsub import acknowledge
from transforms.sources.streaming.pubsub_transform import ReadPubSub
from transforms.sources.streaming.watch_transform import WatchListings
from transforms.sources.transform import ListUrls, ReadListings
from transforms.warc.transform import ArchivePages, ReadArchives
from transforms.write.transform import Publish, StageRows


def build(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    """Adds one run to a pipeline: from the configuration's sources to the committed lake.

    Args:
        pipeline: where to add it; any runner.
        config: the checked configuration.
        run: the attempt, which names files and rows.
    """
    documents = FetchPages(config.fetch, accept=FEED_TYPES | SITEMAP_TYPES)
    listed = [pipeline | ReadListings(config.listings, documents)] if config.listings else []
    archived = [pipeline | ReadArchives(config.archives)] if config.archives else []
    resumed = [pipeline | ReadRecovered(run)] if run.recovered else []

    urls_to_retry = pipeline | RetryUrls(config, run)
    named = [pipeline | ListUrls(config.urls), *(part.requests for part in listed), urls_to_retry]
    urls = named | "AllUrls" >> beam.Flatten()
    recalled = urls | FilterKnownUrls(config.revisit, run)
    fetched = recalled.requests | FetchPages(config.fetch)

    rows = [
        *(("fetches", part.fetches) for part in (*listed, recalled, fetched, *archived)),
        *(("failures", part.failures) for part in (*listed, fetched, *archived)),
        *extract_and_annotate(fetched.pages, config, "Fetched"),
        *(row for part in archived for row in extract_and_annotate(part.pages, config, "Archived")),
        *(row for part in resumed for row in annotate(part.articles, config, "Resumed")),
    ]
    pages = [*(part.pages for part in resumed), *([fetched.pages | ArchivePages(run)] if config.archive else [])]
    requests = [urls, *(part.listings for part in listed), *(part.requests for part in (*archived, *resumed))]
    write(run, rows, [part.rows for part in resumed], pages, requests, config.quality)


def build_stream(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    """Adds a stream to a pipeline: from sources without an end to a lake that grows with each window.

    Args:
        pipeline: where to add it; a runner that groups as time passes (Prism, Flink, Dataflow).
        config: the checked configuration.
        run: the stream's attempt; each window's run is made of it.
    """
    stream = config.stream
    ask = partial(fetch_pages, config=config.fetch, accept=FEED_TYPES | SITEMAP_TYPES, persistent=True)
    pace = Pace(stream.seconds("poll_least"), stream.seconds("poll_most"))
    listed = [pipeline | WatchListings(config.listings, ask, pace)] if config.listings else []
    queued = [pipeline | f"ReadPubSub{n}" >> ReadPubSub(q) for n, q in enumerate(config.queues)]
    resumed = [pipeline | ReadRecovered(run)] if run.recovered else []

    urls_to_retry = pipeline | RetryUrls(config, run)
    named = [pipeline | ListUrls(config.urls), *(part.requests for part in listed), *queued, urls_to_retry]
    urls = named | "AllUrls" >> beam.Flatten()
    unseen = urls | DropSeen(stream.seconds("remember"))
    recalled = unseen.requests | FilterKnownUrls(config.revisit, run)
    fetched = recalled.requests | FetchPages(config.fetch, max_queue_seconds=stream.seconds("patience"))

    rows = [
        *(("fetches", part.fetches) for part in (*listed, recalled, fetched)),
        *(("failures", part.failures) for part in (*listed, fetched)),
        *extract_and_annotate(fetched.pages, config, "Fetched"),
        *(row for part in resumed for row in annotate(part.articles, config, "Resumed")),
    ]
    files = stage([(table, records | f"Window{n}" >> _windows(stream)) for n, (table, records) in enumerate(rows)], run)
    (
        [*files, *(part.rows | "WindowResumed" >> _windows(stream) for part in resumed)]
        | "StagedFiles" >> beam.Flatten()
        | CommitWindows(run, acknowledge)
    )
    unseen.twins | "Receipts" >> AcknowledgeDuplicates(run, acknowledge)


def _windows(stream: StreamConfig) -> beam.WindowInto:
    return beam.WindowInto(
        FixedWindows(stream.seconds("window")),
        trigger=AfterWatermark(late=AfterCount(1)),
        accumulation_mode=AccumulationMode.DISCARDING,
        allowed_lateness=stream.seconds("lateness"),
    )


TableRows = list[tuple[str, "beam.PCollection[Row]"]]
"""Records, each collection with the table whose rows they are."""


def write(
    run: Run,
    rows: TableRows,
    staged: "list[beam.PCollection[StagedFile]]",
    pages: "list[beam.PCollection[StagedFile]]",
    requests: "list[beam.PCollection[UrlRequest]]",
    quality: QualityConfig,
) -> None:
    """From rows to the committed lake; `staged` are files of rows that stand already, `pages` archives."""
    published = [*stage(rows, run), *staged] | "StagedFiles" >> beam.Flatten() | Publish(run)
    [published, *pages] | "Files" >> beam.Flatten() | Commit(run, requests, quality)


def stage(rows: TableRows, run: Run) -> "list[beam.PCollection[StagedFile]]":
    """Writes rows to files that no reader sees."""
    return [records | f"Stage{table.title()}{n}" >> StageRows(table, run) for n, (table, records) in enumerate(rows)]


def extract_and_annotate(pages: "beam.PCollection[Page]", config: RunConfig, name: str) -> TableRows:
    """The rows that come of pages, each with its table. Once for each origin of pages: no body crosses a Flatten."""
    extracted = pages | f"Extract{name}" >> ExtractArticles(config.extract)
    return [
        ("articles", extracted.articles),
        ("fetches", extracted.fetches),
        ("failures", extracted.failures),
        *annotate(extracted.articles, config, name),
    ]


def annotate(articles: "beam.PCollection[Article]", config: RunConfig, name: str) -> TableRows:
    """The rows that come of articles' texts, each with its table."""
    annotated = articles | f"Annotate{name}" >> Annotate(config.annotate)
    return [("entities", annotated.entities), ("quotes", annotated.quotes), ("failures", annotated.failures)]
