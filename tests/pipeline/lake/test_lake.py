"""Commit protocol: readers see a complete run or nothing, wherever a process crashes."""

import json
from pathlib import Path

import pytest

from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import LakeFile, Manifest, check_run_id, manifests, read_manifest, to_json
from pipeline.lake.query.catalog import open_lake
from pipeline.lake.transaction import CommitError, RunLockedError, apply
from tests.support.lakes import LAKE_V1
from tests.support.staging import CrashingStore, Killed, stage, texts
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store, StoreError
from transforms.storage.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def visible(store: Store) -> list[str]:
    """The files that a reader finds by listing the folders."""
    return sorted(p.relative_to(store.root).as_posix() for p in Path(store.root).glob("[!_]*/**/*.parquet"))


def test_commit_makes_all_tables_visible(store: Store) -> None:
    run, files = stage(store)
    assert visible(store) == []
    manifest = commit(store, run, files, urls=2)
    assert [Path(p).parts[0] for p in visible(store)] == ["articles", "fetches", "stories"]
    assert visible(store) == sorted(f.path for table in manifest.files.values() for f in table)
    assert read_manifest(store, run.run_id) == manifest
    assert store.files("_staging") == []
    assert texts(store) == ["one", "two"]


def test_commit_is_idempotent(store: Store) -> None:
    run, files = stage(store)
    assert commit(store, run, files, urls=2) == commit(store, run, files, urls=2)
    assert texts(store) == ["one", "two"]


def test_row_counts_that_do_not_reconcile_are_not_committed(store: Store) -> None:
    run, files = stage(store)
    with pytest.raises(CommitError, match="the run has 3 URLs, and `fetches` has 2 rows"):
        commit(store, run, files, urls=3)
    assert visible(store) == []
    assert manifests(store) == []


def test_staged_files_of_a_crash_are_deleted_by_the_next_run(store: Store) -> None:
    stage(store)
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == []


def test_staged_files_of_a_run_in_progress_are_kept(store: Store) -> None:
    with exclusive(store, "daily-20260304T0000"):
        stage(store)
        before = store.files("_staging")
        with exclusive(store, "other-20260304T0000"):
            assert store.files("_staging") == before != []


def test_run_in_progress_is_locked(store: Store) -> None:
    with (
        exclusive(store, "daily-20260304T0000"),
        pytest.raises(RunLockedError, match="run daily-20260304T0000 is in progress in another process"),
        exclusive(store, "daily-20260304T0000"),
    ):
        pass


def steps_of_a_commit(store: Store) -> int:
    """Number of changes that a commit makes in the lake."""
    counting = CrashingStore(store, None)
    run, files = stage(store, "count-20260304T0000")
    commit(counting, run, files, urls=2)
    return counting.changes


@pytest.mark.parametrize("after", [False, True])
def test_crash_at_any_step_of_a_commit(store: Store, after: bool) -> None:
    for crash_at in range(1, steps_of_a_commit(store) + 1):
        run, files = stage(store, f"daily{crash_at}-20260304T0000", {100 * crash_at: f"first {crash_at}"})
        with pytest.raises(Killed):
            commit(CrashingStore(store, crash_at, after=after), run, files, urls=1)
        decided = store.read(f"{run.staging}/manifest.json") is not None or read_manifest(store, run.run_id) is not None
        with exclusive(store, run.run_id):
            committed = read_manifest(store, run.run_id)
        assert (committed is not None) == decided
        assert store.files("_staging") == []
        assert visible(store) == sorted(f.path for m in manifests(store) for t in m.files.values() for f in t)


def test_replaced_run_has_only_new_rows(store: Store) -> None:
    for run_id, content in (("a-20260304T0000", {1: "a"}), ("b-20260304T0000", {2: "b"})):
        run, files = stage(store, run_id, content)
        commit(store, run, files, urls=1)
    others = [p for p in visible(store) if "b-2026" in p]
    run, files = stage(store, "a-20260304T0000", {1: "a", 3: "new"})
    manifest = commit(store, run, files, urls=2)
    assert texts(store) == ["a", "b", "new"]
    assert [p for p in visible(store) if "b-2026" in p] == others
    assert len(visible(store)) == 6
    assert len(manifest.replaces) == 3


def test_crash_while_replacing_shows_old_or_new_rows(store: Store) -> None:
    run, files = stage(store, texts={1: "old"})
    commit(store, run, files, urls=1)
    for crash_at in range(1, 12):
        run, files = stage(store, texts={1: f"new {crash_at}"})
        crashing = CrashingStore(store, crash_at)
        before = texts(store)
        with pytest.raises(Killed):
            commit(crashing, run, files, urls=1)
        assert texts(store) in (before, [f"new {crash_at}"]) or not Path(store.root, "_runs").exists()
        with exclusive(store, run.run_id):
            pass
        assert texts(store) in (before, [f"new {crash_at}"])
        assert len(visible(store)) == 3


def test_equal_texts_are_one_story(store: Store) -> None:
    run, files = stage(store, texts={1: "wire", 2: "own", 5: "wire"})
    commit(store, run, files, urls=3)
    later, files = stage(store, "next-20260304T0100", {7: "wire"})
    commit(store, later, files, urls=1)
    with open_lake(store) as database:
        rows = database.execute(
            "SELECT text, count(DISTINCT story_id), count(*) FILTER (is_original), count(*) "
            "FROM stories JOIN articles USING (version_id) GROUP BY text ORDER BY text"
        ).fetchall()
    assert rows == [("own", 1, 1, 1), ("wire", 1, 1, 3)]


def test_empty_lake_has_empty_tables(store: Store) -> None:
    with open_lake(store) as database:
        for table in ("articles", "entities", "quotes", "stories", "fetches", "failures"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]


def test_single_run_can_be_opened(store: Store) -> None:
    for run_id, content in (("a-20260304T0000", {1: "a"}), ("b-20260304T0000", {2: "b"})):
        run, files = stage(store, run_id, content)
        commit(store, run, files, urls=1)
    with open_lake(store, "b-20260304T0000") as database:
        assert database.execute("SELECT text FROM articles").fetchall() == [("b",)]


def test_manifest_round_trip(store: Store) -> None:
    run, files = stage(store)
    manifest = commit(store, run, files, urls=2)
    assert Manifest.model_validate_json(to_json(manifest)) == manifest


KEYS = (
    "run_id run_date attempt schema_version committed_at urls files replaces checks revision follows config_hash "
    "supersedes"
)


def test_manifest_file_has_the_keys_of_version_1(store: Store) -> None:
    """A lake of any release is read and written identically."""
    old = json.loads(LAKE_V1.joinpath("_runs/v1-20250312T0000.json").read_text())
    run, files = stage(store)
    commit(store, run, files, urls=2)
    first = json.loads(store.read(f"_runs/{run.run_id}.json") or b"")
    assert list(first) == KEYS.split()
    assert set(old) <= set(first)
    assert set(old["files"]["articles"][0]) <= set(first["files"]["articles"][0])
    again, files = stage(store)
    commit(store, again, files, urls=2)
    second = json.loads(store.read(f"_runs/{run.run_id}.json") or b"")
    assert (first["follows"], second["follows"]) == (None, f"{run.attempt}.0")


def test_manifest_file_of_version_1_is_written_identically() -> None:
    data = LAKE_V1.joinpath("_runs/v1-20250312T0000.json").read_text()
    written = json.loads(to_json(Manifest.model_validate_json(data)))
    assert {key: written[key] for key in json.loads(data)} == {
        **json.loads(data),
        "files": written["files"],
    }
    follows = json.dumps({**json.loads(data), "follows": "0a1b2c3d.0"})
    assert Manifest.model_validate_json(follows).parent_version == "0a1b2c3d.0"
    assert json.loads(to_json(Manifest.model_validate_json(follows)))["follows"] == "0a1b2c3d.0"


def test_first_of_two_attempts_is_kept(
    store: Store,
) -> None:
    first, files = stage(store, texts={1: "first"})
    late, late_files = stage(store, texts={1: "late"})
    with pytest.raises(Killed):
        # It crashes after it has written the write-ahead manifest.
        commit(CrashingStore(store, 1, after=True), late, late_files, urls=1)
    commit(store, first, files, urls=1)
    before = visible(store)
    manifest = read_manifest(store, first.run_id)
    with exclusive(store, "other-20260304T0000"):
        pass
    assert (visible(store), texts(store)) == (before, ["first"])
    assert read_manifest(store, first.run_id) == manifest
    assert store.files("_staging") == []


def test_manifest_with_another_parent_is_rejected(store: Store) -> None:
    first, files = stage(store, texts={1: "first"})
    late, late_files = stage(store, texts={1: "late"})
    manifest = commit(store, first, files, urls=1)
    before = visible(store)
    rejected = manifest.model_copy(update={"files": {"articles": [_moved(late, f) for f in late_files]}})
    with pytest.raises(CommitError, match=f"run {first.run_id} was committed by another process meanwhile"):
        apply(store, rejected.model_copy(update={"attempt": late.attempt, "parent_version": None}), late.staging)
    assert (visible(store), read_manifest(store, first.run_id)) == (before, manifest)


def _moved(run: Run, file: StagedFile) -> LakeFile:
    return LakeFile(path=file.path.removeprefix(f"{run.staging}/publish/"), rows=file.rows, bytes=file.bytes)


@pytest.mark.parametrize("run_id", ["daily-20260304T0000", "a", "A.b_c-9", "9" * 128])
def test_valid_run_id(run_id: str) -> None:
    check_run_id(run_id, is_new=True)


ODD_IDS = ["", "../x", "a/b", "a\\b", ".", "..", ".a", "_compact", "-a", "a" * 129, "a\0b", "a\n", "a b", "é", "a'b"]


@pytest.mark.parametrize("run_id", ODD_IDS)
def test_invalid_run_id_is_rejected(run_id: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid run ID: allowed are up to 128 letters") as rejected:
        check_run_id(run_id)
    assert len(str(rejected.value).splitlines()) == 1
    assert len(str(rejected.value)) < 400


def test_new_run_cannot_have_the_id_of_a_compaction() -> None:
    check_run_id("compact.20260304.0a1b2c3d")
    with pytest.raises(ValueError, match=r"is not allowed as a run ID: IDs of compactions begin with compact\."):
        check_run_id("compact.20260304.0a1b2c3d", is_new=True)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "articles/../../x", "articles//x", ".", ""])
def test_manifest_with_a_path_outside_the_lake_is_rejected(path: str, store: Store) -> None:
    run, files = stage(store)
    manifest = commit(store, run, files, urls=2)
    outside = Path(store.root).parent / "x"
    outside.write_text("unchanged")
    for changed in ({"replaces": [path]}, {"files": {"articles": [{"path": path, "rows": 1, "bytes": 1}]}}):
        prepared = f"_staging/{run.run_id}/a/manifest.json"
        store.write(prepared, json.dumps({**manifest.model_dump(mode="json"), **changed}).encode())
        with (
            pytest.raises(StoreError, match=r"manifest.json is not a valid manifest \(.* is outside the lake"),
            exclusive(store, "other-20260304T0000"),
        ):
            pass
        store.delete([prepared])
    assert outside.read_text() == "unchanged"
    assert texts(store) == ["one", "two"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b'{"run_id": "../x"}'])
def test_invalid_manifest_is_named_in_one_sentence(data: bytes, store: Store) -> None:
    store.write("_runs/odd.json", data)
    with pytest.raises(StoreError, match=r"_runs/odd.json is not a valid manifest \(") as rejected:
        manifests(store)
    assert len(str(rejected.value).splitlines()) == 1
