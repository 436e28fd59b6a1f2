"""The lake as a database: every table a view over exactly the files that manifests name, and what analysts ask first
as views over these (`pipeline/views`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.lake.manifest import Manifest, manifests
from transforms.schema.tables import TABLES, Table
from transforms.storage.base import Store
from transforms.storage.database import open_database

VIEWS = (
    "articles_latest",
    "entities_latest",
    "quotes_latest",
    "speakers_by_day",
    "who_is_quoted_on_whom",
    "story_quotes",
    "utterances",
    "disputed_utterances",
    "quoted_voices_by_attribute",
)
"""The views of `pipeline/views`, each behind those that it is made of."""


_SQL_TYPES = {
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "float": "FLOAT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "string": "VARCHAR",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


@contextmanager
def open_lake(
    store: Store, run_id: str | None = None, *, gazetteer: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with one view a table, and the views of `pipeline/views`.

    Only files that a manifest names are seen, so a run shows whole or not at all. A table that no run has written yet
    is there and empty. Files of older schema versions read with null in columns that they lack.

    Args:
        store: the lake. Files of a bucket are copied to a temporary folder first.
        run_id: see this run alone.
        gazetteer: a CSV or Parquet file about speakers (`load_gazetteer`).
    """
    runs = [m for m in manifests(store) if run_id is None or m.contains_run(run_id)]
    where = "" if run_id is None else f" WHERE run_id = {quoted(run_id)}"
    with open_manifests(store, runs, where=where) as database:
        load_gazetteer(database, gazetteer)
        make_views(database)
        yield database


def make_views(database: duckdb.DuckDBPyConnection) -> None:
    """Makes the views of `pipeline/views` where the tables and the gazetteer are there."""
    for view in VIEWS:
        database.execute(Path(__file__).with_name("views").joinpath(f"{view}.sql").read_text(encoding="utf-8"))


@contextmanager
def open_manifests(
    store: Store, runs: Sequence[Manifest], *, tables: Iterable[str] = TABLES, where: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with one view a table, over the files of these manifests.

    Args:
        store: the lake.
        runs: manifests as `pipeline.lake.manifest.manifests` gives them.
        tables: which tables to open.
        where: a condition on all rows, such as `` WHERE run_id = 'a'``.
    """
    with open_database(is_bounded=False) as database, table_views(database, store, runs, tables=tables, where=where):
        yield database


@contextmanager
def table_views(
    database: duckdb.DuckDBPyConnection,
    store: Store,
    runs: Sequence[Manifest],
    *,
    tables: Iterable[str] = TABLES,
    where: str = "",
    prefix: str = "",
) -> Iterator[None]:
    """Makes one view a table as `open_manifests` does, good inside the context; `prefix` begins their names."""
    # Files of one schema are read as one: only the first of them is opened before it is needed.
    files = {
        table: [
            (f.path, (f.schema_version or m.schema_version, m.excluded_runs))
            for m in runs
            for f in m.files.get(table, [])
        ]
        for table in tables
    }
    paths = [path for listed in files.values() for path, _ in listed]
    with store.local_copies(paths) as copies:
        local = iter(copies)
        for table, listed in files.items():
            # The empty table brings columns that older files lack.
            sources = [_empty(TABLES[table])]
            alike: dict[tuple[int, frozenset[str]], list[Path]] = {}
            for _, kind in listed:
                alike.setdefault(kind, []).append(next(local))
            sources += [_source(found, hides) for (_, hides), found in alike.items()]
            database.execute(f"CREATE TEMP VIEW {prefix}{table} AS FROM ({' UNION ALL BY NAME '.join(sources)}){where}")
        yield


def _empty(table: Table) -> str:
    # In SQL, for an Arrow table would have DuckDB load pandas where there is one.
    columns = ", ".join(f"NULL::{_sql_type(c.type)} AS {c.name}" for c in table.columns)
    return f"SELECT {columns} WHERE false"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = (kind.field(number) for number in range(kind.num_fields))
        return "STRUCT(" + ", ".join(f'"{f.name}" {_sql_type(f.type)}' for f in fields) + ")"
    return _SQL_TYPES[str(kind)]


def _source(files: list[Path], hides: frozenset[str]) -> str:
    listed = ", ".join(quoted(str(f)) for f in files)
    source = f"FROM read_parquet([{listed}], hive_partitioning = false)"
    return f"({source} WHERE run_id NOT IN ({', '.join(map(quoted, sorted(hides)))}))" if hides else source


def load_gazetteer(database: duckdb.DuckDBPyConnection, path: str | None) -> None:
    """Makes the table ``gazetteer``: what the user knows of speakers (name, kb_id, attribute, value).

    Args:
        database: where.
        path: a CSV or Parquet file; None for an empty table. Its columns ``name`` and ``alias`` say whom a row is about
            by a name as in ``quotes.speaker_name`` (letter case aside), ``id`` by the ``kb_id`` of the entity; at least
            one of the three. Each other column but ``type`` is an attribute, such as ``party``. So a gazetteer of the
            annotation (docs/gazetteers.md) serves as it is.

    Raises:
        ValueError: there is no such file, it cannot be read, or it has none of the three columns.
    """
    database.execute("CREATE TEMP TABLE gazetteer (name VARCHAR, kb_id VARCHAR, attribute VARCHAR, value VARCHAR)")
    if path is None:
        return
    source = "read_parquet(?)" if path.endswith(".parquet") else "read_csv(?, header = true, all_varchar = true)"
    try:
        database.execute(f"CREATE TEMP TABLE _given AS FROM {source}", [path])
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"the gazetteer {path} cannot be read as CSV or Parquet: {cause}") from error
    names = [row[0] for row in database.execute("DESCRIBE _given").fetchall()]
    keys = {"name": "name", "alias": "name", "id": "kb_id"}
    if not keys.keys() & set(names):
        raise ValueError(
            f"the gazetteer {path} has none of the columns name, alias and id, which say whom a row is about; "
            f"it has {', '.join(names)}"
        )
    for attribute in [name for name in names if name not in (*keys, "type")]:
        column = '"' + attribute.replace('"', '""') + '"'
        for key in keys.keys() & set(names):
            database.execute(
                f"INSERT INTO gazetteer BY NAME SELECT {key}::VARCHAR AS {keys[key]}, ? AS attribute, "  # noqa: S608 - quoted
                f"{column}::VARCHAR AS value FROM _given WHERE {key} IS NOT NULL AND {column} IS NOT NULL",
                [attribute],
            )


def quoted(text: str) -> str:
    """A string as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
