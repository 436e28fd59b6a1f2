"""Export to BigQuery, with an emulator of its REST interface."""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

pytest.importorskip("bqemulator", reason="the emulator needs Python 3.11")
pytest.importorskip("google.cloud.bigquery")

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from pipeline.cli.app import app
from pipeline.export.bigquery import export
from pipeline.export.selection import ExportError
from pipeline.lake.compaction import compact
from pipeline.lake.forget import forget, parse_target
from tests.support.bigquery import BigQuery, serve_bigquery
from tests.support.export_lakes import commit_run, in_order, rows_of
from tests.support.gcs import serve_gcs
from transforms.schema.tables import TABLES
from transforms.storage.base import Store
from transforms.storage.open import open_store

PROJECT = "demo-project"
TOMORROW = date(2026, 3, 5)


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("buckets")


@pytest.fixture(scope="module")
def service(buckets: Path) -> Iterator[BigQuery]:
    with serve_bigquery(buckets) as served:
        yield served


@pytest.fixture
def client(service: BigQuery) -> Iterator[bigquery.Client]:
    service.jobs.clear()
    with bigquery.Client(PROJECT, credentials=AnonymousCredentials()) as client:
        yield client


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).partition("[")[0]


def run_export(store: Store, dataset: str, run: str | None = None) -> dict[tuple[str, str], int]:
    return {(table, unit): rows for table, unit, rows in export(store, PROJECT, dataset, None, run)}


def rows(client: bigquery.Client, dataset: str, table: str) -> list[dict[str, Any]]:
    found = client.query(f"SELECT * FROM `{PROJECT}.{dataset}.{table}`").result()
    return in_order(table, [dict(row) for row in found])


def same(client: bigquery.Client, store: Store, dataset: str) -> bool:
    """Whether every table has the rows of the lake; a null list is empty in BigQuery."""
    for name, table in TABLES.items():
        lists = {c.name for c in table.columns if pa.types.is_list(c.type)}
        wanted = [{c: [] if v is None and c in lists else v for c, v in row.items()} for row in rows_of(store, name)]
        if rows(client, dataset, name) != wanted:
            return False
    return True


def test_rows_equal_those_of_the_lake(client: bigquery.Client, service: BigQuery, store: Store, dataset: str) -> None:
    service.list_loads.clear()
    assert run_export(store, dataset)["quotes", "a-1"] == 2
    assert service.list_loads == [True] * 8
    assert same(client, store, dataset)
    table = client.get_table(f"{PROJECT}.{dataset}.quotes")
    fields = {f.name: (f.field_type, f.mode) for f in table.schema}
    assert list(fields) == TABLES["quotes"].schema.names
    assert fields["spans"] == ("RECORD", "REPEATED")
    assert fields["verbatim_text"] == ("STRING", "REPEATED")
    assert fields["quote_id"] == ("STRING", "REQUIRED")
    assert fields["published_at"] == ("TIMESTAMP", "NULLABLE")
    words = client.query(f"SELECT word FROM `{PROJECT}.{dataset}.quotes`, UNNEST(verbatim_text) word").result()
    assert len(list(words)) == 6


def test_tables_are_partitioned_and_clustered(client: bigquery.Client, store: Store, dataset: str) -> None:
    run_export(store, dataset)
    for name in TABLES:
        table = client.get_table(f"{PROJECT}.{dataset}.{name}")
        assert table.time_partitioning.field == "run_date"
        assert table.clustering_fields == (["domain", "speaker_name"] if name == "quotes" else ["domain"])


def test_second_export_loads_nothing(client: bigquery.Client, service: BigQuery, store: Store, dataset: str) -> None:
    run_export(store, dataset)
    jobs = list(service.jobs)
    assert len(jobs) == len(set(jobs))
    assert run_export(store, dataset) == {}
    assert service.jobs == jobs
    assert same(client, store, dataset)


def test_replaced_run(client: bigquery.Client, store: Store, dataset: str) -> None:
    run_export(store, dataset)
    commit_run(store, "b-1", {4: "Di four", 5: "Ed five"}, TOMORROW)
    again = run_export(store, dataset)
    assert {key[1] for key in again} == {"b-1"}
    assert again["quotes", "b-1"] == 2
    assert same(client, store, dataset)


def test_export_of_one_run(client: bigquery.Client, store: Store, dataset: str) -> None:
    run_export(store, dataset, "b-1")
    assert {r["run_id"] for r in rows(client, dataset, "quotes")} == {"b-1"}
    run_export(store, dataset, "a-1")
    assert same(client, store, dataset)


def test_compacted_and_forgotten_rows(client: bigquery.Client, store: Store, dataset: str) -> None:
    run_export(store, dataset)
    assert len(list(compact(store, TOMORROW))) == 1
    run_export(store, dataset, "a-1")
    assert same(client, store, dataset)
    forget(store, parse_target("site0.example", None))
    run_export(store, dataset)
    assert same(client, store, dataset)
    assert "Cy three" not in {r["text"] for r in rows(client, dataset, "quotes")}


def test_failed_load_is_retried(client: bigquery.Client, service: BigQuery, store: Store, dataset: str) -> None:
    service.refuse_loads = 1
    with pytest.raises(ExportError, match=f"BigQuery rejected the export to {PROJECT}.{dataset}: .*reading data"):
        run_export(store, dataset)
    run_export(store, dataset)
    assert same(client, store, dataset)


def test_interrupted_export_is_finished(client: bigquery.Client, store: Store, dataset: str) -> None:
    steps = export(store, PROJECT, dataset)
    assert next(steps)[2] == 2
    del steps
    assert ("articles", "a-1") not in run_export(store, dataset)
    assert same(client, store, dataset)


def test_dropped_table_is_loaded_again(client: bigquery.Client, store: Store, dataset: str) -> None:
    run_export(store, dataset)
    client.delete_table(f"{PROJECT}.{dataset}.quotes")
    run_export(store, dataset)
    assert same(client, store, dataset)


def test_table_without_required_columns_is_refused(client: bigquery.Client, store: Store, dataset: str) -> None:
    client.create_dataset(f"{PROJECT}.{dataset}")
    schema = [bigquery.SchemaField("run_id", "STRING", "REQUIRED")]
    client.create_table(bigquery.Table(f"{PROJECT}.{dataset}.articles", schema))
    with pytest.raises(
        ExportError, match=r"articles lacks the required columns .*; this table was not created by Onrecord"
    ):
        run_export(store, dataset)


def test_table_with_another_column_type_is_refused(client: bigquery.Client, store: Store, dataset: str) -> None:
    client.create_dataset(f"{PROJECT}.{dataset}")
    schema = [bigquery.SchemaField("run_id", "INTEGER", "REQUIRED")]
    client.create_table(bigquery.Table(f"{PROJECT}.{dataset}.articles", schema))
    with pytest.raises(ExportError, match="the column run_id is INTEGER, but STRING is required"):
        run_export(store, dataset)


def test_lake_in_a_bucket_is_loaded_from_there(client: bigquery.Client, buckets: Path, dataset: str) -> None:
    with serve_gcs("press") as gcs:
        store = open_store("gs://press/lake")
        commit_run(store, "a-1", {1: "Ada one", 2: "Bo two"})
        for path in store.files(""):
            copy = buckets / "press/lake" / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(store.read(path) or b"")
        gcs.log.clear()
        assert run_export(store, dataset)["quotes", "a-1"] == 2
        assert not [line for line in gcs.log if ".parquet" in line and "alt=media" in line]
        assert same(client, store, dataset)


@pytest.mark.parametrize(
    ("option", "value"), [("--project", "x`; --"), ("--dataset", "a-b"), ("--location", "EU'"), ("--run", "c-1")]
)
def test_invalid_names_are_refused(client: bigquery.Client, store: Store, option: str, value: str) -> None:
    options = {"--project": PROJECT, "--dataset": "press", "--lake": store.root, option: value}
    refused = CliRunner().invoke(app, ["export", "bigquery", *(word for pair in options.items() for word in pair)])
    assert (refused.exit_code, refused.output.startswith(f"onrecord: {option} {value} is not ")) == (2, True), (
        refused.output
    )


def test_command(client: bigquery.Client, store: Store, dataset: str) -> None:
    command = ["export", "bigquery", "--project", PROJECT, "--dataset", dataset, "--lake", store.root]
    first, second = (CliRunner().invoke(app, command) for _ in range(2))
    assert "quotes: a-1: 2 rows loaded" in first.output.splitlines()
    assert second.output == "Nothing to do: all rows are already loaded.\n"


def test_missing_extra_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery", None)
    monkeypatch.delitem(sys.modules, "pipeline.export.bigquery", raising=False)
    monkeypatch.delattr("google.cloud.bigquery")
    command = ["export", "bigquery", "--project", PROJECT, "--dataset", "press", "--lake", store.root]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert refused.output == ("onrecord: `export bigquery` needs an extra: pip install 'onrecord[bigquery]'\n")


def test_missing_credentials_are_explained(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ExportError, match="BigQuery needs Google credentials: run `gcloud auth"):
        list(export(store, PROJECT, "press"))
