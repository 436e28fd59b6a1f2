"""The lake's tables as Iceberg tables over the same Parquet files: nothing is copied.

A table's snapshots follow the manifests, one snapshot for each whose files come in. Whatever no manifest names any
more goes out in the same transaction, so that readers see the state before or after, never one between.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, RESTError
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import TableProperties, Transaction
from sqlalchemy.exc import SQLAlchemyError

from pipeline.export.selection import ExportError, check_settled, chosen, runs_of
from pipeline.lake.manifest import Manifest, manifests
from transforms.schema.tables import TABLES, Table
from transforms.storage.base import Store

CATALOG = "_iceberg"
"""The folder of the default catalog and of the tables' metadata, in the lake."""

RUN, STAMP = "onrecord.run-id", "onrecord.attempt"
"""Properties of a snapshot: whose files came in with it."""


def open_catalog(store: Store, properties: dict[str, str]) -> Catalog:
    """The catalog that these properties of pyiceberg describe; a SQLite file in the lake where there are none.

    Its connections end with a `with` block.

    Raises:
        ExportError: a lake in a bucket cannot hold the default catalog, or pyiceberg refuses the properties.
    """
    if not properties:
        if store.root.startswith("gs://"):
            raise ExportError(
                f"{store.root} cannot hold the default catalog, a SQLite file: name one, for instance with "
                "--catalog-property type=sql --catalog-property uri=sqlite:///catalog.db "
                f"--catalog-property warehouse={store.uri(CATALOG)}"
            )
        folder = Path(store.root, CATALOG)
        folder.mkdir(parents=True, exist_ok=True)
        properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}"}
    with _worded():
        return load_catalog("onrecord", **properties)


def publish(
    store: Store, catalog: Catalog, namespace: str, run_id: str | None = None
) -> Iterator[tuple[str, str, int]]:
    """Registers the files that are not registered yet, and takes out those that no manifest names any more.

    Args:
        store: the lake.
        catalog: where the tables are registered.
        namespace: their namespace, made where it is not there; its levels are parted by dots.
        run_id: this run alone, with whatever takes the place of files that went.

    Yields:
        Table, manifest and the rows of the files that came in.

    Raises:
        ExportError: no such run, or another process changed the table meanwhile.
    """
    if not all(part.isidentifier() for part in namespace.split(".")):
        raise ExportError(f"--namespace {namespace}: names of letters, digits and _ with dots between are allowed")
    wanted, standing = chosen(store, run_id), manifests(store)
    check_settled(standing)
    with _worded():
        catalog.create_namespace_if_not_exists(namespace)
        for name, table in TABLES.items():
            yield from _sync(store, _table(catalog, f"{namespace}.{name}", table), name, wanted, standing)


def _table(catalog: Catalog, identifier: str, table: Table) -> IcebergTable:
    schema = pa.schema([f.with_metadata({"doc": (f.metadata or {})[b"description"]}) for f in table.schema])
    try:
        known = catalog.load_table(identifier)
    except NoSuchTableError:
        # Bounds of whole run ids say whose rows a file holds.
        properties = {"comment": table.meaning, f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.run_id": "full"}
        with catalog.create_table_transaction(identifier, schema, properties=properties) as new:
            with new.update_spec() as spec:
                spec.add_identity("run_date")
            # The files have no field ids: columns are found by their names.
            names = new.table_metadata.schema().name_mapping.model_dump_json()
            new.set_properties({TableProperties.DEFAULT_NAME_MAPPING: names})
        return catalog.load_table(identifier)
    if {*table.schema.names} - {*known.schema().column_names}:
        with known.update_schema() as change:
            change.union_by_name(schema)
    return known


def _sync(
    store: Store, table: IcebergTable, name: str, wanted: Sequence[Manifest], standing: Sequence[Manifest]
) -> Iterator[tuple[str, str, int]]:
    known = {task.file.file_path: task.file for task in table.scan().plan_files()}
    named = {_uri(store, f.path) for m in standing for f in m.files.get(name, [])}
    gone = [file for path, file in known.items() if path not in named]
    coming = [m for m in standing if m in wanted or any(_holds(table, file, m) for file in gone)]
    done = []
    with table.transaction() as transaction:
        for manifest in coming:
            files = [f for f in manifest.files.get(name, []) if _uri(store, f.path) not in known]
            if files:
                about = {RUN: manifest.run_id, STAMP: manifest.version}
                _change(table.io, transaction, about, [_uri(store, f.path) for f in files], gone)
                gone = []
                done.append((name, manifest.run_id, sum(f.rows for f in files)))
        if gone:
            _change(table.io, transaction, {}, [], gone)
    yield from done


def _change(
    io: FileIO, transaction: Transaction, about: dict[str, str], files: list[str], gone: list[DataFile]
) -> None:
    """Adds one snapshot: these files of the lake come in, those of the table go out."""
    with transaction.update_snapshot(snapshot_properties=about).overwrite() as snapshot:
        for path in files:
            snapshot.append_data_file(parquet_file_to_data_file(io, transaction.table_metadata, path))
        for file in gone:
            snapshot.delete_data_file(file)


def _holds(table: IcebergTable, file: DataFile, manifest: Manifest) -> bool:
    """Whether a registered file may hold rows of the manifest's runs, by the bounds of its run ids."""
    column = table.schema().find_field("run_id").field_id
    low, high = (bounds[column].decode() for bounds in (file.lower_bounds, file.upper_bounds))
    return any(low <= run <= high for run in runs_of(manifest))


@contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except CommitFailedException as error:
        raise ExportError("another process changed an Iceberg table meanwhile: publish again") from error
    except (RESTError, SQLAlchemyError, OSError, ValueError, TypeError, ImportError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"the Iceberg catalog (--catalog-property) cannot be used: {said}") from error


def _uri(store: Store, path: str) -> str:
    # As Iceberg writes it: letters that a URI would escape stand as they are.
    return store.uri(path) if store.root.startswith("gs://") else f"file://{store.root}/{path}"
