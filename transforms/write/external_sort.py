"""Rows of many Parquet files in one order, however many: a bounded part of them is in memory at a time.

A sort of whole rows holds what its memory allows, which for articles are their texts. Here only the columns that decide
the order are sorted, which gives each row its place; the rows are then dealt by their places to files on disk, each a
stretch of the order, and one stretch at a time is read back.
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
"""Rows that are dealt at a time."""
_STRETCHES = 500
"""Most files that are open at a time."""


def in_order(
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
    """The rows of a query in order, of those with an equal key the first alone.

    Args:
        database: where; it is used until the last row is read.
        rows: the query, which gives ``filename`` and ``file_row_number`` of `read_parquet` beside the columns, of the
            files ``$paths``.
        paths: these files.
        params: what else it refers to.
        schema: the columns that are given, and their exact types.
        key: columns; of rows that are equal in them the first by file and place in it is kept.
        order: columns by which rows are sorted, null last.
        size: rows in memory, and in a batch.
    """
    place, by = "filename, file_row_number", ", ".join(f'"{column}" NULLS LAST' for column in order)
    narrow = ", ".join(f'"{column}"' for column in dict.fromkeys((*key, *order)))
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE _places AS SELECT {place}, row_number() OVER (ORDER BY {by}, {place}) - 1 AS "  # noqa: S608 - names of ours
        f"place FROM (SELECT {narrow}, {place} FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY {', '.join(key)} "
        f"ORDER BY {place}) = 1)",
        {"paths": list(paths), **params},
    )
    [(count,)] = database.execute("SELECT count(*) FROM _places").fetchall()
    size = max(size, -(-count // _STRETCHES))
    names = ", ".join(f'"{name}"' for name in schema.names)
    placed = f"SELECT {names}, place FROM ({rows}) JOIN _places USING ({place})"  # noqa: S608 - names of ours
    # One file after the other: a query of many holds something of each.
    found = (
        batch
        for path in paths
        for batch in database.sql(placed, params={"paths": [path], **params}).to_arrow_reader(_BATCH)
    )
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        for path in _deal(found, Path(folder), size):
            with pa.OSFile(str(path)) as file:
                stretch = pa.ipc.open_stream(file).read_all()
            path.unlink()
            ordered = stretch.take(pc.sort_indices(stretch["place"])).select(schema.names).cast(schema)
            del stretch
            yield from ordered.combine_chunks().to_batches()


def _deal(batches: Iterable[pa.RecordBatch], folder: Path, size: int) -> list[Path]:
    """Writes rows to files by their ``place``, so many places to one; gives the files in order."""
    writers: dict[int, pa.RecordBatchStreamWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        for batch in batches:
            batch = batch.take(pc.sort_indices(batch["place"]))
            stretches = batch["place"].to_numpy(zero_copy_only=False) // size
            for number in np.unique(stretches).tolist():
                if number not in writers:
                    file = stack.enter_context(pa.OSFile(str(folder / str(number)), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(file, batch.schema, options=options))
                first, end = np.searchsorted(stretches, [number, number + 1])
                writers[number].write_batch(batch.slice(first, end - first))
    return [folder / str(number) for number in sorted(writers)]
