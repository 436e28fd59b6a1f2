"""The commit protocol, without a graph: a run shows whole or not at all, wherever it died."""

import json
from pathlib import Path

import pytest

import pipeline.lake.manifest
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import LakeFile, Manifest, check_run_id, manifests, read_manifest
from pipeline.lake.query.catalog import open_lake
from pipeline.lake.transaction import CommitError, RunLockedError, apply
from tests.support.staging import Killed, Mortal, stage, texts
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store, StoreError
from transforms.storage.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def visible(store: Store) -> list[str]:
    """What a reader who globs for tables sees."""
    return sorted(p.relative_to(store.root).as_posix() for p in Path(store.root).glob("[!_]*/**/*.parquet"))


def test_a_commit_makes_all_tables_visible_and_leaves_no_staging(store: Store) -> None:
    run, files = stage(store)
    assert visible(store) == []
    manifest = commit(store, run, files, urls=2)
    assert [Path(p).parts[0] for p in visible(store)] == ["articles", "fetches", "stories"]
    assert visible(store) == sorted(f.path for table in manifest.files.values() for f in table)
    assert read_manifest(store, run.run_id) == manifest
    assert store.files("_staging") == []
    assert texts(store) == ["one", "two"]


def test_committing_the_same_attempt_again_changes_nothing(store: Store) -> None:
    run, files = stage(store)
    assert commit(store, run, files, urls=2) == commit(store, run, files, urls=2)
    assert texts(store) == ["one", "two"]


def test_books_that_do_not_balance_are_not_published(store: Store) -> None:
    run, files = stage(store)
    with pytest.raises(CommitError, match="3 URLs came in and `fetches` has 2 rows"):
        commit(store, run, files, urls=3)
    assert visible(store) == []
    assert manifests(store) == []


def test_what_a_dead_attempt_staged_is_removed_by_the_next_run(store: Store) -> None:
    stage(store)
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == []


def test_what_a_living_attempt_stages_is_left_alone(store: Store) -> None:
    with exclusive(store, "daily-20260304T0000"):
        stage(store)
        before = store.files("_staging")
        with exclusive(store, "other-20260304T0000"):
            assert store.files("_staging") == before != []


def test_the_same_run_twice_at_once_is_refused(store: Store) -> None:
    with (
        exclusive(store, "daily-20260304T0000"),
        pytest.raises(RunLockedError, match="run daily-20260304T0000 is being made by another process"),
        exclusive(store, "daily-20260304T0000"),
    ):
        pass


def steps_of_a_commit(store: Store) -> int:
    """How many changes to the lake a commit makes."""
    counting = Mortal(store, None)
    run, files = stage(store, "count-20260304T0000")
    commit(counting, run, files, urls=2)
    return counting.changes


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_of_a_commit_the_lake_is_whole_again(store: Store, after: bool) -> None:
    for dies_at in range(1, steps_of_a_commit(store) + 1):
        run, files = stage(store, f"daily{dies_at}-20260304T0000", {100 * dies_at: f"first {dies_at}"})
        with pytest.raises(Killed):
            commit(Mortal(store, dies_at, after=after), run, files, urls=1)
        decided = store.read(f"{run.staging}/manifest.json") is not None or read_manifest(store, run.run_id) is not None
        with exclusive(store, run.run_id):
            committed = read_manifest(store, run.run_id)
        assert (committed is not None) == decided
        assert store.files("_staging") == []
        assert visible(store) == sorted(f.path for m in manifests(store) for t in m.files.values() for f in t)


def test_replacing_a_run_swaps_its_rows_and_touches_no_other(store: Store) -> None:
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


def test_killed_while_replacing_old_or_new_rows_show_never_both(store: Store) -> None:
    run, files = stage(store, texts={1: "old"})
    commit(store, run, files, urls=1)
    for dies_at in range(1, 12):
        run, files = stage(store, texts={1: f"new {dies_at}"})
        mortal = Mortal(store, dies_at)
        before = texts(store)
        with pytest.raises(Killed):
            commit(mortal, run, files, urls=1)
        assert texts(store) in (before, [f"new {dies_at}"]) or not Path(store.root, "_runs").exists()
        with exclusive(store, run.run_id):
            pass
        assert texts(store) in (before, [f"new {dies_at}"])
        assert len(visible(store)) == 3


def test_the_same_words_on_two_sites_are_one_story_with_one_original(store: Store) -> None:
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


def test_a_lake_without_runs_has_all_tables_empty(store: Store) -> None:
    with open_lake(store) as database:
        for table in ("articles", "entities", "quotes", "stories", "fetches", "failures"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]


def test_one_run_alone_can_be_seen(store: Store) -> None:
    for run_id, content in (("a-20260304T0000", {1: "a"}), ("b-20260304T0000", {2: "b"})):
        run, files = stage(store, run_id, content)
        commit(store, run, files, urls=1)
    with open_lake(store, "b-20260304T0000") as database:
        assert database.execute("SELECT text FROM articles").fetchall() == [("b",)]


def test_a_manifest_reads_back_as_it_was_written(store: Store) -> None:
    run, files = stage(store)
    manifest = commit(store, run, files, urls=2)
    assert Manifest.model_validate_json(pipeline.lake.manifest.to_json(manifest)) == manifest


def test_a_run_that_another_process_committed_meanwhile_stands_and_nothing_of_the_late_one_is_seen(
    store: Store,
) -> None:
    first, files = stage(store, texts={1: "first"})
    late, late_files = stage(store, texts={1: "late"})
    with pytest.raises(Killed):
        # Dead as soon as it has decided.
        commit(Mortal(store, 1, after=True), late, late_files, urls=1)
    commit(store, first, files, urls=1)
    before = visible(store)
    manifest = read_manifest(store, first.run_id)
    with exclusive(store, "other-20260304T0000"):
        pass
    assert (visible(store), texts(store)) == (before, ["first"])
    assert read_manifest(store, first.run_id) == manifest
    assert store.files("_staging") == []


def test_a_manifest_that_follows_another_than_stands_is_refused_before_a_file_moves(store: Store) -> None:
    first, files = stage(store, texts={1: "first"})
    late, late_files = stage(store, texts={1: "late"})
    manifest = commit(store, first, files, urls=1)
    before = visible(store)
    refused = manifest.model_copy(update={"files": {"articles": [_moved(late, f) for f in late_files]}})
    with pytest.raises(CommitError, match=f"run {first.run_id} was committed by another process meanwhile"):
        apply(store, refused.model_copy(update={"attempt": late.attempt, "parent_version": None}), late.staging)
    assert (visible(store), read_manifest(store, first.run_id)) == (before, manifest)


def _moved(run: Run, file: StagedFile) -> LakeFile:
    return LakeFile(path=file.path.removeprefix(f"{run.staging}/publish/"), rows=file.rows, bytes=file.bytes)


@pytest.mark.parametrize("run_id", ["daily-20260304T0000", "a", "A.b_c-9", "9" * 128])
def test_ids_of_letters_digits_dots_and_hyphens_are_taken(run_id: str) -> None:
    check_run_id(run_id, is_new=True)


ODD_IDS = ["", "../x", "a/b", "a\\b", ".", "..", ".a", "_compact", "-a", "a" * 129, "a\0b", "a\n", "a b", "é", "a'b"]


@pytest.mark.parametrize("run_id", ODD_IDS)
def test_an_id_that_is_none_is_refused(run_id: str) -> None:
    with pytest.raises(ValueError, match=r"is no run id: up to 128 letters .* are allowed") as refused:
        check_run_id(run_id)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 400


def test_no_run_is_made_under_an_id_like_a_compactions() -> None:
    check_run_id("compact.20260304.0a1b2c3d")
    with pytest.raises(ValueError, match="is no id for a run"):
        check_run_id("compact.20260304.0a1b2c3d", is_new=True)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "articles/../../x", "articles//x", ".", ""])
def test_a_manifest_that_leads_out_of_the_lake_is_refused_and_nothing_happens(path: str, store: Store) -> None:
    run, files = stage(store)
    manifest = commit(store, run, files, urls=2)
    outside = Path(store.root).parent / "x"
    outside.write_text("not ours")
    for changed in ({"replaces": [path]}, {"files": {"articles": [{"path": path, "rows": 1, "bytes": 1}]}}):
        decision = f"_staging/{run.run_id}/a/manifest.json"
        store.write(decision, json.dumps({**manifest.model_dump(mode="json"), **changed}).encode())
        with (
            pytest.raises(StoreError, match=r"manifest.json is no manifest \(.* leads out of the lake"),
            exclusive(store, "other-20260304T0000"),
        ):
            pass
        store.delete([decision])
    assert outside.read_text() == "not ours"
    assert texts(store) == ["one", "two"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b'{"run_id": "../x"}'])
def test_a_file_that_is_no_manifest_is_named_in_one_sentence(data: bytes, store: Store) -> None:
    store.write("_runs/odd.json", data)
    with pytest.raises(StoreError, match=r"_runs/odd.json is no manifest \(") as refused:
        manifests(store)
    assert len(str(refused.value).splitlines()) == 1
