"""Read the recovered files of an attempt (`Run.recovered`)."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.transforms.window import TimestampedValue

from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import Article, UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES
from transforms.storage.open import open_store

_BATCH = 256


class Recovered(NamedTuple):
    """Outputs of `ReadRecovered`."""

    requests: "beam.PCollection[UrlRequest]"
    """One for each recovered row of ``fetches``, for the row count of the commit."""
    articles: "beam.PCollection[Article]"
    """Articles with recovered rows, to be annotated again."""
    files: "beam.PCollection[StagedFile]"
    """Files of rows, to be merged with those of this attempt."""
    archives: "beam.PCollection[StagedFile]"
    """WARC files, to be committed as they are."""


@dataclass
class ReadRecovered(beam.PTransform):
    """Read the files that an attempt recovered: PBegin -> `Recovered`.

    Args:
        run: the attempt.
    """

    run: Run

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Recovered:
        files = self.run.recovered
        articles = self._files(begin, "articles", [f for f in files if f.table == "articles"])
        fetches = self._files(begin, "fetches", [f for f in files if f.table == "fetches"])
        return Recovered(
            requests=self._read("fetches", fetches, _request, UrlRequest),
            articles=self._read("articles", articles, _article, Article),
            files=self._files(begin, "rows", [f for f in files if f.table != ARCHIVES]),
            archives=self._files(begin, "archives", [f for f in files if f.table == ARCHIVES]),
        )

    def _files(self, begin: beam.pvalue.PBegin, kind: str, files: list[StagedFile]) -> "beam.PCollection[StagedFile]":
        created = begin | f"{kind.title()}Files" >> beam.Create(files).with_output_types(StagedFile)
        if not self.run.is_stream:
            return created
        # In a stream, recovered rows belong to the first window.
        started = self.run.time.timestamp()
        timestamped = beam.Map(TimestampedValue, started).with_output_types(StagedFile)
        return created | f"{kind.title()}Timestamps" >> timestamped

    def _read(
        self,
        table: str,
        files: "beam.PCollection[StagedFile]",
        make: Callable[[dict[str, Any]], Any],
        record: type,
    ) -> "beam.PCollection[Any]":
        run, name = self.run, table.title()
        return (
            files
            | f"{name}RowGroups" >> beam.FlatMap(lambda file: _row_groups(run, file))
            | f"{name}Reshuffle" >> beam.Reshuffle()
            | f"Read{name}" >> beam.FlatMap(lambda group: _rows(run, group, make)).with_output_types(record)
        )


def _row_groups(run: Run, file: StagedFile) -> list[tuple[str, int]]:
    with open_store(run.lake).local_copies([file.path]) as [copy]:
        return [(file.path, number) for number in range(pq.read_metadata(copy).num_row_groups)]


def _rows(run: Run, row_group: tuple[str, int], make: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
    path, number = row_group
    with open_store(run.lake).local_copies([path]) as [copy], pq.ParquetFile(copy) as file:
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=[number]):
            yield from map(make, batch.to_pylist())


def _request(row: dict[str, Any]) -> UrlRequest:
    return UrlRequest(url=row["url"], article_id=row["article_id"], source=row["source"])


def _article(row: dict[str, Any]) -> Article:
    values: dict[str, Any] = {field.name: row[field.name] for field in dataclasses.fields(Article)}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Article(**values)
