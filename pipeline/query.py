"""The lake as a database: every table a view over exactly the files of committed runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipeline.lake import Manifest, manifests
from transforms.store import Store
from transforms.tables import TABLES


@contextmanager
def open_lake(store: Store, run_id: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with one view a table.

    Only files that a manifest names are seen, so a run shows whole or not at all. A table that no run has written yet
    is there and empty. Files of older schema versions read with null in columns that they lack.

    Args:
        store: the lake. Files of a bucket are copied to a temporary folder first.
        run_id: see this run alone.
    """
    runs = [m for m in manifests(store) if run_id in (None, m.run_id)]
    paths = {table: _paths(runs, table) for table in TABLES}
    with store.local_copies([p for table in paths.values() for p in table]) as copies, duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        files = iter(str(copy) for copy in copies)
        for name, table in TABLES.items():
            database.register(f"_empty_{name}", table.schema.empty_table())
            source = f"_empty_{name}"
            if paths[name]:
                listed = ", ".join("'" + next(files).replace("'", "''") + "'" for _ in paths[name])
                # The empty table brings columns that older files lack.
                source = (
                    f"(FROM _empty_{name} UNION ALL BY NAME "
                    f"FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false))"
                )
            database.execute(f"CREATE TEMP VIEW {name} AS FROM {source}")
        yield database


def _paths(runs: list[Manifest], table: str) -> list[str]:
    return [file.path for manifest in runs for file in manifest.files.get(table, [])]
