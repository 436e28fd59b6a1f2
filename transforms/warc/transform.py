"""Read and write web archives as Beam transforms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, NamedTuple, TypeAlias

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

TaggedRequest: TypeAlias = TaggedOutput[Literal["requests"], UrlRequest]
TaggedFetch: TypeAlias = TaggedOutput[Literal["fetches"], Fetch]
TaggedFailure: TypeAlias = TaggedOutput[Literal["failures"], Failure]


@dataclass
class ArchivePages(beam.PTransform):
    """Write pages to WARC files, one for each bundle: PCollection[Page] -> PCollection[StagedFile].

    The commit moves the files to ``_warc/<run_id>/`` in the lake; no manifest ever lists files of a crashed run.

    Args:
        run: the attempt.
    """

    run: Run

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pages: "beam.PCollection[Page]") -> "beam.PCollection[StagedFile]":
        return pages | beam.ParDo(WriteBundles(ARCHIVES, self.run, open_writer)).with_output_types(StagedFile)


class ArchivedPages(NamedTuple):
    """Pages of web archives, and the rows of records that cannot be read."""

    pages: "beam.PCollection[Page]"
    requests: "beam.PCollection[UrlRequest]"
    """One element for each page and each row of `fetches`, for the reconciliation of row counts."""
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


@dataclass
class ReadArchives(beam.PTransform):
    """Read WARC files: PBegin -> `ArchivedPages`. The work is split by file; a file is read record by record.

    Args:
        sources: the archives; may be empty.
    """

    sources: Sequence[WarcSource]

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> ArchivedPages:
        read = (
            begin
            | beam.Create([(pattern, s.max_body_bytes) for s in self.sources for pattern in s.patterns])
            | "Files" >> beam.FlatMap(lambda wanted: [(file, wanted[1]) for file in require_files(wanted[0])])
            | beam.Reshuffle()
            | "Read" >> beam.ParDo(_ReadArchive()).with_outputs("requests", "fetches", "failures", main="pages")
        )
        return ArchivedPages(read.pages, read.requests, read.fetches, read.failures)


class _ReadArchive(beam.DoFn):
    def process(self, wanted: tuple[str, int]) -> Iterator[Page | TaggedRequest | TaggedFetch | TaggedFailure]:
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
