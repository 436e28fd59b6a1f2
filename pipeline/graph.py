"""The Beam graph of a run, on one screen.

    ListUrls -----+
    ReadListings -+-> Recall -> FetchPages -+
    TakeUp -------+      |          |       +-> ExtractArticles -+-> Annotate
    ReadArchives (WARC) -|----------|-------+          |         |      |
    Resume --------------|----------|------------------|---------+      |
                         +----------+- StageRows, one a table ----------+
                                                    |
                                    file names -> Publish -> Commit

ReadListings reads feeds and sitemaps; TakeUp what earlier runs left behind, Resume what a dead attempt at this run
staged.

Only URLs (inside FetchPages, by host) and file names (inside Publish) are ever grouped. From the fetch to the staged
file everything is fused in one worker: no page and no text crosses a shuffle, so memory stays flat. Each stage gives
its records and its failures; rows of one table that arise at several places are staged where they arise.
"""

import apache_beam as beam

from pipeline.commit import commit, is_committed
from pipeline.config import RunConfig
from pipeline.ledger import Recall, TakeUp
from pipeline.quality import QualityConfig, check_quality
from pipeline.resume import Resume
from pipeline.stories import write_stories
from transforms.annotate.transform import Annotate
from transforms.archive import ArchivePages
from transforms.extract.transform import ExtractArticles
from transforms.fetch import FEED_TYPES
from transforms.fetch.transform import FetchPages
from transforms.records import Article, Page, Run, StagedFile, UrlRequest
from transforms.sources import SITEMAP_TYPES
from transforms.sources.transform import ListUrls, ReadArchives, ReadListings
from transforms.store import open_store
from transforms.tables import Row
from transforms.write import Publish, StageRows


def build(pipeline: beam.Pipeline, config: RunConfig, run: Run) -> None:
    """Adds one run to a pipeline: from the configuration's sources to the committed lake.

    Args:
        pipeline: where to add it; any runner.
        config: the checked configuration.
        run: the attempt, which names files and rows.
    """
    documents = FetchPages(config.fetch, accept=FEED_TYPES | SITEMAP_TYPES)
    listed = pipeline | ReadListings(config.listings, documents)

    left_behind = pipeline | TakeUp(config, run)
    resumed = pipeline | Resume(run)

    urls = (pipeline | ListUrls(config.urls), listed.requests, left_behind) | "AllUrls" >> beam.Flatten()
    recalled = urls | Recall(config.revisit, run)
    fetched = recalled.requests | FetchPages(config.fetch)
    archived = pipeline | ReadArchives(config.archives)

    rows = [
        *(("fetches", part.fetches) for part in (listed, recalled, fetched, archived)),
        *(("failures", part.failures) for part in (listed, fetched, archived)),
        *articles_of(fetched.pages, config, "Fetched"),
        *articles_of(archived.pages, config, "Archived"),
        *voices_in(resumed.articles, config, "Resumed"),
    ]
    pages = [resumed.pages, *([fetched.pages | ArchivePages(run)] if config.archive else [])]
    requests = (listed.listings, urls, archived.requests, resumed.requests) | "AllRequests" >> beam.Flatten()
    write(run, rows, [resumed.rows], pages, requests, config.quality)


TableRows = list[tuple[str, "beam.PCollection[Row]"]]
"""Records, each collection with the table whose rows they are."""


def write(
    run: Run,
    rows: TableRows,
    staged: "list[beam.PCollection[StagedFile]]",
    pages: "list[beam.PCollection[StagedFile]]",
    requests: "beam.PCollection[UrlRequest]",
    quality: QualityConfig,
) -> None:
    """From rows to the committed lake; `staged` are files of rows that stand already, `pages` archives."""
    files = [records | f"Stage{table.title()}{n}" >> StageRows(table, run) for n, (table, records) in enumerate(rows)]
    published = [*files, *staged] | "StagedFiles" >> beam.Flatten() | Publish(run)
    [published, *pages] | "Files" >> beam.Flatten() | Commit(run, requests, quality)


def articles_of(pages: "beam.PCollection[Page]", config: RunConfig, name: str) -> TableRows:
    """The rows that come of pages, each with its table. Once for each origin of pages: no body crosses a Flatten."""
    extracted = pages | f"Extract{name}" >> ExtractArticles(config.extract)
    return [
        ("articles", extracted.articles),
        ("fetches", extracted.fetches),
        ("failures", extracted.failures),
        *voices_in(extracted.articles, config, name),
    ]


def voices_in(articles: "beam.PCollection[Article]", config: RunConfig, name: str) -> TableRows:
    """The rows that come of articles' texts, each with its table."""
    annotated = articles | f"Annotate{name}" >> Annotate(config.annotate)
    return [("entities", annotated.entities), ("quotes", annotated.quotes), ("failures", annotated.failures)]


class Commit(beam.PTransform):
    """Writes the stories of a run's articles, checks its books and its quality, and makes the run visible.

    Takes a PCollection[StagedFile] of published files and gives the run's id, once. `requests` is every URL that came
    in, however often: distinct ones are counted, apart from what the stages made of them, and must equal the rows of
    ``fetches``.
    """

    def __init__(self, run: Run, requests: "beam.PCollection[UrlRequest]", quality: QualityConfig) -> None:
        super().__init__()
        self._run, self._requests, self._quality = run, requests, quality

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[str]":
        urls = (
            self._requests
            | "Ids" >> beam.Map(lambda request: request.article_id).with_output_types(str)
            | beam.Distinct()
            | beam.combiners.Count.Globally()
        )
        return (
            files.pipeline
            | "Once" >> beam.Create([self._run])
            | "WriteManifest"
            >> beam.Map(_commit, beam.pvalue.AsList(files), beam.pvalue.AsSingleton(urls), self._quality)
        )


def _commit(run: Run, files: list[StagedFile], urls: int, quality: QualityConfig) -> str:
    store = open_store(run.lake)
    if is_committed(store, run):
        # A runner does a step again whose worker it lost; the files are in their places by now.
        return run.run_id
    all_files = [*files, *write_stories(run, [f for f in files if f.table == "articles"])]
    return commit(store, run, all_files, urls, check_quality(store, run, all_files, quality)).run_id
