"""DuckDB in memory: for what sorts, joins or counts more rows than Python should hold."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

MEMORY = "512MB"
"""What one connection may hold; the rest goes to disk."""


@contextmanager
def open_database(threads: int = 2, *, is_bounded: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own that times are UTC in and that ends with the block.

    What does not fit in memory is spilled to a folder that nobody else has: DuckDB's own choice is `.tmp` in the
    working folder, with file names that two processes there would share.

    Args:
        threads: how many it may use.
        is_bounded: hold it to ``threads`` and `MEMORY`; else it takes what DuckDB allows itself of the machine.
    """
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        bounds: dict[str, str | int] = {"threads": threads, "memory_limit": MEMORY} if is_bounded else {}
        with duckdb.connect(config={"temp_directory": folder, **bounds}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # A query of some seconds would draw one over whatever the command prints.
            connection.execute("SET enable_progress_bar = false")
            yield connection
