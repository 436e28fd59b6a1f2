"""The lake as one DuckDB file: every table a table, every view of `pipeline.lake.query.catalog` a view."""

import secrets
from pathlib import Path

import duckdb

from pipeline.export.selection import ExportError, chosen
from pipeline.lake.query.catalog import make_views, open_lake, quoted
from transforms.schema.tables import TABLES
from transforms.storage.base import Store


def export(store: Store, target: Path, run_id: str | None = None, gazetteer: str | None = None) -> dict[str, int]:
    """Writes the file anew and puts it in the place of the old one at once; who has that open keeps it.

    Args:
        store: the lake.
        target: the file.
        run_id: this run's rows alone.
        gazetteer: goes in as the table ``gazetteer`` (`pipeline.lake.query.catalog.load_gazetteer`).

    Returns:
        Rows by table.

    Raises:
        ExportError: there is no such run, a file of the lake is damaged, or the new one cannot be written.
        ValueError: the gazetteer cannot be read.
    """
    chosen(store, run_id)
    if target.is_dir() or not target.parent.is_dir():
        raise ExportError(f"{target} cannot be written: name a file in a folder that is there, such as press.duckdb")
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        rows = _fill(store, new, run_id, gazetteer)
        new.replace(target)
    except duckdb.Error as error:
        raise ExportError(f"{store.root} cannot be exported to {target}: {str(error).splitlines()[0]}") from error
    finally:
        for left in (new, new.with_name(f"{new.name}.wal")):
            left.unlink(missing_ok=True)
    return rows


def _fill(store: Store, new: Path, run_id: str | None, gazetteer: str | None) -> dict[str, int]:
    with open_lake(store, run_id, gazetteer=gazetteer) as lake:
        lake.execute(f"ATTACH {quoted(str(new))} AS target")
        for name in (*TABLES, "gazetteer"):
            lake.execute(f"CREATE TABLE target.{name} AS FROM {name}")
        for name, table in TABLES.items():
            for column in table.columns:
                lake.execute(f"COMMENT ON COLUMN target.{name}.{column.name} IS {quoted(column.meaning)}")
        lake.execute("DETACH target")
    # Views name their tables without a schema: they are made where nothing else has these names.
    with duckdb.connect(new) as database:
        make_views(database)
        counts = ((name, database.execute(f"SELECT count(*) FROM {name}").fetchall()) for name in TABLES)  # noqa: S608 - names of ours
        return {name: rows for name, [(rows,)] in counts}
