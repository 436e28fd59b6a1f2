"""Compaction merges files and keeps all rows; compacted runs can be run again or forgotten."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import pipeline.lake.compaction
from pipeline.lake.commit import exclusive
from pipeline.lake.compaction import compact
from pipeline.lake.delete_rows import Deletion, delete_rows
from pipeline.lake.manifest import manifests, read_manifest
from pipeline.lake.transaction import locked
from tests.support.lakes import DAY, by_glob, by_manifest, column, lake_of_version_1, run_of
from tests.support.records import make_article
from tests.support.staging import CrashingStore, Killed
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore

LATER = date(2027, 1, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A day with three small runs, two of which fetched the same page, and a day with one run."""
    made = FolderStore(str(tmp_path / "lake"))
    for hour in range(3):
        run_of(made, f"r{hour}-20260304T0{hour}00", [make_article(hour), make_article(9, "The same.")])
    run_of(made, "next-20260305T0000", [make_article(20)], DAY + timedelta(days=1))
    return made


def parts(store: Store) -> list[str]:
    return [p for p in store.files("") if p.endswith(".parquet")]


def test_small_runs_of_a_day_are_merged_into_one_file_per_table(store: Store) -> None:
    before = by_manifest(store)
    [done] = compact(store, LATER)
    assert (done.day, done.runs, done.files_before, done.files_after) == (DAY, 3, 9, 3)
    assert by_manifest(store) == by_glob(store) == before
    assert len(parts(store)) == 3 + 3
    assert store.files("_staging") == []
    for path in parts(store):
        if "compact" in path:
            rows = pq.read_table(Path(store.root, path)).to_pylist()
            assert [r["domain"] for r in rows] == sorted(r["domain"] for r in rows)
    assert list(compact(store, LATER)) == []


def test_days_from_the_limit_on_are_skipped(store: Store) -> None:
    before = parts(store)
    assert list(compact(store, DAY)) == []
    assert parts(store) == before


def test_compacted_runs_can_be_read_separately(store: Store) -> None:
    before = {run: by_manifest(store, run) for run in ("r0-20260304T0000", "r2-20260304T0200")}
    list(compact(store, LATER))
    assert {run: by_manifest(store, run) for run in before} == before
    assert all(read_manifest(store, run) for run in before)


def test_compacted_run_can_be_replaced(store: Store) -> None:
    list(compact(store, LATER))
    others = {run: by_manifest(store, run) for run in ("r0-20260304T0000", "r2-20260304T0200")}
    run_of(store, "r1-20260304T0100", [make_article(1, "New words.")])
    assert column(store, "SELECT text FROM articles WHERE run_id = 'r1-20260304T0100'") == ["New words."]
    assert {run: by_manifest(store, run) for run in others} == others
    assert by_glob(store) == by_manifest(store)
    [done] = compact(store, LATER)
    assert (done.runs, done.files_after) == (2, 3)
    assert by_glob(store) == by_manifest(store)
    assert column(store, "SELECT count(*) FROM fetches") == [6]


def test_rows_of_a_replaced_run_in_a_locked_compaction_are_excluded(store: Store) -> None:
    list(compact(store, LATER))
    with locked(store, "_compact"):
        run_of(store, "r1-20260304T0100", [make_article(1, "New words.")])
    seen = column(store, "SELECT text FROM articles WHERE run_id = 'r1-20260304T0100'")
    assert (seen, len(by_glob(store)["articles"])) == (["New words."], 8)
    run_of(store, "r5-20260304T0500", [make_article(5)])
    assert by_glob(store) == by_manifest(store)


def test_second_compaction_includes_the_first(store: Store) -> None:
    list(compact(store, LATER))
    run_of(store, "r7-20260304T0700", [make_article(7)])
    before = by_manifest(store)
    [done] = compact(store, LATER)
    assert (done.runs, done.files_before, done.files_after) == (2, 6, 3)
    assert by_manifest(store) == by_glob(store) == before
    assert by_manifest(store, "r1-20260304T0100")["articles"]


def test_large_runs_are_skipped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.lake.compaction, "TARGET_BYTES", 10)
    assert list(compact(store, LATER)) == []


def test_locked_run_is_skipped(store: Store) -> None:
    before = by_manifest(store)
    with locked(store, "r1-20260304T0100"):
        [done] = compact(store, LATER)
    assert done.runs == 2
    assert by_manifest(store) == by_glob(store) == before


def test_files_of_an_older_schema_version_are_merged(tmp_path: Path) -> None:
    v1 = lake_of_version_1(tmp_path)
    run_of(v1, "new-20250312T0900", [make_article(1, sketch=(1, -2))], date(2025, 3, 12))
    before = by_manifest(v1)
    assert [d.day for d in compact(v1, LATER)] == [date(2025, 3, 12)]
    assert by_manifest(v1) == by_glob(v1) == before
    assert column(v1, "SELECT sketch FROM articles ORDER BY sketch NULLS LAST")[:2] == [[1, -2], None]
    assert [Path(f.path).parts[1] for m in manifests(v1) for f in m.files["_warc"]] == [
        "v1-20250312T0000",
        "v1-20250313T0000",
    ]


def test_rows_deleted_during_a_compaction_stay_deleted(store: Store) -> None:
    gone, crashing = make_article(1).article_id, CrashingStore(store, 2)
    with pytest.raises(Killed):
        list(compact(crashing, LATER))
    [current] = [m for m in manifests(store) if m.run_id == "r1-20260304T0100"]
    delete_rows(store, current, Deletion(article_ids=frozenset({gone})))
    with exclusive(store, "any-20260304T0000"):
        assert any(m.supersedes for m in manifests(store)), "the write-ahead manifest of the compaction is applied"
    seen = "SELECT count(*) FROM articles WHERE run_id = 'r1-20260304T0100'"
    assert column(store, seen) == [1]
    run_of(store, "r8-20260304T0800", [make_article(8)])
    assert by_glob(store) == by_manifest(store)
    assert gone not in str(by_glob(store))


def test_crash_at_any_step_of_a_compaction(store: Store, tmp_path: Path) -> None:
    before = by_manifest(store)
    for crash_at in range(1, 100):
        copy = FolderStore(str(shutil.copytree(store.root, tmp_path / str(crash_at))))
        try:
            list(compact(CrashingStore(copy, crash_at), LATER))
        except Killed:
            assert by_manifest(copy) == before
            with exclusive(copy, "any-20260304T0000"):
                assert copy.files("_staging") == []
            assert by_manifest(copy) == by_glob(copy) == before
        else:
            assert crash_at > 15
            return
