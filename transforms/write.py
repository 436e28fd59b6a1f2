"""Rows to staged Parquet files, and staged files to files that are ready to be published.

Two steps, so that no row ever crosses a shuffle: `StageRows` writes the rows of its bundle where they arise; `Publish`
groups only the names of these files, and per table and partition drops rows of equal key, sorts, and writes files of
the target size. Neither writes where a reader looks: the commit (``pipeline.lake``) moves finished files there.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apache_beam as beam
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.metrics import Metrics
from apache_beam.utils.windowed_value import WindowedValue

from transforms.records import Run, StagedFile
from transforms.store import Store, open_store
from transforms.tables import TABLES, Row, Table, to_batch

_In = TypeVar("_In", contravariant=True)

ROWS_A_GROUP = 2_000
"""Rows held in memory before they are written: a few megabytes of article text."""
TARGET_BYTES = 128 << 20
"""Size of a published file where a partition has that much."""
SORT_MEMORY = "512MB"
"""What the sort of one partition may hold before it spills to disk."""


class StageRows(beam.PTransform):
    """Writes the records of one table to staged Parquet files, one a bundle.

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

        def open_writer(store: Store, run: Run) -> RowWriter:
            return RowWriter(store, table, run, f"{run.staging}/rows/{table.name}/{uuid.uuid4().hex}.parquet")

        return records | beam.ParDo(WriteBundles(table.name, self._run, open_writer)).with_output_types(StagedFile)


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
            | "KeyByTable" >> beam.Map(lambda f: ((f.table, f.partition), f))
            | "GroupFiles" >> beam.GroupByKey()
            | "WriteSorted" >> beam.FlatMap(lambda group: publish_files(run, group[1])).with_output_types(StagedFile)
        )


class RowWriter:
    """Writes records of one table to one new Parquet file of the lake's staging area."""

    def __init__(self, store: Store, table: Table, run: Run, path: str) -> None:
        self._store, self._table, self._run, self._path = store, table, run, path
        self._pending: list[Row] = []
        self._rows = 0
        self._stack = ExitStack()
        self._local = self._stack.enter_context(store.new_file(path))
        self._writer = self._stack.enter_context(_parquet_writer(self._local, table))

    def add(self, record: Row) -> None:
        """Takes one record; every `ROWS_A_GROUP` of them become a row group."""
        self._pending.append(record)
        if len(self._pending) >= ROWS_A_GROUP:
            self._flush()

    def close(self) -> StagedFile:
        """Finishes the file and reads it back.

        Raises:
            OSError: the file holds another number of rows than were written.
        """
        self._flush()
        self._writer.close()
        staged = _checked(self._local, self._table.name, self._run, self._path, self._rows)
        self._stack.close()
        return staged

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_batch(to_batch(self._table, self._pending, self._run.run_id, self._run.run_date))
            self._rows += len(self._pending)
            self._pending = []


def write_rows(run: Run, table: str, records: Iterable[Row], path: str) -> StagedFile:
    """Writes records to one Parquet file.

    Args:
        run: whose rows these are.
        table: the records' table.
        records: what to write.
        path: where, relative to the lake.
    """
    writer = RowWriter(open_store(run.lake), TABLES[table], run, path)
    for record in records:
        writer.add(record)
    return writer.close()


def publish_files(run: Run, files: Iterable[StagedFile]) -> list[StagedFile]:
    """Merges the staged files of one table and partition: rows of equal key once, sorted, in files of target size.

    Args:
        run: the attempt that staged them.
        files: staged files of one table and one partition; at least one.

    Returns:
        The new files, under ``<staging>/publish/<table>/<partition>/``.

    Raises:
        OSError: a file read back holds another number of rows than were written.
    """
    staged = sorted(files, key=lambda f: f.path)
    table, partition = TABLES[staged[0].table], staged[0].partition
    store = open_store(run.lake)
    published: list[StagedFile] = []
    with ExitStack() as stack:
        paths = stack.enter_context(store.local_copies([f.path for f in staged]))
        batches = iter(_merged(stack, table, paths))
        batch = next(batches, None)
        while batch is not None:
            name = f"{table.name}/{partition}/part-{run.run_id}-{run.attempt}-{len(published)}.parquet"
            path = f"{run.staging}/publish/{name}"
            with store.new_file(path) as local:
                rows = 0
                with _parquet_writer(local, table) as writer:
                    while batch is not None and local.stat().st_size < TARGET_BYTES:
                        writer.write_batch(batch)
                        rows += batch.num_rows
                        batch = next(batches, None)
                published.append(_checked(local, table.name, run, path, rows))
    return published


def _merged(stack: ExitStack, table: Table, paths: list[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of these files in the table's order and exact schema, the first of equal key alone."""
    database = stack.enter_context(duckdb.connect(config={"memory_limit": SORT_MEMORY, "threads": 2}))
    database.execute("SET TimeZone = 'UTC'")
    key, order = ", ".join(table.key), ", ".join(f"{c} NULLS LAST" for c in table.order)
    names = ", ".join(f'"{c.name}"' for c in table.columns)
    rows = database.sql(
        f"SELECT {names} FROM read_parquet(?, filename = true, file_row_number = true) "  # noqa: S608 - names of ours
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY filename, file_row_number) = 1 ORDER BY {order}",
        params=[[str(p) for p in paths]],
    )
    for batch in rows.to_arrow_reader(ROWS_A_GROUP) or ():
        if batch.num_rows:
            yield batch.cast(table.schema)


def _parquet_writer(path: Path, table: Table) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, table.schema, compression="zstd", write_page_index=True, store_schema=True)


def _checked(local: Path, table: str, run: Run, path: str, rows: int) -> StagedFile:
    found = pq.read_metadata(local).num_rows
    if found != rows:
        raise OSError(f"{path} holds {found} rows where {rows} were written: the disk under {run.lake} lost some")
    return StagedFile(table=table, partition=run.partition, path=path, rows=rows, bytes=local.stat().st_size)


class BundleWriter(Protocol[_In]):
    """Writes the elements of one bundle to one new file."""

    def add(self, element: _In, /) -> None: ...

    def close(self) -> StagedFile: ...


class WriteBundles(beam.DoFn):
    """Writes the elements of each bundle to a file of its own, and names it when the bundle has finished.

    Args:
        counter: under which name the elements are counted.
        run: the attempt, which names the lake.
        open_writer: opens the file of a bundle, at its first element.
    """

    def __init__(self, counter: str, run: Run, open_writer: Callable[[Store, Run], BundleWriter[_In]]) -> None:
        self._run, self._open = run, open_writer
        self._counter = Metrics.counter("rows", counter)

    def setup(self) -> None:
        self._store = open_store(self._run.lake)

    def start_bundle(self) -> None:
        self._writer: BundleWriter[Any] | None = None

    def process(self, element: Any) -> None:
        if self._writer is None:
            self._writer = self._open(self._store, self._run)
        self._writer.add(element)
        self._counter.inc()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._writer is not None:
            staged = self._writer.close()
            self._writer = None
            yield beam.transforms.window.GlobalWindows.windowed_value(staged)
