"""The commit protocol, without a graph: a run shows whole or not at all, wherever it died."""

from datetime import date
from pathlib import Path

import pytest

import pipeline.lake
from pipeline.lake import (
    CommitError,
    Manifest,
    RunLockedError,
    commit,
    exclusive,
    manifests,
    new_attempt,
    read_manifest,
)
from pipeline.query import open_lake
from pipeline.stories import write_stories
from tests.conftest import make_article, make_fetch
from transforms.records import Run, StagedFile
from transforms.store import FolderStore, Store
from transforms.write import publish_files, write_rows

DAY = date(2026, 3, 4)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of ours catches it."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def stage(
    store: Store, run_id: str = "daily-20260304T0000", texts: dict[int, str] | None = None
) -> tuple[Run, list[StagedFile]]:
    """Stages and publishes (not: commits) a run of a few articles: number -> text."""
    run = new_attempt(run_id, DAY, store.root)
    articles = [make_article(n, text) for n, text in (texts or {1: "one", 2: "two"}).items()]
    fetches = [make_fetch(n) for n in (texts or {1: "one", 2: "two"})]
    files = publish_files(run, [write_rows(run, "articles", articles, f"{run.staging}/rows/articles/a.parquet")])
    files += publish_files(run, [write_rows(run, "fetches", fetches, f"{run.staging}/rows/fetches/f.parquet")])
    return run, [*files, *write_stories(run, [f for f in files if f.table == "articles"])]


def visible(store: Store) -> list[str]:
    """What a reader who globs for tables sees."""
    return sorted(p.relative_to(store.root).as_posix() for p in Path(store.root).glob("[!_]*/**/*.parquet"))


def texts(store: Store) -> list[str]:
    with open_lake(store) as database:
        return [text for (text,) in database.execute("SELECT text FROM articles ORDER BY 1").fetchall()]


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


class Mortal(FolderStore):
    """A folder whose process dies at the n-th change, before or after it is made."""

    def __init__(self, store: Store, dies_at: int | None, *, after: bool = False) -> None:
        super().__init__(store.root)
        self.changes, self._dies_at, self._after = 0, dies_at, after

    def _step(self, after: bool) -> None:
        if self.changes == self._dies_at and self._after is after:
            raise Killed

    def write(self, path: str, data: bytes) -> None:
        self.changes += 1
        self._step(after=False)
        super().write(path, data)
        self._step(after=True)

    def move(self, source: str, target: str) -> None:
        self.changes += 1
        self._step(after=False)
        super().move(source, target)
        self._step(after=True)

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            self.changes += 1
            self._step(after=False)
            super().delete([path])
            self._step(after=True)


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
    assert Manifest.model_validate_json(pipeline.lake._to_json(manifest)) == manifest
