"""Register the Parquet files of the lake in Iceberg tables, without copying them.

Each manifest with new files adds one snapshot to a table. Files that no manifest names any more are removed in the same
transaction, so readers see the state before or after, never one in between.
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

from pipeline.export.selection import ExportError, check_exportable, exported_runs, select_manifests
from pipeline.lake.manifest import Manifest, manifests
from transforms.schema.errors import cause_of
from transforms.schema.tables import TABLES, Table
from transforms.storage.base import Store

CATALOG = "_iceberg"
"""Folder in the lake for the default catalog and the metadata of the tables."""

RUN, VERSION = "onrecord.run-id", "onrecord.attempt"
"""Properties of a snapshot: the run and the manifest version of the files that it adds."""


def open_catalog(store: Store, properties: dict[str, str]) -> Catalog:
    """Open the catalog with these pyiceberg properties; without properties, a SQLite file in the lake.

    A `with` block closes its connections.

    Raises:
        ExportError: the lake is in a bucket, which cannot hold the default catalog, or pyiceberg rejects the
            properties.
    """
    if not properties:
        if store.root.startswith("gs://"):
            raise ExportError(
                f"{store.root} is in a bucket, which cannot hold the default SQLite catalog: name another, such as "
                "--catalog-property type=sql --catalog-property uri=sqlite:///catalog.db "
                f"--catalog-property warehouse={store.uri(CATALOG)}"
            )
        folder = Path(store.root, CATALOG)
        folder.mkdir(parents=True, exist_ok=True)
        properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}"}
    with _translated_errors():
        return load_catalog("onrecord", **properties)


def export(store: Store, catalog: Catalog, namespace: str, run_id: str | None = None) -> Iterator[tuple[str, str, int]]:
    """Register the files that are not registered yet, and remove files that no manifest names any more.

    Args:
        store: the lake.
        catalog: the catalog of the tables.
        namespace: namespace of the tables, levels separated by dots; it is created if it does not exist.
        run_id: register only this run, and the replacements of removed files; None: all runs.

    Yields:
        For each manifest with new files: table, run id and number of registered rows.

    Raises:
        ExportError: the run is not committed, or another process changed a table at the same time.
    """
    if not all(part.isidentifier() for part in namespace.split(".")):
        raise ExportError(
            f"--namespace {namespace} is not valid: expected letters, digits and _, levels separated by dots"
        )
    selected, committed = select_manifests(store, run_id), manifests(store)
    check_exportable(committed)
    with _translated_errors():
        catalog.create_namespace_if_not_exists(namespace)
        for name, table in TABLES.items():
            yield from _sync(store, _table(catalog, f"{namespace}.{name}", table), name, selected, committed)


def _table(catalog: Catalog, identifier: str, table: Table) -> IcebergTable:
    schema = pa.schema([f.with_metadata({"doc": (f.metadata or {})[b"description"]}) for f in table.schema])
    try:
        existing = catalog.load_table(identifier)
    except NoSuchTableError:
        # Untruncated bounds of run_id tell which runs have rows in a file.
        properties = {"comment": table.meaning, f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.run_id": "full"}
        with catalog.create_table_transaction(identifier, schema, properties=properties) as new:
            with new.update_spec() as spec:
                spec.add_identity("run_date")
            # The files have no field ids, so columns are matched by name.
            names = new.table_metadata.schema().name_mapping.model_dump_json()
            new.set_properties({TableProperties.DEFAULT_NAME_MAPPING: names})
        return catalog.load_table(identifier)
    if {*table.schema.names} - {*existing.schema().column_names}:
        with existing.update_schema() as change:
            change.union_by_name(schema)
    return existing


def _sync(
    store: Store, table: IcebergTable, name: str, selected: Sequence[Manifest], committed: Sequence[Manifest]
) -> Iterator[tuple[str, str, int]]:
    registered = {task.file.file_path: task.file for task in table.scan().plan_files()}
    named = {_uri(store, f.path) for m in committed for f in m.files.get(name, [])}
    removed = [file for path, file in registered.items() if path not in named]
    added = [m for m in committed if m in selected or any(_may_hold(table, file, m) for file in removed)]
    done = []
    with table.transaction() as transaction:
        for manifest in added:
            files = [f for f in manifest.files.get(name, []) if _uri(store, f.path) not in registered]
            if files:
                properties = {RUN: manifest.run_id, VERSION: manifest.version}
                _add_snapshot(table.io, transaction, properties, [_uri(store, f.path) for f in files], removed)
                removed = []
                done.append((name, manifest.run_id, sum(f.rows for f in files)))
        if removed:
            _add_snapshot(table.io, transaction, {}, [], removed)
    yield from done


def _add_snapshot(
    io: FileIO, transaction: Transaction, properties: dict[str, str], added: list[str], removed: list[DataFile]
) -> None:
    """Add one snapshot that appends files of the lake and deletes files of the table."""
    with transaction.update_snapshot(snapshot_properties=properties).overwrite() as snapshot:
        for path in added:
            snapshot.append_data_file(parquet_file_to_data_file(io, transaction.table_metadata, path))
        for file in removed:
            snapshot.delete_data_file(file)


def _may_hold(table: IcebergTable, file: DataFile, manifest: Manifest) -> bool:
    """Whether the bounds of run_id allow a registered file to hold rows of the manifest's runs."""
    column = table.schema().find_field("run_id").field_id
    low, high = (bounds[column].decode() for bounds in (file.lower_bounds, file.upper_bounds))
    return any(low <= run <= high for run in exported_runs(manifest))


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except CommitFailedException as error:
        raise ExportError("another process changed an Iceberg table at the same time: export again") from error
    except (RESTError, SQLAlchemyError, OSError, ValueError, TypeError, ImportError) as error:
        raise ExportError(f"the Iceberg catalog (--catalog-property) cannot be used: {cause_of(error)}") from error


def _uri(store: Store, path: str) -> str:
    # Iceberg writes paths without percent-encoding.
    return store.uri(path) if store.root.startswith("gs://") else f"file://{store.root}/{path}"
