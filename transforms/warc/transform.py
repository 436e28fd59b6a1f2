"""The Beam transforms that read and write web archives."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import failure_of
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES
from transforms.storage.open import open_input, require_files
from transforms.warc.config import WarcSource
from transforms.warc.reader import read_warc
from transforms.warc.writer import open_writer
from transforms.write.transform import WriteBundles


class ArchivePages(beam.PTransform):
    """Writes pages to WARC files, one a bundle: PCollection[Page] -> PCollection[StagedFile].

    The files lie where the commit of the run publishes them from, at ``_warc/<run_id>/`` in the lake; what a dead run
    leaves is never named.

    Args:
        run: the attempt that the pages belong to.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def expand(self, pages: "beam.PCollection[Page]") -> "beam.PCollection[StagedFile]":
        return pages | beam.ParDo(WriteBundles(ARCHIVES, self._run, open_writer)).with_output_types(StagedFile)


class Archived(NamedTuple):
    """The pages of web archives, and the rows of those that cannot be had from them."""

    pages: "beam.PCollection[Page]"
    requests: "beam.PCollection[UrlRequest]"
    """One for every page, and for every row in `fetches`: what a run's books count."""
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ReadArchives(beam.PTransform):
    """Reads WARC files: PBegin -> `Archived`. A file is a work item, read record by record.

    Args:
        sources: the archives; none gives nothing.
    """

    def __init__(self, sources: Sequence[WarcSource]) -> None:
        super().__init__()
        self._files = [(p, s.max_body_bytes) for s in sources for p in s.patterns]

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Archived:
        read = (
            begin
            | beam.Create(self._files)
            | "Files" >> beam.FlatMap(lambda wanted: [(file, wanted[1]) for file in require_files(wanted[0])])
            | beam.Reshuffle()
            | "Read" >> beam.ParDo(_ReadArchive()).with_outputs("requests", "fetches", "failures", main="pages")
        )
        read.pages.element_type = Page
        read.requests.element_type = UrlRequest
        read.fetches.element_type = Fetch
        read.failures.element_type = Failure
        return Archived(read.pages, read.requests, read.fetches, read.failures)


class _ReadArchive(beam.DoFn):
    def process(self, wanted: tuple[str, int]) -> Iterator[Page | TaggedOutput]:
        name, max_body_bytes = wanted
        with open_input(name) as file:
            for result in read_warc(file, name, max_body_bytes):
                yield TaggedOutput("requests", result.request)
                count("archives", result.fetch.reason or "ok")
                if isinstance(result, Page):
                    yield result
                    continue
                yield TaggedOutput("fetches", result.fetch)
                reason, message = result.refused.reason, result.refused.message
                failure = failure_of(result.fetch, "sources", reason, message, datetime.now(timezone.utc))
                yield TaggedOutput("failures", failure)
