"""Export to Iceberg, read back with pyiceberg."""

from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("pyiceberg")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyiceberg", "ignore::ResourceWarning")

from pyiceberg.catalog import Catalog  # noqa: E402
from pyiceberg.table import Table as IcebergTable  # noqa: E402

from pipeline.cli.app import app  # noqa: E402
from pipeline.export.iceberg import RUN, VERSION, export, open_catalog  # noqa: E402
from pipeline.export.selection import ExportError  # noqa: E402
from pipeline.lake.compaction import compact  # noqa: E402
from pipeline.lake.forget import forget, parse_target  # noqa: E402
from tests.support.export_lakes import commit_run, in_order, rows_of  # noqa: E402
from tests.support.gcs import gcs_of_another_process  # noqa: E402
from transforms.schema.tables import TABLES  # noqa: E402
from transforms.storage.base import Store  # noqa: E402
from transforms.storage.folder import FolderStore  # noqa: E402
from transforms.storage.open import open_store  # noqa: E402

TOMORROW = date(2026, 3, 5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = FolderStore(str(tmp_path / "the lake=1"))
    commit_run(store, "a-20260304T000", {1: "Ada one", 2: "Bo two"})
    commit_run(store, "a-20260304T0001", {3: "Cy three"})
    return store


@pytest.fixture
def catalog(store: Store) -> Iterator[Catalog]:
    with open_catalog(store, {}) as catalog:
        yield catalog


def run_export(store: Store, catalog: Catalog, run: str | None = None) -> list[tuple[str, str, int]]:
    return list(export(store, catalog, "press", run))


def quotes(catalog: Catalog) -> IcebergTable:
    return catalog.load_table("press.quotes")


def rows(catalog: Catalog, table: str, **scan: Any) -> list[dict[str, Any]]:
    return in_order(table, catalog.load_table(f"press.{table}").scan(**scan).to_arrow().to_pylist())


def same(store: Store, catalog: Catalog) -> bool:
    """Whether every table has the rows of the lake, and only files of the lake."""
    for table in TABLES:
        files = [t.file.file_path for t in catalog.load_table(f"press.{table}").scan().plan_files()]
        root = store.root if store.root.startswith("gs://") else f"file://{store.root}"
        assert all(path.startswith(f"{root}/{table}/dt=") for path in files)
        assert len(files) == len(set(files))
    return all(rows(catalog, table) == rows_of(store, table) for table in TABLES)


def test_rows_equal_those_of_the_lake(store: Store, catalog: Catalog) -> None:
    assert [line for line in run_export(store, catalog) if line[0] == "quotes"] == [
        ("quotes", "a-20260304T000", 2),
        ("quotes", "a-20260304T0001", 1),
    ]
    assert same(store, catalog)
    assert rows(catalog, "quotes")[0]["spans"][0] == {"start": 0, "end": 2}


def test_one_snapshot_per_run(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog)
    assert run_export(store, catalog) == []
    snapshots = [s.summary for s in quotes(catalog).snapshots() if s.summary]
    assert [s[RUN] for s in snapshots] == ["a-20260304T000", "a-20260304T0001"]
    assert all(str(s[VERSION]).endswith(".0") for s in snapshots)


def test_partitions_by_run_date(store: Store, catalog: Catalog) -> None:
    commit_run(store, "b-1", {4: "Di four"}, TOMORROW)
    run_export(store, catalog)
    assert [str(f.transform) for f in quotes(catalog).spec().fields] == ["identity"]
    scan = quotes(catalog).scan(row_filter=f"run_date = '{TOMORROW}'")
    assert [t.file.partition[0] for t in scan.plan_files()] == [(TOMORROW - date(1970, 1, 1)).days]
    assert [r["text"] for r in scan.to_arrow().to_pylist()] == ["Di four"]
    meaning = next(c.meaning for c in TABLES["quotes"].columns if c.name == "cue")
    assert quotes(catalog).schema().find_field("cue").doc == meaning


def test_replaced_run(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog)
    commit_run(store, "a-20260304T0001", {4: "Di four", 5: "Ed five"})
    assert [line for line in run_export(store, catalog) if line[0] == "quotes"] == [("quotes", "a-20260304T0001", 2)]
    assert same(store, catalog)
    last = quotes(catalog).snapshots()[-1].summary
    assert last is not None
    assert (last["added-data-files"], last["deleted-data-files"]) == ("1", "1")


def test_export_of_one_run(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog, "a-20260304T000")
    assert {r["run_id"] for r in rows(catalog, "quotes")} == {"a-20260304T000"}
    run_export(store, catalog, "a-20260304T0001")
    assert same(store, catalog)
    with pytest.raises(ExportError, match="--run c-1 is not committed"):
        run_export(store, catalog, "c-1")


def test_compacted_files(store: Store, catalog: Catalog) -> None:
    commit_run(store, "z-1", {9: "Zoe nine"}, TOMORROW)
    run_export(store, catalog)
    before = rows(catalog, "quotes")
    assert len(list(compact(store, TOMORROW))) == 1
    # The replacements of removed files are registered, whichever run is exported.
    run_export(store, catalog, "z-1")
    assert rows(catalog, "quotes") == before
    assert same(store, catalog)
    assert len(list(quotes(catalog).scan().plan_files())) == 2


def test_replaced_run_after_compaction(store: Store, catalog: Catalog) -> None:
    list(compact(store, TOMORROW))
    run_export(store, catalog)
    commit_run(store, "a-20260304T0001", {4: "Di four"})
    run_export(store, catalog, "a-20260304T0001")
    assert same(store, catalog)
    assert [r["text"] for r in rows(catalog, "quotes")] == [r["text"] for r in rows_of(store, "quotes")]


def test_forgotten_rows_are_removed(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog)
    forget(store, parse_target("site0.example", None))
    run_export(store, catalog)
    assert same(store, catalog)
    assert "Cy three" not in {r["text"] for r in rows(catalog, "quotes")}
    assert not [t for t in quotes(catalog).scan().plan_files() if t.file.record_count == 0]


def test_new_columns_are_added(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog)
    with quotes(catalog).update_schema() as change:
        change.delete_column("cue")
    run_export(store, catalog)
    assert "cue" in quotes(catalog).schema().column_names


def test_read_of_an_older_snapshot(store: Store, catalog: Catalog) -> None:
    run_export(store, catalog)
    first = quotes(catalog).snapshots()[0]
    assert datetime.fromtimestamp(first.timestamp_ms / 1000, timezone.utc).year >= 2026
    assert len(rows(catalog, "quotes", snapshot_id=first.snapshot_id)) == 2


def test_command(store: Store) -> None:
    command = ["export", "iceberg", "--namespace", "press", "--lake", store.root]
    first, second = (CliRunner().invoke(app, command) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "quotes: a-20260304T000: 2 rows registered" in first.output
    assert second.output == "Nothing to do: all rows are already registered.\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--namespace", "a b"], "--namespace a b is not valid: expected letters"),
        (["--namespace", "x", "--catalog-property", "uri"], "expected KEY=VALUE"),
        (
            ["--namespace", "x", "--catalog-property", "type=none"],
            "the Iceberg catalog (--catalog-property) cannot be used",
        ),
        (["--namespace", "x", "--catalog-property", "uri=sqlite:////no/where.db"], "unable to open database file"),
        (["--namespace", "x", "--run", "c-1"], "--run c-1 is not committed"),
    ],
)
def test_invalid_options(store: Store, options: list[str], sentence: str) -> None:
    refused = CliRunner().invoke(app, ["export", "iceberg", "--lake", store.root, *options])
    assert (refused.exit_code, sentence in refused.output) == (2, True), refused.output


def test_own_catalog(store: Store, tmp_path: Path) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/own.db", "warehouse": f"file://{tmp_path}/own"}
    with open_catalog(store, properties) as own:
        run_export(store, own)
        assert same(store, own)
    assert Path(tmp_path, "own").is_dir()
    assert not Path(store.root, "_iceberg").exists()


def test_lake_in_a_bucket(tmp_path: Path) -> None:
    with gcs_of_another_process("press") as address:
        store = open_store("gs://press/lake")
        commit_run(store, "a-1", {1: "Ada one", 2: "Bo two"})
        refused = CliRunner().invoke(app, ["export", "iceberg", "--namespace", "press", "--lake", store.root])
        assert (refused.exit_code, "which cannot hold the default SQLite catalog" in refused.output) == (2, True)
        properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/own.db", "warehouse": store.uri("_iceberg")}
        service = {
            "gcs.service.host": address,
            "gcs.oauth2.token": "any",
            "gcs.oauth2.token-expires-at": "4102444800000",
        }
        with open_catalog(store, {**properties, **service}) as catalog:
            assert ("quotes", "a-1", 2) in run_export(store, catalog)
            assert same(store, catalog)
            commit_run(store, "a-1", {1: "Ada one"})
            assert ("quotes", "a-1", 1) in run_export(store, catalog)
            assert same(store, catalog)
            assert run_export(store, catalog) == []
