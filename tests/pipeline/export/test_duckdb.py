"""Export to a DuckDB file: all rows and views, and atomic replacement."""

from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.export.duckdb import export
from pipeline.export.selection import ExportError
from pipeline.lake.query.catalog import VIEWS
from tests.support.export_lakes import commit_run, in_order, rows_of
from transforms.schema.tables import TABLES
from transforms.storage.base import Store


def test_rows_equal_those_of_the_lake(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "it's.duckdb"
    assert export(store, out) == {
        "articles": 3,
        "entities": 3,
        "quotes": 3,
        "stories": 0,
        "fetches": 3,
        "failures": 0,
    }
    with duckdb.connect(out, read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            rows = database.sql(f"FROM {table}").to_arrow_table().to_pylist()
            assert in_order(table, rows) == rows_of(store, table)


def test_views_and_column_comments(store: Store, tmp_path: Path) -> None:
    gazetteer = tmp_path / "people.csv"
    gazetteer.write_text("name,party\nAda,Blue\nBo,Red\n")
    export(store, tmp_path / "out.duckdb", gazetteer=str(gazetteer))
    with duckdb.connect(tmp_path / "out.duckdb", read_only=True) as database:
        for view in VIEWS:
            database.execute(f"FROM {view}").fetchall()
        assert database.execute("SELECT count(*) FROM quotes_latest").fetchall() == [(3,)]
        shares = "SELECT value, voices FROM quoted_voices_by_attribute WHERE attribute = 'party' ORDER BY value"
        assert database.execute(shares).fetchall() == [("Blue", 1), ("Red", 1), (None, 1)]
        comment = "SELECT comment FROM duckdb_columns() WHERE table_name = 'quotes' AND column_name = 'cue'"
        assert database.execute(comment).fetchall() == [
            (next(c.meaning for c in TABLES["quotes"].columns if c.name == "cue"),)
        ]


def test_file_is_replaced_atomically(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out.duckdb"
    export(store, out)
    with duckdb.connect(out, read_only=True) as reader:
        commit_run(store, "b-1", {4: "Di four", 5: "Ed five"})
        before = out.stat().st_ino
        assert export(store, out)["quotes"] == 4
        assert out.stat().st_ino != before
        assert reader.execute("SELECT count(*) FROM quotes").fetchall() == [(3,)]
    with duckdb.connect(out, read_only=True) as database:
        assert database.execute("SELECT count(*) FROM quotes").fetchall() == [(4,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake", "out.duckdb"]


def test_failed_export_keeps_the_old_file(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out.duckdb"
    export(store, out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match="gazetteer"):
        export(store, out, gazetteer=str(tmp_path / "none.csv"))
    damaged = next(Path(store.root, "quotes").rglob("*.parquet"))
    damaged.write_bytes(b"PAR1")
    with pytest.raises(ExportError, match=r"lake cannot be exported to .*out\.duckdb: "):
        export(store, out)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake", "out.duckdb"]


def test_export_of_one_run(store: Store, tmp_path: Path) -> None:
    assert export(store, tmp_path / "out.duckdb", "b-1")["quotes"] == 1
    with pytest.raises(ExportError, match=r"--run c-1 is not committed in .*lake; `onrecord runs"):
        export(store, tmp_path / "out.duckdb", "c-1")


def test_command(store: Store, tmp_path: Path) -> None:
    command = ["export", "duckdb", str(tmp_path / "out.duckdb"), "--lake", store.root]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.output.splitlines()[2]) == (0, "quotes: 3 rows")
    refused = CliRunner().invoke(app, [*command[:2], str(tmp_path / "no/out.duckdb"), *command[3:]])
    assert refused.exit_code == 2
    assert "cannot be written: name a file in an existing folder" in refused.output
    empty = CliRunner().invoke(app, [*command[:4], str(tmp_path / "empty")])
    assert (empty.exit_code, "has no committed run" in empty.output) == (2, True)
