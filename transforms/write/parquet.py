"""The Parquet files of a lake: rows to a staged file, and such files merged into files that are ready to be published.

No Beam is needed for this: `transforms.write.transform` has the transforms.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.schema.records import Fetch
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES, Row, Table, to_batch
from transforms.storage.base import Store
from transforms.storage.database import open_database
from transforms.storage.open import open_store
from transforms.write.external_sort import in_order

ROWS_A_GROUP = 500
"""Rows held in memory before they are staged: a few megabytes of article text."""
TARGET_BYTES = 128 << 20
"""Size of a published file where a partition has that much."""


class RowWriter:
    """Writes records of one table to one new Parquet file of the lake's staging area."""

    def __init__(self, store: Store, table: Table, run: Run, path: str) -> None:
        self._store, self._table, self._run, self._path = store, table, run, path
        self._pending: list[Row] = []
        self._ack_handles: list[str] = []
        self._rows = 0
        self._stack = ExitStack()
        self._local = self._stack.enter_context(store.new_file(path))
        self._writer = self._stack.enter_context(_parquet_writer(self._local, table))

    def add(self, record: Row) -> None:
        """Takes one record; every `ROWS_A_GROUP` of them become a row group."""
        self._pending.append(record)
        if isinstance(record, Fetch) and record.ack_handle is not None:
            self._ack_handles.append(record.ack_handle)
        if len(self._pending) >= ROWS_A_GROUP:
            self._flush()

    def close(self) -> StagedFile:
        """Finishes the file and reads it back.

        Raises:
            OSError: the file holds another number of rows than were written.
        """
        self._flush()
        self._writer.close()
        staged = StagedFile(
            table=self._table.name,
            partition=self._run.partition,
            path=self._path,
            rows=self._rows,
            bytes=0,
            ack_handles=tuple(self._ack_handles),
        )
        staged = _checked(self._local, self._store.uri(self._path), staged)
        self._stack.close()
        return staged

    def _flush(self) -> None:
        if self._pending:
            run = self._run
            self._writer.write_batch(to_batch(self._table, self._pending, run.run_id, run.run_date, run.time))
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
    """Merges the staged files of one table: rows of equal key once, sorted, in files of target size.

    Args:
        run: the run that all these rows become rows of; a stream may have staged them for an earlier window of its own.
        files: staged files of one table; at least one.

    Returns:
        The new files, under ``<staging>/publish/<table>/<partition>/``.

    Raises:
        OSError: a file read back holds another number of rows than were written.
    """
    staged = sorted(files, key=lambda f: f.path)
    table = staged[0].table
    prefix = f"{run.staging}/publish/{table}/{run.partition}/part-{run.run_id}-{run.attempt}-"
    return merge_files(open_store(run.lake), table, run.partition, [f.path for f in staged], prefix, of=run)


def merge_files(
    store: Store,
    table: str,
    partition: str,
    paths: Sequence[str],
    prefix: str,
    where: str = "true",
    relations: Mapping[str, pa.Table] | None = None,
    of: Run | None = None,
) -> list[StagedFile]:
    """Merges files of one table and partition: a run's rows of equal key once, sorted, in files of target size.

    Args:
        store: where they lie.
        table: the table.
        partition: such as ``dt=2026-01-31``.
        paths: the files, of this or an older schema version.
        prefix: the new files' path, but for their number and ending.
        where: a condition in SQL that rows must meet to be taken along.
        relations: what it refers to, by name.
        of: the run whose rows they become; None: each stays a row of its own run.

    Returns:
        The new files; none when no row is left.

    Raises:
        OSError: a file read back holds another number of rows than were written.
    """
    written: list[StagedFile] = []
    with ExitStack() as stack:
        copies = stack.enter_context(store.local_copies(list(paths)))
        batches = iter(_merged(stack, TABLES[table], copies, where, relations or {}, of))
        batch = next(batches, None)
        while batch is not None:
            path = f"{prefix}{len(written)}.parquet"
            with store.new_file(path) as local:
                rows = 0
                with _parquet_writer(local, TABLES[table], is_sorted=True) as writer:
                    while batch is not None and local.stat().st_size < TARGET_BYTES:
                        writer.write_batch(batch)
                        rows += batch.num_rows
                        batch = next(batches, None)
                file = StagedFile(table=table, partition=partition, path=path, rows=rows, bytes=0)
                written.append(_checked(local, store.uri(path), file))
    return written


def _merged(
    stack: ExitStack, table: Table, paths: list[Path], where: str, relations: Mapping[str, pa.Table], of: Run | None
) -> Iterator[pa.RecordBatch]:
    """The rows of these files in the table's order and exact schema, the first of a run's equal key alone."""
    database = stack.enter_context(open_database(threads=1))
    # The empty table brings columns that older files lack.
    for name, relation in {"_empty": table.schema.empty_table(), **relations}.items():
        database.register(name, relation)
    of_run = {"run_id": of.run_id, "run_date": of.run_date, "run_time": of.time} if of is not None else {}
    told = {column: value for column, value in of_run.items() if column in table.schema.names}
    replaced = f"REPLACE ({', '.join(f'${column} AS {column}' for column in told)})" if told else ""
    rows = (
        f"FROM (SELECT * {replaced} FROM (FROM _empty UNION ALL BY NAME FROM read_parquet($paths, filename = true, "  # noqa: S608 - names of ours
        f"file_row_number = true, union_by_name = true, hive_partitioning = false))) WHERE {where}"
    )
    key, size = (*table.key, "run_id"), table.rows_a_group
    files = [str(path) for path in paths]
    yield from in_order(database, rows, files, told, table.schema, key=key, order=table.order, size=size)


def _parquet_writer(path: Path, table: Table, *, is_sorted: bool = False) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        use_dictionary=table.repeating,
        write_statistics=table.comparable,
        write_page_index=True,
        store_schema=True,
        sorting_columns=[pq.SortingColumn(table.index(c)) for c in table.order] if is_sorted else None,
    )


def _checked(local: Path, name: str, file: StagedFile) -> StagedFile:
    found = pq.read_metadata(local).num_rows
    if found != file.rows:
        raise OSError(f"{name} holds {found} rows where {file.rows} were written: its disk lost some")
    return dataclasses.replace(file, bytes=local.stat().st_size)
