"""Sort the rows of many Parquet files in bounded memory (external sort).

Sorting whole rows would keep the texts of all articles in memory. Instead, only the sort columns are sorted, which
gives each row its rank. The rows are then distributed by rank to partition files on disk, and one partition at a time
is read back.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BATCH = 1_024
"""Number of rows in a batch while rows are distributed to partition files."""
_MAX_PARTITIONS = 500
"""Maximum number of open files."""


def external_sort(
    database: duckdb.DuckDBPyConnection,
    rows: str,
    paths: Sequence[str],
    params: Mapping[str, Any],
    schema: pa.Schema,
    *,
    key: Sequence[str],
    order: Sequence[str],
    size: int,
) -> Iterator[pa.RecordBatch]:
    """Sort the rows of a query, and keep only the first of the rows with equal key.

    Args:
        database: the connection, in use until the last row is read.
        rows: a query over the files ``$paths`` that returns ``filename`` and ``file_row_number`` of `read_parquet`
            in addition to the columns.
        paths: the files.
        params: further parameters of the query.
        schema: the columns of the result, with their exact types.
        key: columns; of rows with equal values the first by file and row number is kept.
        order: columns to sort by, null last.
        size: number of rows in memory and in a batch.
    """
    place, by = "filename, file_row_number", ", ".join(f'"{column}" NULLS LAST' for column in order)
    narrow = ", ".join(f'"{column}"' for column in dict.fromkeys((*key, *order)))
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE _ranks AS SELECT {place}, row_number() OVER (ORDER BY {by}, {place}) - 1 AS "  # noqa: S608 - only internal names
        f"rank FROM (SELECT {narrow}, {place} FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY {', '.join(key)} "
        f"ORDER BY {place}) = 1)",
        {"paths": list(paths), **params},
    )
    [(count,)] = database.execute("SELECT count(*) FROM _ranks").fetchall()
    size = max(size, -(-count // _MAX_PARTITIONS))
    names = ", ".join(f'"{name}"' for name in schema.names)
    placed = f"SELECT {names}, rank FROM ({rows}) JOIN _ranks USING ({place})"  # noqa: S608 - only internal names
    # One file after another, because a query over many files keeps a part of each in memory.
    found = (
        batch
        for path in paths
        for batch in database.sql(placed, params={"paths": [path], **params}).to_arrow_reader(_BATCH)
    )
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        for path in _distribute(found, Path(folder), size):
            with pa.OSFile(str(path)) as file:
                partition = pa.ipc.open_stream(file).read_all()
            path.unlink()
            ordered = partition.take(pc.sort_indices(partition["rank"])).select(schema.names).cast(schema)
            del partition
            yield from ordered.combine_chunks().to_batches()


def _distribute(batches: Iterable[pa.RecordBatch], folder: Path, size: int) -> list[Path]:
    """Write rows to partition files by rank, `size` ranks per file; return the files in order."""
    writers: dict[int, pa.RecordBatchStreamWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        for batch in batches:
            batch = batch.take(pc.sort_indices(batch["rank"]))
            partitions = batch["rank"].to_numpy(zero_copy_only=False) // size
            for number in np.unique(partitions).tolist():
                if number not in writers:
                    file = stack.enter_context(pa.OSFile(str(folder / str(number)), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(file, batch.schema, options=options))
                first, end = np.searchsorted(partitions, [number, number + 1])
                writers[number].write_batch(batch.slice(first, end - first))
    return [folder / str(number) for number in sorted(writers)]
