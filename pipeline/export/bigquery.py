"""Export the tables of the lake to BigQuery: partitioned by run_date, clustered by domain and speaker.

Load jobs take exactly the files that a manifest names. A job's id is derived from the table, the run and the version of
the manifest, and BigQuery runs each job id once, so exporting again loads nothing twice. A manifest with changed files
gives new job ids; a delete job then removes the old rows of its runs first. List columns become repeated fields.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import Conflict, GoogleAPICallError, GoogleAPIError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from pipeline.export.selection import ExportError, check_exportable, exported_runs, select_manifests
from pipeline.lake.manifest import Manifest
from transforms.schema.records import stable_id
from transforms.schema.tables import TABLES, Table
from transforms.storage.base import Store

CLUSTERED_BY = ("domain", "speaker_name")

_PROJECT = re.compile(r"([a-z0-9.-]{1,200}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,1023}")
_LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}")


def export(
    store: Store, project: str, dataset: str, location: str | None = None, run_id: str | None = None
) -> Iterator[tuple[str, str, int]]:
    """Load what is not loaded yet; create the dataset and the tables if they do not exist.

    Args:
        store: the lake. Files in a bucket are loaded from there, files in a folder are uploaded.
        project: the Google Cloud project.
        dataset: name of the dataset.
        location: location of a new dataset, such as EU; None: BigQuery's default, US.
        run_id: export only this run; None: all runs.

    Yields:
        For each manifest that was not loaded before: table, run id and number of loaded rows.

    Raises:
        ExportError: a name is not valid, the run is not committed, credentials are missing, or BigQuery returns an
            error.
    """
    _check("--project", project, _PROJECT, "6 to 30 lower-case letters, digits and -")
    _check("--dataset", dataset, _DATASET, "letters, digits and _")
    if location is not None:
        _check("--location", location, _LOCATION, "a region or EU or US, such as europe-west1")
    runs = select_manifests(store, run_id)
    check_exportable(runs)
    with _translated_errors(f"{project}.{dataset}"):
        target = _Target(project, dataset, location)
        for name, table in TABLES.items():
            destination = target.table(table)
            for manifest in runs:
                rows = target.load(destination, store, manifest)
                if rows is not None:
                    yield name, manifest.run_id, rows


class _Target:
    """The dataset of an export."""

    def __init__(self, project: str, dataset: str, location: str | None) -> None:
        emulated = os.environ.get("BIGQUERY_EMULATOR_HOST")
        self._client = bigquery.Client(project, credentials=AnonymousCredentials() if emulated else None)
        wanted = bigquery.Dataset(f"{project}.{dataset}")
        if location is not None:
            wanted.location = location
        try:
            self._dataset = self._client.get_dataset(wanted.reference)
        except NotFound:
            self._dataset = self._client.create_dataset(wanted, exists_ok=True)
        self._location = self._dataset.location
        if location is not None and self._location.lower() != location.lower():
            raise ExportError(
                f"--location {location}: the dataset {project}.{dataset} is in {self._location}; "
                "omit the option, or name another dataset"
            )

    def table(self, table: Table) -> bigquery.Table:
        """Return the table; create it, or add new columns, if needed."""
        schema = [_field(f) for f in table.schema]
        wanted = bigquery.Table(self._dataset.table(table.name), schema)
        wanted.description = table.meaning
        wanted.time_partitioning = bigquery.TimePartitioning(field="run_date")
        wanted.clustering_fields = [c for c in CLUSTERED_BY if c in table.schema.names]
        current = self._client.create_table(wanted, exists_ok=True)
        known = {f.name: f for f in current.schema}
        for field in schema:
            if field.name in known and known[field.name].field_type != field.field_type:
                raise ExportError(
                    f"{current.full_table_id}: the column {field.name} is {known[field.name].field_type}, but "
                    f"{field.field_type} is required; this table was not created by Onrecord, name another --dataset"
                )
        new = [f for f in schema if f.name not in known]
        if any(f.mode == "REQUIRED" for f in new):
            raise ExportError(
                f"{current.full_table_id} lacks the required columns {', '.join(f.name for f in new)}; "
                "this table was not created by Onrecord, name another --dataset"
            )
        if new:
            current.schema = [*current.schema, *new]
            current = self._client.update_table(current, ["schema"])
        return current

    def load(self, table: bigquery.Table, store: Store, manifest: Manifest) -> int | None:
        """Load the rows of one manifest and return their number; None if they were loaded before."""
        files = manifest.files.get(table.table_id, [])
        # The time of creation distinguishes a table from a dropped one of the same name.
        identity = f"{table.full_table_id} {table.created.isoformat() if table.created else ''}"
        unit = f"onrecord_{table.table_id}_{stable_id(identity, manifest.run_id, manifest.version)}"
        steps = self._loads(table, store, [f.path for f in files])
        names = [f"{unit}_load{n}" for n in range(len(steps))]
        last = self._latest(names[-1] if names else f"{unit}_delete")
        if last is not None and not last.error_result and last.state == "DONE":
            return None
        if not names and not table.num_rows:
            return None
        # After the first load has started, its rows must not be deleted.
        if table.num_rows and (not names or self._latest(names[0]) is None):
            self._once(f"{unit}_delete", self._delete(table, manifest))
        for name, step in zip(names, steps, strict=True):
            self._once(name, step)
        return sum(f.rows for f in files)

    def _loads(self, table: bigquery.Table, store: Store, paths: list[str]) -> list[Callable[[str], Any]]:
        lists = bigquery.ParquetOptions()
        lists.enable_list_inference = True
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            parquet_options=lists,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        )
        if store.root.startswith("gs://"):
            uris = [store.uri(path) for path in paths]
            load = self._client.load_table_from_uri
            return [
                lambda name: load(uris, table.reference, job_id=name, location=self._location, job_config=config)
            ] * bool(uris)

        def upload(path: str) -> Callable[[str], Any]:
            def start(name: str) -> Any:
                with store.local_copies([path]) as [copy], copy.open("rb") as file:
                    return self._client.load_table_from_file(
                        file, table.reference, job_id=name, location=self._location, job_config=config, num_retries=5
                    )

            return start

        return [upload(path) for path in paths]

    def _delete(self, table: bigquery.Table, manifest: Manifest) -> Callable[[str], Any]:
        runs = bigquery.ArrayQueryParameter("runs", "STRING", sorted({manifest.run_id, *exported_runs(manifest)}))
        config = bigquery.QueryJobConfig(query_parameters=[runs])
        # The name is checked above; BigQuery accepts no query parameter for a table name.
        sql = f"DELETE FROM `{table.reference}` WHERE run_id IN UNNEST(@runs)"  # noqa: S608
        query = self._client.query
        return lambda name: query(sql, job_id=name, location=self._location, job_config=config, job_retry=None)

    def _once(self, unit: str, start: Callable[[str], Any]) -> None:
        """Run a job, or wait for the same job of another export and retry it if that one failed."""
        for attempt in count():
            name = f"{unit}_{attempt}"
            job = self._job(name)
            ours = job is None
            if job is None:
                try:
                    job = start(name)
                except Conflict:
                    job, ours = self._client.get_job(name, location=self._location), False
            try:
                job.result()
            except GoogleAPICallError:
                if ours or not job.error_result:
                    raise
            else:
                return

    def _latest(self, unit: str) -> Any:
        last = None
        for attempt in count():
            job = self._job(f"{unit}_{attempt}")
            if job is None:
                return last
            last = job
        return None

    def _job(self, name: str) -> Any:
        try:
            return self._client.get_job(name, location=self._location)
        except NotFound:
            return None


def _field(field: pa.Field) -> bigquery.SchemaField:
    """Map a column; its nullability must equal that in the files, or BigQuery rejects them."""
    description = (field.metadata or {}).get(b"description", b"").decode()
    if pa.types.is_list(field.type):
        item = field.type.value_type
        return bigquery.SchemaField(field.name, _type(item), "REPEATED", description=description, fields=_fields(item))
    mode = "NULLABLE" if field.nullable else "REQUIRED"
    return bigquery.SchemaField(
        field.name, _type(field.type), mode, description=description, fields=_fields(field.type)
    )


def _fields(type_: pa.DataType) -> list[bigquery.SchemaField]:
    return [_field(f) for f in type_] if pa.types.is_struct(type_) else []


def _type(type_: pa.DataType) -> str:
    return {
        "string": "STRING",
        "bool": "BOOLEAN",
        "int32": "INTEGER",
        "int64": "INTEGER",
        "float": "FLOAT",
        "date32[day]": "DATE",
        "timestamp[us, tz=UTC]": "TIMESTAMP",
    }.get(str(type_), "RECORD")


def _check(option: str, value: str, allowed: re.Pattern[str], meaning: str) -> None:
    if not allowed.fullmatch(value):
        raise ExportError(f"{option} {value} is not valid: expected {meaning}")


@contextmanager
def _translated_errors(target: str) -> Iterator[None]:
    try:
        yield
    except GoogleAuthError as error:
        raise ExportError(
            "BigQuery needs Google credentials: run `gcloud auth application-default login`, or set "
            f"GOOGLE_APPLICATION_CREDENTIALS ({str(error).splitlines()[0]})"
        ) from error
    except GoogleAPIError as error:
        raise ExportError(f"BigQuery rejected the export to {target}: {str(error).splitlines()[0]}") from error
