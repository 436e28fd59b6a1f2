"""Wire the Beam graph of a run, and of a stream.

A run, from the sources of its configuration to the committed lake:

    ListUrls ------+
    ReadListings --+-> FilterKnownUrls -> FetchPages -+-> ExtractFetched --+-> AnnotateFetched
    RetryUrls -----+                                  |                    |
    ReadArchives (WARC files) ------------------------|--> ExtractArchived-+-> AnnotateArchived
    ReadRecovered ------------------------------------|--------------------+-> AnnotateRecovered
                                                      +-> ArchivePages

    rows of every step -> StageRows, once for each step and table -> MergeStagedFiles -> Commit

A stream has the same stages, other sources, and a commit for each window of time:

    ListUrls ------+
    WatchListings -+-> Deduplicate -> FilterKnownUrls -> ... -> StageRows -> CommitWindows
    ReadPubSub ----+
    RetryUrls -----+

Steps that the configuration does not need are left out, because each step adds to the start-up time of a run. Labels
name the origin of the data ("StageExtractFetchedArticles"), so adding a step changes no other label.

Only URLs (in FetchPages, by host, and in Deduplicate) and file names (in MergeStagedFiles and CommitWindows) are
grouped. From the fetch to the staged file all steps are fused into one worker: no page and no text is shuffled, so
memory use is constant. Rows of one table are staged by each step that produces them, because a Flatten would end the
fusion.
"""

from functools import partial

import apache_beam as beam
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.window import FixedWindows

from pipeline.config.models import RunConfig, StreamConfig
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
from transforms.sources.streaming.deduplicate import Deduplicate
from transforms.sources.streaming.feed_watcher import PollInterval
from transforms.sources.streaming.pubsub import acknowledge
from transforms.sources.streaming.pubsub_transform import ReadPubSub
from transforms.sources.streaming.watch_transform import WatchListings
from transforms.sources.transform import ListUrls, ReadListings
from transforms.warc.transform import ArchivePages, ReadArchives
from transforms.write.transform import MergeStagedFiles, StageRows

Requests = dict[str, "beam.PCollection[UrlRequest]"]
"""Requests by origin."""
Files = list["beam.PCollection[StagedFile]"]


def build(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    """Add the graph of a run or a stream to a pipeline.

    Args:
        pipeline: any runner for a run; for a stream one that closes windows before the end (Prism, Flink, Dataflow).
        config: the checked configuration.
        run: the attempt; `Run.is_stream` decides which of the two graphs is built.
    """
    if run.is_stream:
        _build_stream(pipeline, config, run)
    else:
        _build_batch(pipeline, config, run)


def _build_batch(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    sources = [pipeline | ListUrls(config.urls), pipeline | RetryUrls(config, run)]
    counted: Requests = {}
    staged: Files = []
    archives: Files = []

    if config.listings:
        documents = FetchPages(config.fetch, accept=FEED_TYPES | SITEMAP_TYPES)
        listed = pipeline | ReadListings(config.listings, documents)
        sources.append(listed.requests)
        counted["Listings"] = listed.listings
        staged += stage_rows("ReadListings", config, run, fetches=listed.fetches, failures=listed.failures)

    urls = counted["Urls"] = sources | "AllUrls" >> beam.Flatten()
    fetched, files = _fetch(urls, FetchPages(config.fetch), config, run)
    staged += files
    if config.archive:
        archives.append(fetched | ArchivePages(run))

    if config.archives:
        archived = pipeline | ReadArchives(config.archives)
        counted["Archives"] = archived.requests
        staged += stage_rows("ReadArchives", config, run, fetches=archived.fetches, failures=archived.failures)
        staged += extract_and_annotate("Archived", archived.pages, config, run)

    if run.recovered:
        recovered = pipeline | ReadRecovered(run)
        counted["Recovered"] = recovered.requests
        staged += [recovered.files, *annotate("Recovered", recovered.articles, config, run)]
        archives.append(recovered.archives)

    merge_and_commit(staged, archives, counted, config, run)


def _build_stream(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    stream = config.stream
    sources = [pipeline | ListUrls(config.urls), pipeline | RetryUrls(config, run)]
    staged: Files = []

    if config.listings:
        fetch = partial(fetch_pages, config=config.fetch, accept=FEED_TYPES | SITEMAP_TYPES, persistent=True)
        interval = PollInterval(stream.poll_least.seconds, stream.poll_most.seconds)
        listed = pipeline | WatchListings(config.listings, fetch, interval)
        sources.append(listed.requests)
        staged += stage_rows("WatchListings", config, run, fetches=listed.fetches, failures=listed.failures)

    for subscription, queue in {queue.subscription: queue for queue in config.queues}.items():
        sources.append(pipeline | f"ReadPubSub {subscription.replace('/', ' ')}" >> ReadPubSub(queue))

    urls = sources | "AllUrls" >> beam.Flatten()
    unseen = urls | Deduplicate(stream.remember.seconds)
    unseen.duplicates | AcknowledgeDuplicates(run, acknowledge)
    _, files = _fetch(unseen.requests, FetchPages(config.fetch, max_queue_seconds=stream.patience.seconds), config, run)
    staged += files

    if run.recovered:
        recovered = pipeline | ReadRecovered(run)
        staged += [recovered.files | "WindowRecoveredFiles" >> _windows(stream)]
        staged += annotate("Recovered", recovered.articles, config, run)

    staged | "StagedFiles" >> beam.Flatten() | CommitWindows(run, acknowledge)


def _fetch(
    urls: "beam.PCollection[UrlRequest]", fetch: FetchPages, config: RunConfig, run: Run
) -> "tuple[beam.PCollection[Page], Files]":
    """Fetch, extract and annotate the URLs that are not known; returns the pages and the files of all rows."""
    filtered = urls | FilterKnownUrls(config.revisit, run)
    fetched = filtered.requests | fetch
    return fetched.pages, [
        *stage_rows("FilterKnownUrls", config, run, fetches=filtered.fetches),
        *stage_rows("FetchPages", config, run, fetches=fetched.fetches, failures=fetched.failures),
        *extract_and_annotate("Fetched", fetched.pages, config, run),
    ]


def extract_and_annotate(origin: str, pages: "beam.PCollection[Page]", config: RunConfig, run: Run) -> Files:
    """Extract the articles of pages, annotate them, and stage the rows of both.

    Args:
        origin: where the pages come from, for the labels. Each origin has its own steps, because a Flatten would
            shuffle the bodies of pages.
        pages: the pages.
        config: settings of the two stages.
        run: the attempt.
    """
    label = f"Extract{origin}"
    extracted = pages | label >> ExtractArticles(config.extract)
    rows = {"articles": extracted.articles, "fetches": extracted.fetches, "failures": extracted.failures}
    return [*stage_rows(label, config, run, **rows), *annotate(origin, extracted.articles, config, run)]


def annotate(origin: str, articles: "beam.PCollection[Article]", config: RunConfig, run: Run) -> Files:
    """Annotate articles, and stage the rows."""
    label = f"Annotate{origin}"
    annotated = articles | label >> Annotate(config.annotate)
    rows = {"entities": annotated.entities, "quotes": annotated.quotes, "failures": annotated.failures}
    return stage_rows(label, config, run, **rows)


def stage_rows(step: str, config: RunConfig, run: Run, **rows: "beam.PCollection[Row]") -> Files:
    """Write rows to staged files, which no reader sees.

    Args:
        step: label of the step that produces the rows.
        config: the windows of a stream.
        run: the attempt.
        rows: the rows of each table.
    """
    files = []
    for table, records in rows.items():
        name = f"{step}{table.title()}"
        windowed = records | f"Window{name}" >> _windows(config.stream) if run.is_stream else records
        files.append(windowed | f"Stage{name}" >> StageRows(table, run))
    return files


def _windows(stream: StreamConfig) -> beam.WindowInto:
    return beam.WindowInto(
        FixedWindows(stream.window.seconds),
        trigger=AfterWatermark(late=AfterCount(1)),
        accumulation_mode=AccumulationMode.DISCARDING,
        allowed_lateness=stream.lateness.seconds,
    )


def merge_and_commit(staged: Files, archives: Files, counted: Requests, config: RunConfig, run: Run) -> None:
    """Merge the staged files of a run, and commit them.

    Args:
        staged: files of rows.
        archives: WARC files, committed as they are.
        counted: all requests of the run, for the row count (`Commit`).
        config: limits of the quality gate.
        run: the attempt.
    """
    merged = staged | "StagedFiles" >> beam.Flatten() | MergeStagedFiles(run)
    [merged, *archives] | "Files" >> beam.Flatten() | Commit(run, counted, config.quality)
