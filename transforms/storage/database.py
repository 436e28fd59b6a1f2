"""Open DuckDB in memory with bounded resources, for sorts, joins and counts of many rows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

MEMORY = "512MB"
"""Memory limit of a connection; the rest is spilled to disk."""


@contextmanager
def open_database(threads: int = 2, *, is_bounded: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory, with time zone UTC, that is closed at the end of the context.

    It spills to a private temporary folder: DuckDB's default is `.tmp` in the working folder, with file names that two
    processes would share.

    Args:
        threads: number of threads.
        is_bounded: apply ``threads`` and `MEMORY`; otherwise DuckDB's defaults apply.
    """
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        bounds: dict[str, str | int] = {"threads": threads, "memory_limit": MEMORY} if is_bounded else {}
        with duckdb.connect(config={"temp_directory": folder, **bounds}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # A query of a few seconds would draw a progress bar over the output of the command.
            connection.execute("SET enable_progress_bar = false")
            yield connection
