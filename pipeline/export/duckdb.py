"""Export the lake to one DuckDB file with all tables and the views of `pipeline.lake.query.catalog`."""

import secrets
from pathlib import Path

import duckdb

from pipeline.export.selection import ExportError, select_manifests
from pipeline.lake.query.catalog import make_views, open_lake, quoted
from transforms.schema.tables import TABLES
from transforms.storage.base import Store


def export(store: Store, target: Path, run_id: str | None = None, gazetteer: str | None = None) -> dict[str, int]:
    """Write the file and replace the old one atomically; a process that has the old file open keeps it.

    Args:
        store: the lake.
        target: the file.
        run_id: export only this run; None: all runs.
        gazetteer: file for the table ``gazetteer`` (`pipeline.lake.query.catalog.load_gazetteer`).

    Returns:
        Number of rows by table.

    Raises:
        ExportError: the run is not committed, a file of the lake is damaged, or the target is not writable.
        ValueError: the gazetteer cannot be read.
    """
    select_manifests(store, run_id)
    if target.is_dir() or not target.parent.is_dir():
        raise ExportError(f"{target} cannot be written: name a file in an existing folder, such as press.duckdb")
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        rows = _write(store, new, run_id, gazetteer)
        new.replace(target)
    except duckdb.Error as error:
        raise ExportError(f"{store.root} cannot be exported to {target}: {str(error).splitlines()[0]}") from error
    finally:
        for temporary in (new, new.with_name(f"{new.name}.wal")):
            temporary.unlink(missing_ok=True)
    return rows


def _write(store: Store, new: Path, run_id: str | None, gazetteer: str | None) -> dict[str, int]:
    with open_lake(store, run_id, gazetteer=gazetteer) as lake:
        lake.execute(f"ATTACH {quoted(str(new))} AS target")
        for name in (*TABLES, "gazetteer"):
            lake.execute(f"CREATE TABLE target.{name} AS FROM {name}")
        for name, table in TABLES.items():
            for column in table.columns:
                lake.execute(f"COMMENT ON COLUMN target.{name}.{column.name} IS {quoted(column.meaning)}")
        lake.execute("DETACH target")
    # Views name their tables without a schema, so they are created while no other database is attached.
    with duckdb.connect(new) as database:
        make_views(database)
        counts = ((name, database.execute(f"SELECT count(*) FROM {name}").fetchall()) for name in TABLES)  # noqa: S608 - our table names
        return {name: rows for name, [(rows,)] in counts}
