"""Rows to staged Parquet files, and staged files to files that are ready to be published.

Two steps, so that no row ever crosses a shuffle: `StageRows` writes the rows of its bundle where they arise; `Publish`
groups only the names of these files, and per table and partition drops rows of equal key, sorts, and writes files of
the target size. Neither writes where a reader looks: the commit (``pipeline.lake.commit``) moves finished files there.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import BoundedWindow, IntervalWindow
from apache_beam.utils.windowed_value import WindowedValue

import transforms.schema.coders  # noqa: F401 - it registers how records are written between workers
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES, Row
from transforms.storage.base import Store
from transforms.storage.open import open_store
from transforms.write.parquet import RowWriter, publish_files

_In = TypeVar("_In", contravariant=True)

PART_SECONDS = 30.0
"""So many seconds of rows, at most, are lost when a process dies."""


class StageRows(beam.PTransform):
    """Writes the records of one table to staged Parquet files, of which a bundle has its own.

    Takes a PCollection of the table's records; gives a PCollection[StagedFile]. A file's name is given on only when
    the bundle has finished and the file was read back with the row count that was written; what a failed bundle
    leaves is never named, and the next run removes it.
    """

    def __init__(self, table: str, run: Run) -> None:
        super().__init__()
        if table not in TABLES:
            raise ValueError(f"there is no table {table!r}; allowed: {', '.join(TABLES)}")
        self._table, self._run = table, run

    def expand(self, records: "beam.PCollection[Row]") -> "beam.PCollection[StagedFile]":
        table = TABLES[self._table]

        def open_writer(store: Store, run: Run, staging: str) -> RowWriter:
            return RowWriter(store, table, run, f"{staging}/rows/{table.name}/{run.run_id}.{uuid.uuid4().hex}.parquet")

        write = WriteBundles(table.name, self._run, open_writer, in_parts=True)
        return records | beam.ParDo(write).with_output_types(StagedFile)


class Publish(beam.PTransform):
    """Merges staged files into sorted files of the target size, one work item a table and partition.

    Takes and gives a PCollection[StagedFile]; the files given lie under the attempt's ``publish`` folder, at the path
    below it at which the commit puts them into the lake.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[StagedFile]":
        run = self._run
        return (
            files
            | "KeyByTable"
            >> beam.Map(lambda f: ((f.table, f.partition), f)).with_output_types(tuple[tuple[str, str], StagedFile])
            | "GroupFiles" >> beam.GroupByKey()
            | "WriteSorted" >> beam.FlatMap(lambda group: publish_files(run, group[1])).with_output_types(StagedFile)
        )


class BundleWriter(Protocol[_In]):
    """Writes the elements of one bundle to one new file."""

    def add(self, element: _In, /) -> None: ...

    def close(self) -> StagedFile: ...


class WriteBundles(beam.DoFn):
    """Writes the elements of each bundle to files of its own, and names them when the bundle has finished.

    Each window of a stream is a run of its own (`Run.of_window`), so each has its own files.

    Args:
        counter: under which name the elements are counted.
        run: the attempt, which names the lake.
        open_writer: opens a file, given the lake, the run of its rows, and the folder where the attempt stages.
        in_parts: finish a file now and then and begin another, so that what stands in it outlives this process: when it
            is as old as the bundle was at its beginning, but `PART_SECONDS` at most. Otherwise a bundle has one file.
    """

    def __init__(
        self,
        counter: str,
        run: Run,
        open_writer: Callable[[Store, Run, str], BundleWriter[_In]],
        *,
        in_parts: bool = False,
    ) -> None:
        self._run, self._open, self._in_parts = run, open_writer, in_parts
        self._counter = Metrics.counter("rows", counter)

    def setup(self) -> None:
        self._store = open_store(self._run.lake)

    def start_bundle(self) -> None:
        self._writers: dict[BoundedWindow, tuple[BundleWriter[Any], float]] = {}
        self._staged: list[WindowedValue] = []
        self._began = time.monotonic()

    def process(self, element: Any, window: BoundedWindow = beam.DoFn.WindowParam) -> None:
        now = time.monotonic()
        if window not in self._writers:
            run = self._run.of_window(window.start.to_utc_datetime(has_tz=True)) if _is_timed(window) else self._run
            part_ends = now + min(PART_SECONDS, max(1.0, now - self._began))
            self._writers[window] = self._open(self._store, run, self._run.staging), part_ends
        writer, part_ends = self._writers[window]
        writer.add(element)
        self._counter.inc()
        if self._in_parts and now >= part_ends:
            self._close(window)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for window in list(self._writers):
            self._close(window)
        yield from self._staged

    def _close(self, window: BoundedWindow) -> None:
        writer, _ = self._writers.pop(window)
        self._staged.append(WindowedValue(writer.close(), window.max_timestamp(), (window,)))


def _is_timed(window: BoundedWindow) -> bool:
    return isinstance(window, IntervalWindow)
