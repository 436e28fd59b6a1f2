"""What is forgotten is in no file of the lake, and does not come back."""

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
    named,
    on_disk,
    run_of,
    tables_on_disk,
)
from tests.support.records import make_article, make_fetch
from tests.support.staging import CONFIG, Killed, Mortal
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
    """The URLs of all pages in archives, on disk."""
    found = []
    for path in store.files("_warc"):
        with Path(store.root, path).open("rb") as file:
            found += [page.request.url for page in read_warc(file, path)]
    return sorted(found)


def ids_on_disk(store: Store) -> set[str]:
    """The article ids in every Parquet file below the lake's folder, whoever names it."""
    files = [p for p in store.files("") if p.endswith(".parquet")]
    return {i for p in files for i in pc.unique(pq.read_table(Path(store.root, p))["article_id"]).to_pylist()}


def test_a_page_goes_out_of_all_tables_and_archives_and_others_stay(v1: FolderStore) -> None:
    before, pages = by_manifest(v1), archived(v1)
    storm = url_id(STORM)
    removed = forget(v1, parse_target(STORM, None))
    assert (dict(removed.rows), removed.runs, removed.waiting) == (STORM_ROWS, 2, [])
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
def test_a_domain_goes_with_all_below_it_and_what_led_to_it(store: Store, compacted: bool) -> None:
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


def test_old_days_go_whole_and_their_runs_stay_committed(v1: FolderStore) -> None:
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
    assert known.names(url_id(STORM), STORM, DAY), "its only text was too old"
    assert not known.names(url_id(COPY_OF_STORM), COPY_OF_STORM, DAY)
    assert known.names("any", "http://any.example/", date(2025, 3, 12))


def test_a_dry_run_says_the_same_and_changes_nothing(v1: FolderStore) -> None:
    before = on_disk(v1)
    assert forget(v1, parse_target(STORM, None), dry_run=True).rows == STORM_ROWS
    assert on_disk(v1) == before


def test_doing_it_again_changes_no_table(v1: FolderStore) -> None:
    forget(v1, parse_target(STORM, None))
    before = {p: b for p, b in on_disk(v1).items() if not p.startswith("_forgotten")}
    assert not forget(v1, parse_target(STORM, None)).rows
    assert {p: b for p, b in on_disk(v1).items() if not p.startswith("_forgotten")} == before


def test_what_a_run_under_way_has_of_it_goes_with_its_commit(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM), page("http://other.example/1")])
    forget(store, parse_target(STORM, None))
    refused = make_fetch(0, url=STORM, article_id=url_id(STORM), outcome="skipped", reason=Reason.FORGOTTEN.value)
    run_of(store, "b-20260304T0100", [page(STORM, "New words."), page("http://other.example/2")])
    run_of(store, "c-20260304T0200", [], fetches=[refused])
    assert column(store, "SELECT url FROM articles ORDER BY 1") == ["http://other.example/1", "http://other.example/2"]
    assert column(store, f"SELECT run_id FROM fetches WHERE url = '{STORM}'") == ["c-20260304T0200"]
    assert by_glob(store) == by_manifest(store)
    assert [(m.run_id, m.urls) for m in manifests(store)][1] == ("b-20260304T0100", 1)


def test_what_a_dead_run_staged_goes_and_what_a_living_one_stages_stays(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page("http://other.example/1")])
    for run_id in ("dead-20260304T0000", "living-20260304T0000"):
        run = recover(store, new_attempt(run_id, DAY, store.root), CONFIG)
        write_rows(run, "articles", [page(STORM)], f"{run.staging}/rows/articles/a.parquet")
    with locked(store, "living-20260304T0000"):
        forget(store, parse_target(STORM, None))
    assert {path.split("/")[1] for path in store.files("_staging")} == {"living-20260304T0000"}


def test_what_is_held_back_loses_it_when_it_is_published(store: Store) -> None:
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
        commit(store, run, files, urls=2, checks=[Check(name="a", figure=1, limit=0, of=1, breach="It is too much.")])
    forget(store, parse_target(STORM, None))
    with exclusive(store, run.run_id):
        accept(store, run.run_id)
    assert column(store, "SELECT url FROM articles") == ["http://other.example/1"]
    assert url_id(STORM) not in ids_on_disk(store)


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, -30), slice(40, None), slice(0, 700)])
def test_a_damaged_archive_is_said_and_stays(keep: slice, v1: FolderStore) -> None:
    [manifest] = [m for m in manifests(v1) if m.run_id == "v1-20250312T0000"]
    [file] = manifest.files["_warc"]
    damaged = Path(v1.root, file.path)
    damaged.write_bytes(damaged.read_bytes()[keep])
    before = {path: data for path, data in on_disk(v1).items() if not path.startswith("_forgotten")}
    with pytest.raises(OSError, match=rf"the archive .*{damaged.name} is damaged"):
        forget(v1, parse_target(STORM, None))
    assert {path: data for path, data in on_disk(v1).items() if not path.startswith("_forgotten")} == before


def test_the_row_of_a_refused_url_stays_in_a_run_of_forgotten_days(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    forget(store, parse_target(None, ALL_DAYS))
    refused = make_fetch(0, url=STORM, article_id=url_id(STORM), outcome="skipped", reason=Reason.FORGOTTEN.value)
    run_of(store, "b-20260304T0100", [], fetches=[refused, make_fetch(1)])
    assert column(store, "SELECT reason FROM fetches") == [Reason.FORGOTTEN.value]


def test_a_run_that_is_being_made_anew_is_named(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    with locked(store, "a-20260304T0000"):
        removed = forget(store, parse_target(STORM, None))
    assert (removed.waiting, dict(removed.rows)) == (["a-20260304T0000"], {})
    assert forget(store, parse_target(STORM, None)).rows == {"articles": 1, "fetches": 1, "stories": 1}


def test_two_changes_at_once_are_refused(store: Store) -> None:
    run_of(store, "a-20260304T0000", [page(STORM)])
    with (
        exclusive(store, "_compact"),
        pytest.raises(RunLockedError, match="another process compacts the lake or takes rows out of it"),
    ):
        forget(store, parse_target(STORM, None))


def test_killed_at_any_step_and_done_again_all_of_it_is_gone(tmp_path: Path) -> None:
    made = FolderStore(str(tmp_path / "lake"))
    for hour in range(2):
        run_of(made, f"r{hour}-20260304T0000", [page(STORM, f"Words {hour}."), page(f"http://other.example/{hour}")])
    rows = "SELECT [run_id, url] FROM articles ORDER BY ALL"
    full, left = (
        column(made, rows),
        [["r0-20260304T0000", "http://other.example/0"], ["r1-20260304T0000", "http://other.example/1"]],
    )
    for dies_at in range(1, 100):
        store = FolderStore(str(shutil.copytree(made.root, tmp_path / str(dies_at))))
        try:
            forget(Mortal(store, dies_at), parse_target(STORM, None))
        except Killed:
            # Each run shows as it was or without the page.
            assert left == [row for row in column(store, rows) if row[1] != STORM]
            assert set(map(tuple, column(store, rows))) <= set(map(tuple, full))
            with exclusive(store, "any-20260304T0000"):
                assert store.files("_staging") == []
            assert tables_on_disk(store) == named(store)
            forget(store, parse_target(STORM, None))
            assert column(store, rows) == left
            assert url_id(STORM) not in ids_on_disk(store)
        else:
            assert dies_at >= 20
            return


@pytest.mark.parametrize(
    ("target", "before", "message"),
    [
        (None, None, "name one thing to forget"),
        ("a.example", ALL_DAYS, "name one thing to forget"),
        (None, "March", "--before March: YYYY-MM-DD is expected"),
        ("localhost", None, "localhost is neither a URL nor a domain"),
        ("a.example/page", None, "a.example/page is neither"),
        ("a.example:81", None, "neither"),
        ("a b", None, "neither"),
        ("ftp://a.example/x", None, "neither"),
        ("%", None, "neither"),
    ],
)
def test_what_names_nothing_is_refused(target: str | None, before: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_target(target, before)
