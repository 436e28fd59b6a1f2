"""Forgotten pages are deleted from all files of the lake, and later runs skip them."""

import gzip
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import accept, commit, exclusive
from pipeline.lake.compaction import compact
from pipeline.lake.forget import forget, parse_target
from pipeline.lake.manifest import Check, manifests
from pipeline.lake.recovery import recover
from pipeline.lake.tombstones import read_tombstones
from pipeline.lake.transaction import HeldError, RunLockedError, locked
from tests.support.lakes import (
    COPY_OF_STORM,
    DAY,
    STORM,
    by_glob,
    by_manifest,
    column,
    lake_of_version_1,
    manifest_files,
    on_disk,
    run_of,
    tables_on_disk,
)
from tests.support.records import make_article, make_fetch
from tests.support.staging import CONFIG, CrashingStore, Killed
from transforms.schema.failures import Reason
from transforms.schema.records import Article
from transforms.schema.urls import url_id
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.warc.reader import read_warc
from transforms.write.parquet import merge_staged_files, write_rows

STORM_ROWS = {"_warc": 1, "articles": 1, "entities": 10, "fetches": 2, "quotes": 9, "stories": 1}
ALL_DAYS = "2027-01-01"


@pytest.fixture
def v1(tmp_path: Path) -> FolderStore:
    return lake_of_version_1(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def page(url: str, text: str = "", **fields: object) -> Article:
    """An article at a URL."""
    return make_article(0, text or f"The text of {url}.", url=url, article_id=url_id(url), **fields)


def archived(store: Store) -> list[str]:
    """URLs of all pages in the archives on disk."""
    found = []
    for path in store.files("_warc"):
        with Path(store.root, path).open("rb") as file:
            found += [page.request.url for page in read_warc(file, path)]
    return sorted(found)


def ids_on_disk(store: Store) -> set[str]:
    """Article ids in all Parquet files in the folder of the lake."""
    files = [p for p in store.files("") if p.endswith(".parquet")]
    return {i for p in files for i in pc.unique(pq.read_table(Path(store.root, p))["article_id"]).to_pylist()}


def test_page_is_deleted_from_all_tables_and_archives(v1: FolderStore) -> None:
    before, pages = by_manifest(v1), archived(v1)
    storm = url_id(STORM)
    removed = forget(v1, parse_target(STORM, None))
    assert (dict(removed.rows), removed.runs, removed.locked_runs) == (STORM_ROWS, 2, [])
    assert by_manifest(v1) == {table: [r for r in rows if storm not in r] for table, rows in before.items()}
    assert by_glob(v1) == by_manifest(v1)
    assert archived(v1) == [p for p in pages if p != STORM]
    assert storm not in ids_on_disk(v1)
    assert not any(
        b"The gates did what" in gzip.decompress(b) for p, b in on_disk(v1).items() if "_warc/v1-20250312" in p
    )
    assert STORM.encode() not in b"".join(b for p, b in on_disk(v1).items() if p.startswith("_forgotten"))
    assert v1.files("_staging") == []


@pytest.mark.parametrize("compacted", [False, True])
def test_domain_is_deleted_with_subdomains_and_redirects(store: Store, compacted: bool) -> None:
    kept = page("http://other.example/1")
    gone = [page("http://news.site.example/1"), page("http://site.example:8080/2")]
    moved = page("http://short.example/x", final_url="http://www.site.example/3")
    run_of(store, "a-20260304T0000", [kept, *gone])
    run_of(store, "b-20260304T0100", [moved, replace(kept, version_id="edited")], failures=[])
    assert len(list(compact(store, date(2027, 1, 1)))) if compacted else True
    removed = forget(store, parse_target("site.example", None))
    assert removed.rows == {"articles": 3, "fetches": 3, "stories": 3}
    assert ids_on_disk(store) == {kept.article_id}
    assert len(column(store, "SELECT 1 FROM articles")) == 2
    assert by_glob(store) == by_manifest(store)


def test_old_days_are_deleted_and_their_runs_stay_committed(v1: FolderStore) -> None:
    run_of(v1, "late-20260304T0000", [page("http://late.example/1")])
    removed = forget(v1, parse_target(None, "2025-03-13"))
    assert removed.rows == {
        "_warc": 2,
        "articles": 2,
        "entities": 17,
        "failures": 1,
        "fetches": 3,
        "quotes": 21,
        "stories": 2,
    }
    assert set(column(v1, "SELECT run_id FROM fetches")) == {"late-20260304T0000", "v1-20250313T0000"}
    assert [m.run_id for m in manifests(v1)] == ["late-20260304T0000", "v1-20250312T0000", "v1-20250313T0000"]
    known = read_tombstones(v1)
    assert known.covers(url_id(STORM), STORM, DAY), "its only text was too old"
    assert not known.covers(url_id(COPY_OF_STORM), COPY_OF_STORM, DAY)
    assert known.covers("any", "http://any.example/", date(2025, 3, 12))


def test_dry_run_counts_and_changes_nothing(v1: FolderStore) -> None:
    before = on_disk(v1)
    assert forget(v1, parse_target(STORM, None), dry_run=True).rows == STORM_ROWS
    assert on_disk(v1) == before


def test_repeated_forget_changes_nothing(v1: FolderStore) -> None:
    forget(v1, parse_target(STORM, None))
    before = {p: b for p, b in on_disk(v1).items() if not p.startswith("_forgotten")}
    assert not forget(v1, parse_target(STORM, None)).rows
    assert {p: b for p, b in on_disk(v1).items() if not p.startswith("_forgotten")} == before


def test_run_in_progress_deletes_forgotten_rows_with_its_commit(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM), page("http://other.example/1")])
    forget(store, parse_target(STORM, None))
    skipped = make_fetch(0, url=STORM, article_id=url_id(STORM), outcome="skipped", reason=Reason.FORGOTTEN.value)
    run_of(store, "b-20260304T0100", [page(STORM, "New words."), page("http://other.example/2")])
    run_of(store, "c-20260304T0200", [], fetches=[skipped])
    assert column(store, "SELECT url FROM articles ORDER BY 1") == ["http://other.example/1", "http://other.example/2"]
    assert column(store, f"SELECT run_id FROM fetches WHERE url = '{STORM}'") == ["c-20260304T0200"]
    assert by_glob(store) == by_manifest(store)
    assert [(m.run_id, m.urls) for m in manifests(store)][1] == ("b-20260304T0100", 1)


def test_staged_files_of_crashed_runs_are_deleted(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page("http://other.example/1")])
    for run_id in ("crashed-20260304T0000", "active-20260304T0000"):
        run = recover(store, new_attempt(run_id, DAY, store.root), CONFIG)
        write_rows(run, "articles", [page(STORM)], f"{run.staging}/rows/articles/a.parquet")
    with locked(store, "active-20260304T0000"):
        forget(store, parse_target(STORM, None))
    assert {path.split("/")[1] for path in store.files("_staging")} == {"active-20260304T0000"}


def test_held_run_deletes_forgotten_rows_when_accepted(store: Store) -> None:
    run = new_attempt("held-20260304T0000", DAY, store.root)
    urls = (STORM, "http://other.example/1")
    rows: dict[str, list[Any]] = {
        "articles": [page(url) for url in urls],
        "fetches": [make_fetch(0, url=url, article_id=url_id(url)) for url in urls],
    }
    with exclusive(store, run.run_id), pytest.raises(HeldError):
        files = [
            file
            for table, records in rows.items()
            for file in merge_staged_files(
                run, [write_rows(run, table, records, f"{run.staging}/rows/{table}/a.parquet")]
            )
        ]
        commit(store, run, files, urls=2, checks=[Check(name="a", figure=1, limit=0, of=1, breach="Too much.")])
    forget(store, parse_target(STORM, None))
    with exclusive(store, run.run_id):
        accept(store, run.run_id)
    assert column(store, "SELECT url FROM articles") == ["http://other.example/1"]
    assert url_id(STORM) not in ids_on_disk(store)


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, -30), slice(40, None), slice(0, 700)])
def test_damaged_archive_is_an_error_and_changes_nothing(keep: slice, v1: FolderStore) -> None:
    [manifest] = [m for m in manifests(v1) if m.run_id == "v1-20250312T0000"]
    [file] = manifest.files["_warc"]
    damaged = Path(v1.root, file.path)
    damaged.write_bytes(damaged.read_bytes()[keep])
    before = {path: data for path, data in on_disk(v1).items() if not path.startswith("_forgotten")}
    with pytest.raises(OSError, match=rf"the archive .*{damaged.name} is damaged"):
        forget(v1, parse_target(STORM, None))
    assert {path: data for path, data in on_disk(v1).items() if not path.startswith("_forgotten")} == before


def test_rows_of_skipped_urls_are_kept(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    forget(store, parse_target(None, ALL_DAYS))
    skipped = make_fetch(0, url=STORM, article_id=url_id(STORM), outcome="skipped", reason=Reason.FORGOTTEN.value)
    run_of(store, "b-20260304T0100", [], fetches=[skipped, make_fetch(1)])
    assert column(store, "SELECT reason FROM fetches") == [Reason.FORGOTTEN.value]


def test_locked_run_is_reported(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    with locked(store, "a-20260304T0000"):
        removed = forget(store, parse_target(STORM, None))
    assert (removed.locked_runs, dict(removed.rows)) == (["a-20260304T0000"], {})
    assert forget(store, parse_target(STORM, None)).rows == {"articles": 1, "fetches": 1, "stories": 1}


def test_concurrent_changes_are_rejected(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    with (
        exclusive(store, "_compact"),
        pytest.raises(RunLockedError, match="another process compacts the lake or deletes rows from it"),
    ):
        forget(store, parse_target(STORM, None))


def test_crash_at_any_step_of_forget(tmp_path: Path) -> None:
    made = FolderStore(str(tmp_path / "lake"))
    for hour in range(2):
        run_of(made, f"r{hour}-20260304T0000", [page(STORM, f"Words {hour}."), page(f"http://other.example/{hour}")])
    rows = "SELECT [run_id, url] FROM articles ORDER BY ALL"
    full, left = (
        column(made, rows),
        [["r0-20260304T0000", "http://other.example/0"], ["r1-20260304T0000", "http://other.example/1"]],
    )
    for crash_at in range(1, 100):
        store = FolderStore(str(shutil.copytree(made.root, tmp_path / str(crash_at))))
        try:
            forget(CrashingStore(store, crash_at), parse_target(STORM, None))
        except Killed:
            # Each run is either unchanged or without the page.
            assert left == [row for row in column(store, rows) if row[1] != STORM]
            assert set(map(tuple, column(store, rows))) <= set(map(tuple, full))
            with exclusive(store, "any-20260304T0000"):
                assert store.files("_staging") == []
            assert tables_on_disk(store) == manifest_files(store)
            forget(store, parse_target(STORM, None))
            assert column(store, rows) == left
            assert url_id(STORM) not in ids_on_disk(store)
        else:
            assert crash_at >= 20
            return


@pytest.mark.parametrize(
    ("target", "before", "message"),
    [
        (None, None, "give exactly one of"),
        ("a.example", ALL_DAYS, "give exactly one of"),
        (None, "March", "--before March: expected YYYY-MM-DD"),
        ("localhost", None, "localhost is not a valid URL or domain"),
        ("a.example/page", None, "a.example/page is not a valid"),
        ("a.example:81", None, "is not a valid URL or domain"),
        ("a b", None, "is not a valid URL or domain"),
        ("ftp://a.example/x", None, "is not a valid URL or domain"),
        ("%", None, "is not a valid URL or domain"),
    ],
)
def test_invalid_target_is_rejected(target: str | None, before: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_target(target, before)
