"""Write records to a lake as Beam transforms: `StageRows`, `MergeStagedFiles`, `WriteBundles`.

`StageRows` writes the rows of a bundle to staged files. `MergeStagedFiles` groups only the names of these files; for
each table and partition it drops rows with equal keys, sorts, and writes files of the target size.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import BoundedWindow, IntervalWindow
from apache_beam.utils.windowed_value import WindowedValue

import transforms.schema.coders  # noqa: F401 - registers the coder of the grouped records
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES, Row
from transforms.storage.base import Store
from transforms.storage.open import open_store
from transforms.write.parquet import RowWriter, merge_staged_files

_In = TypeVar("_In", contravariant=True)

PART_SECONDS = 30.0
"""Maximum age of an unfinished file in seconds; a crash may lose its rows."""


@dataclass
class StageRows(beam.PTransform):
    """Write the records of one table to staged Parquet files: PCollection[Row] -> PCollection[StagedFile].

    Each bundle writes its own files. A file is output only when the bundle has finished and the file was read back
    with the expected row count. Files of a failed bundle are never output, and the next run deletes them.

    Args:
        table: name of the table.
        run: the attempt.

    Raises:
        ValueError: the table does not exist.
    """

    table: str
    run: Run

    def __post_init__(self) -> None:
        super().__init__()
        if self.table not in TABLES:
            raise ValueError(f"{self.table!r} is not a valid table; allowed: {', '.join(TABLES)}")

    def expand(self, records: "beam.PCollection[Row]") -> "beam.PCollection[StagedFile]":
        table = TABLES[self.table]

        def open_writer(store: Store, run: Run, staging: str) -> RowWriter:
            return RowWriter(store, table, run, f"{staging}/rows/{table.name}/{run.run_id}.{uuid.uuid4().hex}.parquet")

        write = WriteBundles(table.name, self.run, open_writer, in_parts=True)
        return records | beam.ParDo(write).with_output_types(StagedFile)


@dataclass
class MergeStagedFiles(beam.PTransform):
    """Merge staged files into sorted files of the target size: PCollection[StagedFile] -> PCollection[StagedFile].

    The work is split by table and partition. The new files are in the ``publish`` folder of the attempt, at the
    relative path to which the commit moves them in the lake.

    Args:
        run: the attempt.
    """

    run: Run

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[StagedFile]":
        run = self.run
        return (
            files
            | "KeyByTable"
            >> beam.Map(lambda f: ((f.table, f.partition), f)).with_output_types(tuple[tuple[str, str], StagedFile])
            | "GroupFiles" >> beam.GroupByKey()
            | "WriteSorted"
            >> beam.FlatMap(lambda group: merge_staged_files(run, group[1])).with_output_types(StagedFile)
        )


class BundleWriter(Protocol[_In]):
    """Writer of one bundle's elements to one new file."""

    def add(self, element: _In, /) -> None: ...

    def close(self) -> StagedFile: ...


class WriteBundles(beam.DoFn):
    """Write the elements of each bundle to new files, and output these files after the bundle has finished.

    Each window of a stream becomes a separate run (`Run.of_window`), so it has separate files.

    Args:
        counter: name of the metric that counts the elements.
        run: the attempt, with the lake.
        open_writer: opens a file, given the lake, the run of the rows, and the staging folder of the attempt.
        in_parts: close files early, so that their rows survive a crash of the process. A file stays open as long as the
            bundle had lasted when it was opened, at most `PART_SECONDS`. If false, a bundle has one file.
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
