"""Iceberg tables over the lake's own files, read back by pyiceberg."""

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
from pipeline.export.iceberg import RUN, STAMP, open_catalog, publish  # noqa: E402
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


def do(store: Store, catalog: Catalog, run: str | None = None) -> list[tuple[str, str, int]]:
    return list(publish(store, catalog, "press", run))


def quotes(catalog: Catalog) -> IcebergTable:
    return catalog.load_table("press.quotes")


def rows(catalog: Catalog, table: str, **scan: Any) -> list[dict[str, Any]]:
    return in_order(table, catalog.load_table(f"press.{table}").scan(**scan).to_arrow().to_pylist())


def same(store: Store, catalog: Catalog) -> bool:
    """Whether every table reads as the lake does, and through files of the lake alone."""
    for table in TABLES:
        files = [t.file.file_path for t in catalog.load_table(f"press.{table}").scan().plan_files()]
        root = store.root if store.root.startswith("gs://") else f"file://{store.root}"
        assert all(path.startswith(f"{root}/{table}/dt=") for path in files)
        assert len(files) == len(set(files))
    return all(rows(catalog, table) == rows_of(store, table) for table in TABLES)


def test_the_tables_read_as_the_lake_does(store: Store, catalog: Catalog) -> None:
    assert [line for line in do(store, catalog) if line[0] == "quotes"] == [
        ("quotes", "a-20260304T000", 2),
        ("quotes", "a-20260304T0001", 1),
    ]
    assert same(store, catalog)
    assert rows(catalog, "quotes")[0]["spans"][0] == {"start": 0, "end": 2}


def test_there_is_one_snapshot_a_run_and_doing_it_again_makes_none(store: Store, catalog: Catalog) -> None:
    do(store, catalog)
    assert do(store, catalog) == []
    snapshots = [s.summary for s in quotes(catalog).snapshots() if s.summary]
    assert [s[RUN] for s in snapshots] == ["a-20260304T000", "a-20260304T0001"]
    assert all(str(s[STAMP]).endswith(".0") for s in snapshots)


def test_tables_are_partitioned_by_the_day_of_the_run(store: Store, catalog: Catalog) -> None:
    commit_run(store, "b-1", {4: "Di four"}, TOMORROW)
    do(store, catalog)
    assert [str(f.transform) for f in quotes(catalog).spec().fields] == ["identity"]
    scan = quotes(catalog).scan(row_filter=f"run_date = '{TOMORROW}'")
    assert [t.file.partition[0] for t in scan.plan_files()] == [(TOMORROW - date(1970, 1, 1)).days]
    assert [r["text"] for r in scan.to_arrow().to_pylist()] == ["Di four"]
    meaning = next(c.meaning for c in TABLES["quotes"].columns if c.name == "cue")
    assert quotes(catalog).schema().find_field("cue").doc == meaning


def test_a_run_made_anew_takes_the_place_of_its_rows(store: Store, catalog: Catalog) -> None:
    do(store, catalog)
    commit_run(store, "a-20260304T0001", {4: "Di four", 5: "Ed five"})
    assert [line for line in do(store, catalog) if line[0] == "quotes"] == [("quotes", "a-20260304T0001", 2)]
    assert same(store, catalog)
    last = quotes(catalog).snapshots()[-1].summary
    assert last is not None
    assert (last["added-data-files"], last["deleted-data-files"]) == ("1", "1")


def test_one_run_alone_can_be_published(store: Store, catalog: Catalog) -> None:
    do(store, catalog, "a-20260304T000")
    assert {r["run_id"] for r in rows(catalog, "quotes")} == {"a-20260304T000"}
    do(store, catalog, "a-20260304T0001")
    assert same(store, catalog)
    with pytest.raises(ExportError, match="--run c-1: no such run"):
        do(store, catalog, "c-1")


def test_compacted_files_take_the_place_of_those_they_hold(store: Store, catalog: Catalog) -> None:
    commit_run(store, "z-1", {9: "Zoe nine"}, TOMORROW)
    do(store, catalog)
    before = rows(catalog, "quotes")
    assert len(list(compact(store, TOMORROW))) == 1
    # Whatever run is asked for, rows that are there stay there.
    do(store, catalog, "z-1")
    assert rows(catalog, "quotes") == before
    assert same(store, catalog)
    assert len(list(quotes(catalog).scan().plan_files())) == 2


def test_a_compacted_run_that_was_made_anew_has_its_new_rows_alone(store: Store, catalog: Catalog) -> None:
    list(compact(store, TOMORROW))
    do(store, catalog)
    commit_run(store, "a-20260304T0001", {4: "Di four"})
    do(store, catalog, "a-20260304T0001")
    assert same(store, catalog)
    assert [r["text"] for r in rows(catalog, "quotes")] == [r["text"] for r in rows_of(store, "quotes")]


def test_forgotten_rows_go(store: Store, catalog: Catalog) -> None:
    do(store, catalog)
    forget(store, parse_target("site0.example", None))
    do(store, catalog)
    assert same(store, catalog)
    assert "Cy three" not in {r["text"] for r in rows(catalog, "quotes")}
    assert not [t for t in quotes(catalog).scan().plan_files() if t.file.record_count == 0]


def test_a_table_of_an_older_version_gets_the_new_columns(store: Store, catalog: Catalog) -> None:
    do(store, catalog)
    with quotes(catalog).update_schema() as change:
        change.delete_column("cue")
    do(store, catalog)
    assert "cue" in quotes(catalog).schema().column_names


def test_the_time_a_table_had_can_be_read(store: Store, catalog: Catalog) -> None:
    do(store, catalog)
    first = quotes(catalog).snapshots()[0]
    assert datetime.fromtimestamp(first.timestamp_ms / 1000, timezone.utc).year >= 2026
    assert len(rows(catalog, "quotes", snapshot_id=first.snapshot_id)) == 2


def test_the_command_registers_and_says_so(store: Store) -> None:
    command = ["publish", "iceberg", "--namespace", "press", "--lake", store.root]
    first, second = (CliRunner().invoke(app, command) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "quotes: a-20260304T000: 2 rows registered" in first.output
    assert second.output == "All of it is registered already.\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--namespace", "a b"], "--namespace a b: names of letters"),
        (["--namespace", "x", "--catalog-property", "uri"], "KEY=VALUE is expected"),
        (
            ["--namespace", "x", "--catalog-property", "type=none"],
            "the Iceberg catalog (--catalog-property) cannot be used",
        ),
        (["--namespace", "x", "--catalog-property", "uri=sqlite:////no/where.db"], "unable to open database file"),
        (["--namespace", "x", "--run", "c-1"], "--run c-1: no such run"),
    ],
)
def test_wrong_use_is_said(store: Store, options: list[str], sentence: str) -> None:
    refused = CliRunner().invoke(app, ["publish", "iceberg", "--lake", store.root, *options])
    assert (refused.exit_code, sentence in refused.output) == (2, True), refused.output


def test_another_catalog_serves(store: Store, tmp_path: Path) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/own.db", "warehouse": f"file://{tmp_path}/own"}
    with open_catalog(store, properties) as own:
        do(store, own)
        assert same(store, own)
    assert Path(tmp_path, "own").is_dir()
    assert not Path(store.root, "_iceberg").exists()


def test_a_lake_in_a_bucket_is_registered_where_it_lies(tmp_path: Path) -> None:
    with gcs_of_another_process("press") as address:
        store = open_store("gs://press/lake")
        commit_run(store, "a-1", {1: "Ada one", 2: "Bo two"})
        refused = CliRunner().invoke(app, ["publish", "iceberg", "--namespace", "press", "--lake", store.root])
        assert (refused.exit_code, "cannot hold the default catalog" in refused.output) == (2, True)
        properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/own.db", "warehouse": store.uri("_iceberg")}
        reached = {
            "gcs.service.host": address,
            "gcs.oauth2.token": "any",
            "gcs.oauth2.token-expires-at": "4102444800000",
        }
        with open_catalog(store, {**properties, **reached}) as catalog:
            assert ("quotes", "a-1", 2) in do(store, catalog)
            assert same(store, catalog)
            commit_run(store, "a-1", {1: "Ada one"})
            assert ("quotes", "a-1", 1) in do(store, catalog)
            assert same(store, catalog)
            assert do(store, catalog) == []
