"""The Beam graph of a run, on one screen.

    ListUrls -----+
    ReadListings -+-> Recall -> FetchPages -+
     (feeds, sitemaps)   |          |       +-> ExtractArticles -> Annotate
    ReadArchives (WARC) -|----------|-------+          |               |
                         +----------+- StageRows, one a table ---------+
                                                    |
                                    file names -> Publish -> Commit

Only URLs (inside FetchPages, by host) and file names (inside Publish) are ever grouped. From the fetch to the staged
file everything is fused in one worker: no page and no text crosses a shuffle, so memory stays flat. Each stage gives
its records and its failures; rows of one table that arise at several places are staged where they arise.
"""

import apache_beam as beam

from pipeline.config import RunConfig
from pipeline.lake import commit
from pipeline.ledger import Recall
from pipeline.stories import write_stories
from transforms.annotate.transform import Annotate
from transforms.archive import ArchivePages
from transforms.extract.transform import ExtractArticles
from transforms.fetch import FEED_TYPES
from transforms.fetch.transform import FetchPages
from transforms.records import Page, Run, StagedFile, UrlRequest
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

    urls = (pipeline | ListUrls(config.urls), listed.requests) | "AllUrls" >> beam.Flatten()
    recalled = urls | Recall(config.revisit, run)
    fetched = recalled.requests | FetchPages(config.fetch)
    archived = pipeline | ReadArchives(config.archives)

    rows = [
        *(("fetches", part.fetches) for part in (listed, recalled, fetched, archived)),
        *(("failures", part.failures) for part in (listed, fetched, archived)),
        *articles_of(fetched.pages, config, "Fetched"),
        *articles_of(archived.pages, config, "Archived"),
    ]
    staged = [records | f"Stage{table.title()}{n}" >> StageRows(table, run) for n, (table, records) in enumerate(rows)]
    files = [staged | "StagedFiles" >> beam.Flatten() | Publish(run)]
    if config.archive:
        files.append(fetched.pages | ArchivePages(run))

    requests = (listed.listings, urls, archived.requests) | "AllRequests" >> beam.Flatten()
    files | "Files" >> beam.Flatten() | Commit(run, requests)


def articles_of(
    pages: "beam.PCollection[Page]", config: RunConfig, name: str
) -> "list[tuple[str, beam.PCollection[Row]]]":
    """The rows that come of pages, each with its table. Once for each origin of pages: no body crosses a Flatten."""
    extracted = pages | f"Extract{name}" >> ExtractArticles(config.extract)
    annotated = extracted.articles | f"Annotate{name}" >> Annotate(config.annotate)
    return [
        ("articles", extracted.articles),
        ("entities", annotated.entities),
        ("quotes", annotated.quotes),
        ("fetches", extracted.fetches),
        ("failures", extracted.failures),
        ("failures", annotated.failures),
    ]


class Commit(beam.PTransform):
    """Writes the stories of a run's articles, checks its books and makes the run visible.

    Takes a PCollection[StagedFile] of published files and gives the run's id, once. `requests` is every URL that came
    in, however often: distinct ones are counted, apart from what the stages made of them, and must equal the rows of
    ``fetches``.
    """

    def __init__(self, run: Run, requests: "beam.PCollection[UrlRequest]") -> None:
        super().__init__()
        self._run, self._requests = run, requests

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
            | "WriteManifest" >> beam.Map(_commit, beam.pvalue.AsList(files), beam.pvalue.AsSingleton(urls))
        )


def _commit(run: Run, files: list[StagedFile], urls: int) -> str:
    stories = write_stories(run, [f for f in files if f.table == "articles"])
    return commit(open_store(run.lake), run, [*files, *stories], urls).run_id
