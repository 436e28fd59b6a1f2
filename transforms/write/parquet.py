"""Write rows to staged Parquet files, and merge these into sorted files, without Beam."""

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
from transforms.write.external_sort import external_sort

ROWS_A_GROUP = 500
"""Rows in a row group of a staged file: a few megabytes of article text in memory."""
TARGET_BYTES = 128 << 20
"""Target size of a merged file."""


class RowWriter:
    """Writer of one table's records to one new Parquet file in staging."""

    def __init__(self, store: Store, table: Table, run: Run, path: str) -> None:
        self._store, self._table, self._run, self._path = store, table, run, path
        self._pending: list[Row] = []
        self._ack_handles: list[str] = []
        self._rows = 0
        self._stack = ExitStack()
        self._local = self._stack.enter_context(store.new_file(path))
        self._writer = self._stack.enter_context(_parquet_writer(self._local, table))

    def add(self, record: Row) -> None:
        """Add one record; every `ROWS_A_GROUP` records are written as a row group."""
        self._pending.append(record)
        if isinstance(record, Fetch) and record.ack_handle is not None:
            self._ack_handles.append(record.ack_handle)
        if len(self._pending) >= ROWS_A_GROUP:
            self._flush()

    def close(self) -> StagedFile:
        """Finish the file and verify its row count by reading it back.

        Raises:
            OSError: the row count differs from the number of records.
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
    """Write records to one Parquet file.

    Args:
        run: the run of the rows.
        table: name of the table.
        records: the rows.
        path: path of the new file, relative to the lake.
    """
    writer = RowWriter(open_store(run.lake), TABLES[table], run, path)
    for record in records:
        writer.add(record)
    return writer.close()


def merge_staged_files(run: Run, files: Iterable[StagedFile]) -> list[StagedFile]:
    """Merge the staged files of one table into sorted files of the target size, without duplicate keys.

    Args:
        run: the run that the rows will belong to; a stream may have staged them for an earlier window.
        files: staged files of one table; at least one.

    Returns:
        The new files, under ``<staging>/publish/<table>/<partition>/``.

    Raises:
        OSError: the row count of a written file is wrong.
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
    """Merge files of one table and partition into sorted files of the target size, without duplicate keys in a run.

    Args:
        store: the lake.
        table: the table.
        partition: such as ``dt=2026-01-31``.
        paths: the files, of the current or an older schema version.
        prefix: path of the new files, without number and extension.
        where: SQL condition of the rows to keep.
        relations: relations that `where` refers to, by name.
        of: the run that all rows will belong to; None: each row keeps its run.

    Returns:
        The new files; empty if no rows remain.

    Raises:
        OSError: the row count of a written file is wrong.
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
    """Read the rows in order and in the exact schema, only the first row for each run and key."""
    database = stack.enter_context(open_database(threads=1))
    # The empty table adds columns that are missing in older files.
    for name, relation in {"_empty": table.schema.empty_table(), **relations}.items():
        database.register(name, relation)
    run_columns = {"run_id": of.run_id, "run_date": of.run_date, "run_time": of.time} if of is not None else {}
    replaced = {column: value for column, value in run_columns.items() if column in table.schema.names}
    replace = f"REPLACE ({', '.join(f'${column} AS {column}' for column in replaced)})" if replaced else ""
    rows = (
        f"FROM (SELECT * {replace} FROM (FROM _empty UNION ALL BY NAME FROM read_parquet($paths, filename = true, "  # noqa: S608 - only internal names
        f"file_row_number = true, union_by_name = true, hive_partitioning = false))) WHERE {where}"
    )
    key, size = (*table.key, "run_id"), table.rows_a_group
    files = [str(path) for path in paths]
    yield from external_sort(database, rows, files, replaced, table.schema, key=key, order=table.order, size=size)


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
        raise OSError(f"{name} has {found} rows, but {file.rows} were written: check the disk")
    return dataclasses.replace(file, bytes=local.stat().st_size)
