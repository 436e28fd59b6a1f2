"""Open a lake as a DuckDB database: a view for each table, over exactly the files that manifests name, and the views of
`pipeline/lake/query/views` for common questions.
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
"""The views in `views`, each after the views that it uses."""

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
    """Open a lake with a view for each table, and the views of `VIEWS`.

    Only files that a manifest names are read, so a run is complete or not visible. A table that no run has written yet
    is empty. Columns that files of an older schema version lack are null.

    Args:
        store: the lake. Files in a bucket are copied to a temporary folder first.
        run_id: only this run; None: all runs.
        gazetteer: a CSV or Parquet file about speakers (`load_gazetteer`).

    Yields:
        The DuckDB connection.
    """
    runs = [m for m in manifests(store) if run_id is None or m.contains_run(run_id)]
    where = "" if run_id is None else f" WHERE run_id = {quoted(run_id)}"
    with open_manifests(store, runs, where=where) as database:
        load_gazetteer(database, gazetteer)
        make_views(database)
        yield database


def make_views(database: duckdb.DuckDBPyConnection) -> None:
    """Create the macros and the views of `VIEWS` in a database that has the tables and the gazetteer."""
    make_macros(database)
    for view in VIEWS:
        database.execute(_sql(view))


def make_macros(database: duckdb.DuckDBPyConnection) -> None:
    """Create the macros ``quotation`` and ``is_speech``, which the views and the report use."""
    database.execute(_sql("macros"))


def _sql(name: str) -> str:
    return Path(__file__).with_name("views").joinpath(f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def open_manifests(
    store: Store, runs: Sequence[Manifest], *, tables: Iterable[str] = TABLES, where: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with a view for each table, over the files of some manifests.

    Args:
        store: the lake.
        runs: current manifests, from `pipeline.lake.manifest.manifests`.
        tables: the tables to open.
        where: a condition on all rows, such as `` WHERE run_id = 'a'``.

    Yields:
        The DuckDB connection.
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
    """Create the views of `open_manifests`, valid inside the context; their names begin with `prefix`."""
    # Files of one schema are read together: DuckDB then opens only the first of them in advance.
    files = {
        table: [
            (f.path, (f.schema_version or m.schema_version, m.excluded_runs))
            for m in runs
            for f in m.files.get(table, [])
        ]
        for table in tables
    }
    paths = [path for entries in files.values() for path, _ in entries]
    with store.local_copies(paths) as copies:
        local = iter(copies)
        for table, entries in files.items():
            # The empty table adds columns that older files lack.
            sources = [_empty(TABLES[table])]
            groups: dict[tuple[int, frozenset[str]], list[Path]] = {}
            for _, group in entries:
                groups.setdefault(group, []).append(next(local))
            sources += [_source(found, excluded_runs) for (_, excluded_runs), found in groups.items()]
            database.execute(f"CREATE TEMP VIEW {prefix}{table} AS FROM ({' UNION ALL BY NAME '.join(sources)}){where}")
        yield


def _empty(table: Table) -> str:
    # In SQL, because DuckDB would import pandas for an Arrow table.
    columns = ", ".join(f"NULL::{_sql_type(c.type)} AS {c.name}" for c in table.columns)
    return f"SELECT {columns} WHERE false"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = (kind.field(number) for number in range(kind.num_fields))
        return "STRUCT(" + ", ".join(f'"{f.name}" {_sql_type(f.type)}' for f in fields) + ")"
    return _SQL_TYPES[str(kind)]


def _source(files: list[Path], excluded_runs: frozenset[str]) -> str:
    paths = ", ".join(quoted(str(f)) for f in files)
    source = f"FROM read_parquet([{paths}], hive_partitioning = false)"
    if not excluded_runs:
        return source
    return f"({source} WHERE run_id NOT IN ({', '.join(map(quoted, sorted(excluded_runs)))}))"


def load_gazetteer(database: duckdb.DuckDBPyConnection, path: str | None) -> None:
    """Create the table ``gazetteer`` of speakers' attributes (name, kb_id, attribute, value).

    Args:
        database: where to create it.
        path: a CSV or Parquet file; None for an empty table. At least one of three columns identifies the speaker of a
            row: ``name`` and ``alias`` by a name as in ``quotes.speaker_name``, in any letter case, and ``id`` by the
            ``kb_id`` of the entity. Each other column except ``type`` is an attribute, such as ``party``. A gazetteer
            for the annotation (docs/gazetteers.md) has this format too.

    Raises:
        ValueError: the file does not exist, cannot be read, or has none of the three columns.
    """
    database.execute("CREATE TEMP TABLE gazetteer (name VARCHAR, kb_id VARCHAR, attribute VARCHAR, value VARCHAR)")
    if path is None:
        return
    source = "read_parquet(?)" if path.endswith(".parquet") else "read_csv(?, header = true, all_varchar = true)"
    try:
        database.execute(f"CREATE TEMP TABLE _file AS FROM {source}", [path])
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"the gazetteer {path} cannot be read as CSV or Parquet: {cause}") from error
    names = [row[0] for row in database.execute("DESCRIBE _file").fetchall()]
    keys = {"name": "name", "alias": "name", "id": "kb_id"}
    if not keys.keys() & set(names):
        raise ValueError(
            f"the gazetteer {path} needs a column name, alias or id, which identifies the speaker of a row; "
            f"its columns are {', '.join(names)}"
        )
    for attribute in [name for name in names if name not in (*keys, "type")]:
        column = '"' + attribute.replace('"', '""') + '"'
        for key in keys.keys() & set(names):
            database.execute(
                f"INSERT INTO gazetteer BY NAME SELECT {key}::VARCHAR AS {keys[key]}, ? AS attribute, "  # noqa: S608 - quoted
                f"{column}::VARCHAR AS value FROM _file WHERE {key} IS NOT NULL AND {column} IS NOT NULL",
                [attribute],
            )


def quoted(text: str) -> str:
    """Quote a string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
