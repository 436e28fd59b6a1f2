"""The commands `onrecord files`, `forget`, `compact` and `query`."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.lake.manifest import manifests
from pipeline.lake.transaction import locked
from tests.support.lakes import STORM, lake_of_version_1, on_disk, run_of, tables_on_disk
from tests.support.records import make_article
from transforms.storage.folder import FolderStore

RUN = "v1-20250313T0000"


@pytest.fixture
def v1(tmp_path: Path) -> FolderStore:
    return lake_of_version_1(tmp_path)


def onrecord(store: FolderStore, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--lake", store.root])


def test_files_lists_one_per_line(v1: FolderStore) -> None:
    Path(v1.root, "articles/dt=2025-03-13/part-of-no-run.parquet").write_bytes(b"in no manifest")
    everything = onrecord(v1, "files").stdout.split()
    assert sorted(everything) == [v1.uri(p) for p in tables_on_disk(v1) if "no-run" not in p]
    [one] = onrecord(v1, "files", "--run", RUN, "--table", "quotes").stdout.split()
    assert pq.read_metadata(one).num_rows == 21
    assert onrecord(v1, "files", "--run", RUN, "--table", "failures").stdout == ""


def test_files_as_json(v1: FolderStore) -> None:
    lines = [json.loads(line) for line in onrecord(v1, "files", "--run", RUN, "--format", "jsonl").stdout.splitlines()]
    assert {line["table"]: line["rows"] for line in lines} == {
        **{"articles": 2, "entities": 16, "quotes": 21, "stories": 2, "fetches": 3, "_warc": 2}
    }
    assert all(Path(line["uri"]).stat().st_size == line["bytes"] for line in lines)
    assert {(line["run_id"], tuple(line["holds_runs"])) for line in lines} == {(RUN, ())}


INVALID_IDS = ["../x", "a/b", "", "a" * 10_000, "a\0b", ".hidden"]


@pytest.mark.parametrize("run_id", INVALID_IDS)
def test_invalid_run_id_is_refused(run_id: str, v1: FolderStore) -> None:
    before = on_disk(v1)
    config = Path(v1.root).parent / "ids.yaml"
    config.write_text("name: ids\nlake: unused\nsources: [{type: urls, path: ids.yaml}]\n")
    for command in (
        ["run", str(config), "--run-id", run_id],
        ["files", "--run", run_id],
        ["export", "duckdb", f"{v1.root}.duckdb", "--run", run_id],
        ["export", "bigquery", "--project", "p", "--dataset", "d", "--run", run_id],
        ["export", "iceberg", "--namespace", "n", "--run", run_id],
    ):
        done = onrecord(v1, *command)
        assert (done.exit_code, done.stdout) == (2, ""), command
        [message] = done.stderr.splitlines()
        assert "is not a valid run ID: allowed are up to 128 letters (a to z), digits, dots, - and _" in message
        assert len(message) < 500
    assert on_disk(v1) == before


def test_run_with_the_id_of_a_compaction_is_refused(v1: FolderStore) -> None:
    config = Path(v1.root).parent / "ids.yaml"
    config.write_text("name: ids\nlake: unused\nsources: [{type: urls, path: ids.yaml}]\n")
    done = onrecord(v1, "run", str(config), "--run-id", "compact.20250313.00000000", "--replace")
    assert done.exit_code == 2
    assert "IDs of compactions begin with compact." in done.stderr


def test_files_of_a_compacted_run(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    for hour in range(2):
        run_of(store, f"r{hour}-20260304T0{hour}00", [make_article(hour)])
    done = onrecord(store, "compact", "--before", "2026-03-05")
    assert (done.exit_code, done.stdout) == (0, "2026-03-04: merged 6 files of 2 runs into 3\n")
    assert onrecord(store, "compact").stdout.startswith("Nothing to do: no day before 20")
    listed = onrecord(store, "files", "--run", "r1-20260304T0100", "--format", "jsonl").stdout.splitlines()
    assert {tuple(json.loads(line)["holds_runs"]) for line in listed} == {("r0-20260304T0000", "r1-20260304T0100")}


def test_forget_prints_deleted_rows_by_table(v1: FolderStore) -> None:
    before = on_disk(v1)
    dry = onrecord(v1, "forget", STORM, "--dry-run")
    assert (dry.exit_code, on_disk(v1)) == (0, before)
    assert "quotes: 9 rows would be deleted\n" in dry.stdout
    done = onrecord(v1, "forget", STORM)
    assert (done.exit_code, done.stdout) == (
        0,
        "_warc: 1 page deleted\narticles: 1 row deleted\nentities: 10 rows deleted\nfetches: 2 rows deleted\n"
        "quotes: 9 rows deleted\nstories: 1 row deleted\nDeleted from 2 runs. Future runs will skip it.\n",
    )
    assert onrecord(v1, "forget", STORM).stdout == "No matching rows. Future runs will skip it.\n"


def test_forget_names_running_runs(v1: FolderStore) -> None:
    with locked(v1, RUN):
        done = onrecord(v1, "forget", "brindle-post.example")
    assert done.exit_code == 4
    assert f"{RUN}: the rows remain because these runs are running now; repeat this command" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forget"], "give exactly one of a URL, a domain and --before YYYY-MM-DD"),
        (["compact", "--before", "May"], "--before May: expected YYYY-MM-DD"),
        (
            ["files", "--table", "quotations"],
            "--table quotations is not a table; allowed are articles, entities",
        ),
        (["files", "--run", "never"], "--run never is not committed in"),
        (
            ["query", "FROM quotes", "--gazetteer", "none.csv"],
            "the gazetteer none.csv cannot be read as CSV or Parquet",
        ),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(v1: FolderStore, arguments: list[str], message: str) -> None:
    done = onrecord(v1, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("onrecord: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_locked_lake_is_refused(v1: FolderStore) -> None:
    with locked(v1, "_compact"):
        for command in (["compact"], ["forget", STORM]):
            done = onrecord(v1, *command)
            assert (done.exit_code, "another process compacts the lake" in done.stderr) == (4, True)


@pytest.mark.parametrize("command", [["files"], ["forget", STORM], ["compact"]])
def test_lake_without_runs_is_refused(tmp_path: Path, command: list[str]) -> None:
    done = onrecord(FolderStore(str(tmp_path / "none")), *command)
    assert (done.exit_code, "has no committed run" in done.stderr) == (2, True)
    assert not (tmp_path / "none").exists()


def test_query_with_a_gazetteer(v1: FolderStore, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,office\nIngrid Sorley,harbour\n")
    sql = "SELECT value, quotes FROM quoted_voices_by_attribute ORDER BY value"
    done = onrecord(v1, "query", sql, "--gazetteer", str(people), "--format", "jsonl")
    assert [json.loads(line)["value"] for line in done.stdout.splitlines()] == ["harbour", None]


@pytest.mark.parametrize("command", [["forget", "http://wire.example/"], ["diff", "RUN", "RUN", "--lake-b", "LAKE"]])
def test_damaged_file_is_named(v1: FolderStore, command: list[str]) -> None:
    manifest = manifests(v1)[0]
    path = manifest.files["fetches"][0].path
    Path(v1.root, path).write_bytes(b"cut off")
    places = {"RUN": manifest.run_id, "LAKE": f"{v1.root}/."}
    result = onrecord(v1, *(places.get(word, word) for word in command))
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert path in sentence
