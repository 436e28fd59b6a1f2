"""Rows recovered from a crashed attempt or from committed articles."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.transforms.window import TimestampedValue

from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import Article, UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES
from transforms.storage.open import open_store


class Recovered(NamedTuple):
    """What an attempt has taken over."""

    requests: "beam.PCollection[UrlRequest]"
    """One for every row of ``fetches``: what a run's books count."""
    articles: "beam.PCollection[Article]"
    """Whose rows stand already; their names and quotes do not."""
    rows: "beam.PCollection[StagedFile]"
    """Files of rows, to be published."""
    pages: "beam.PCollection[StagedFile]"
    """Archives, to be committed."""


class ReadRecovered(beam.PTransform):
    """Gives what an attempt has taken over (`Run.recovered`): PBegin -> `Recovered`.

    Args:
        run: the attempt.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Recovered:
        run = self._run
        by_kind: dict[str, list[StagedFile]] = {kind: [] for kind in ("articles", "fetches", "rows", "pages")}
        for file in run.recovered:
            by_kind["pages" if file.table == ARCHIVES else "rows"].append(file)
            by_kind.setdefault(file.table, []).append(file)
        groups = {
            kind: begin | f"{kind.title()}Files" >> beam.Create(files).with_output_types(StagedFile)
            for kind, files in by_kind.items()
        }
        if run.is_stream:
            # They belong to its first window.
            began = run.time.timestamp()
            groups = {
                kind: files | f"{kind.title()}Now" >> beam.Map(TimestampedValue, began).with_output_types(StagedFile)
                for kind, files in groups.items()
            }

        def read(table: str, make: Callable[[dict[str, Any]], Any], record: type) -> "beam.PCollection[Any]":
            return (
                groups[table]
                | f"{table.title()}Groups" >> beam.FlatMap(lambda f: _row_groups(run, f))
                | f"{table.title()}Spread" >> beam.Reshuffle()
                | f"Read{table.title()}" >> beam.FlatMap(lambda part: _rows(run, part, make)).with_output_types(record)
            )

        return Recovered(
            requests=read("fetches", _request, UrlRequest),
            articles=read("articles", _article, Article),
            rows=groups["rows"],
            pages=groups["pages"],
        )


def _row_groups(run: Run, file: StagedFile) -> list[tuple[str, int]]:
    with open_store(run.lake).local_copies([file.path]) as [copy]:
        return [(file.path, number) for number in range(pq.read_metadata(copy).num_row_groups)]


def _rows(run: Run, part: tuple[str, int], make: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
    path, group = part
    with open_store(run.lake).local_copies([path]) as [copy], pq.ParquetFile(copy) as file:
        for batch in file.iter_batches(batch_size=256, row_groups=[group]):
            yield from map(make, batch.to_pylist())


def _request(row: dict[str, Any]) -> UrlRequest:
    return UrlRequest(url=row["url"], article_id=row["article_id"], source=row["source"])


def _article(row: dict[str, Any]) -> Article:
    values: dict[str, Any] = {field.name: row[field.name] for field in dataclasses.fields(Article)}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Article(**values)
