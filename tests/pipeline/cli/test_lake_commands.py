"""`onrecord files`, `forget`, `compact` and `query` as a user types them."""

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


def test_files_prints_the_exact_list_one_a_line(v1: FolderStore) -> None:
    Path(v1.root, "articles/dt=2025-03-13/part-of-nobody.parquet").write_bytes(b"no run names this")
    everything = onrecord(v1, "files").stdout.split()
    assert sorted(everything) == [v1.uri(p) for p in tables_on_disk(v1) if "nobody" not in p]
    [one] = onrecord(v1, "files", "--run", RUN, "--table", "quotes").stdout.split()
    assert pq.read_metadata(one).num_rows == 21
    assert onrecord(v1, "files", "--run", RUN, "--table", "failures").stdout == ""


def test_files_as_json_says_what_each_holds(v1: FolderStore) -> None:
    lines = [json.loads(line) for line in onrecord(v1, "files", "--run", RUN, "--format", "jsonl").stdout.splitlines()]
    assert {line["table"]: line["rows"] for line in lines} == {
        **{"articles": 2, "entities": 16, "quotes": 21, "stories": 2, "fetches": 3, "_warc": 2}
    }
    assert all(Path(line["uri"]).stat().st_size == line["bytes"] for line in lines)
    assert {(line["run_id"], tuple(line["holds_runs"])) for line in lines} == {(RUN, ())}


ODD_IDS = ["../x", "a/b", "", "a" * 10_000, "a\0b", ".hidden"]


@pytest.mark.parametrize("run_id", ODD_IDS)
def test_what_is_no_run_id_is_refused_in_one_sentence(run_id: str, v1: FolderStore) -> None:
    before = on_disk(v1)
    config = Path(v1.root).parent / "ids.yaml"
    config.write_text("name: ids\nlake: unused\nsources: [{type: urls, path: ids.yaml}]\n")
    for command in (
        ["run", str(config), "--run-id", run_id],
        ["files", "--run", run_id],
        ["publish", "duckdb", f"{v1.root}.duckdb", "--run", run_id],
        ["publish", "bigquery", "--project", "p", "--dataset", "d", "--run", run_id],
        ["publish", "iceberg", "--namespace", "n", "--run", run_id],
    ):
        done = onrecord(v1, *command)
        assert (done.exit_code, done.stdout) == (2, ""), command
        [said] = done.stderr.splitlines()
        assert "is not a valid run ID: allowed are up to 128 letters (a to z), digits, dots, - and _" in said
        assert len(said) < 500
    assert on_disk(v1) == before


def test_a_run_is_not_made_in_the_place_of_a_compaction(v1: FolderStore) -> None:
    config = Path(v1.root).parent / "ids.yaml"
    config.write_text("name: ids\nlake: unused\nsources: [{type: urls, path: ids.yaml}]\n")
    done = onrecord(v1, "run", str(config), "--run-id", "compact.20250313.00000000", "--replace")
    assert done.exit_code == 2
    assert "IDs of compactions begin with compact." in done.stderr


def test_files_of_a_compacted_run_are_those_that_hold_its_rows(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    for hour in range(2):
        run_of(store, f"r{hour}-20260304T0{hour}00", [make_article(hour)])
    done = onrecord(store, "compact", "--before", "2026-03-05")
    assert (done.exit_code, done.stdout) == (0, "2026-03-04: 6 files of 2 runs became 3\n")
    assert onrecord(store, "compact").stdout.startswith("nothing to do: no day before 20")
    listed = onrecord(store, "files", "--run", "r1-20260304T0100", "--format", "jsonl").stdout.splitlines()
    assert {tuple(json.loads(line)["holds_runs"]) for line in listed} == {("r0-20260304T0000", "r1-20260304T0100")}


def test_forget_says_what_went_by_table(v1: FolderStore) -> None:
    before = on_disk(v1)
    dry = onrecord(v1, "forget", STORM, "--dry-run")
    assert (dry.exit_code, on_disk(v1)) == (0, before)
    assert "quotes: 9 rows would be removed\n" in dry.stdout
    done = onrecord(v1, "forget", STORM)
    assert (done.exit_code, done.stdout) == (
        0,
        "_warc: 1 page removed\narticles: 1 row removed\nentities: 10 rows removed\nfetches: 2 rows removed\n"
        "quotes: 9 rows removed\nstories: 1 row removed\nFrom 2 runs. It will not come back.\n",
    )
    assert onrecord(v1, "forget", STORM).stdout == "Nothing of it is in the lake. It will not come back.\n"


def test_forget_names_the_runs_that_it_could_not_reach(v1: FolderStore) -> None:
    with locked(v1, RUN):
        done = onrecord(v1, "forget", "brindle-post.example")
    assert done.exit_code == 1
    assert f"being made anew right now, so that their earlier rows still stand: {RUN}; give this command" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forget"], "give exactly one of a URL, a domain and --before YYYY-MM-DD"),
        (["compact", "--before", "May"], "--before May: YYYY-MM-DD is expected"),
        (
            ["files", "--table", "quotations"],
            "--table quotations: there is no such table; allowed are articles, entities",
        ),
        (["files", "--run", "never"], "--run never: no such run is committed in"),
        (
            ["query", "FROM quotes", "--gazetteer", "none.csv"],
            "the gazetteer none.csv cannot be read as CSV or Parquet",
        ),
    ],
)
def test_wrong_use_is_refused_in_one_sentence(v1: FolderStore, arguments: list[str], message: str) -> None:
    done = onrecord(v1, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("onrecord: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_lake_being_changed_by_another_process_is_refused(v1: FolderStore) -> None:
    with locked(v1, "_compact"):
        for command in (["compact"], ["forget", STORM]):
            done = onrecord(v1, *command)
            assert (done.exit_code, "another process compacts the lake" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", [["files"], ["forget", STORM], ["compact"]])
def test_a_folder_without_runs_is_refused(tmp_path: Path, command: list[str]) -> None:
    done = onrecord(FolderStore(str(tmp_path / "none")), *command)
    assert (done.exit_code, "no committed run lies there" in done.stderr) == (2, True)
    assert not (tmp_path / "none").exists()


def test_query_knows_the_views_and_a_gazetteer(v1: FolderStore, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,office\nIngrid Sorley,harbour\n")
    sql = "SELECT value, quotes FROM quoted_voices_by_attribute ORDER BY value"
    done = onrecord(v1, "query", sql, "--gazetteer", str(people), "--format", "jsonl")
    assert [json.loads(line)["value"] for line in done.stdout.splitlines()] == ["harbour", None]


@pytest.mark.parametrize("command", [["forget", "http://wire.example/"], ["diff", "RUN", "RUN", "--lake-b", "LAKE"]])
def test_a_damaged_file_is_named(v1: FolderStore, command: list[str]) -> None:
    manifest = manifests(v1)[0]
    path = manifest.files["fetches"][0].path
    Path(v1.root, path).write_bytes(b"cut off")
    places = {"RUN": manifest.run_id, "LAKE": f"{v1.root}/."}
    result = onrecord(v1, *(places.get(word, word) for word in command))
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert path in sentence
