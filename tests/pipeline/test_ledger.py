"""What earlier runs know of a URL, and what a later run makes of it."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline.config import RevisitConfig
from pipeline.lake import commit
from pipeline.ledger import Known, ledger_files, look_up, recall
from pipeline.query import open_lake
from tests.conftest import make_fetch
from tests.golden import stable_rows
from tests.pipeline.test_lake import stage
from tests.pipeline.test_run import onrecord
from tests.site.server import Site
from transforms.records import Fetch, Reason, Run, UrlRequest
from transforms.store import FolderStore, open_store
from transforms.urls import request_of
from transforms.write import write_rows

NOW = datetime.now(timezone.utc)
REQUEST = request_of("http://site1.example/1", "feed")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def ledger(run: Run, *fetches: Fetch) -> dict[str, Known]:
    files = [write_rows(run, "fetches", [fetch], f"{n}.parquet") for n, fetch in enumerate(fetches)]
    return look_up([Path(run.lake, f.path) for f in files], [fetch.article_id for fetch in fetches])


def test_the_last_answer_with_a_page_gives_the_validators(run: Run) -> None:
    known = ledger(
        run,
        make_fetch(1, etag='"old"', text_hash="a", fetched_at=ago(3)),
        make_fetch(1, etag=None, last_modified="yesterday", text_hash="b", fetched_at=ago(2)),
        make_fetch(1, outcome="failed", reason="timeout", fetched_at=ago(1)),
    )
    assert known == {make_fetch(1).article_id: Known("timeout", ago(1), None, "yesterday", "b")}


def test_a_url_that_no_run_knows_is_not_in_the_answer(run: Run) -> None:
    files = [write_rows(run, "fetches", [make_fetch(1)], "f.parquet")]
    assert look_up([Path(run.lake, f.path) for f in files], ["nobody"]) == {}
    assert look_up([], ["nobody"]) == {}


def test_a_known_url_is_asked_for_with_its_validators() -> None:
    known = {REQUEST.article_id: Known("", ago(1), '"v1"', "yesterday", "hash")}
    (asked,) = recall([REQUEST], known, RevisitConfig())
    assert isinstance(asked, UrlRequest)
    assert (asked.etag, asked.last_modified, asked.text_hash) == ('"v1"', "yesterday", "hash")
    assert list(recall([REQUEST], known, RevisitConfig(conditional=False))) == [REQUEST]


@pytest.mark.parametrize("reason", [Reason.HTTP_GONE, Reason.ROBOTS])
def test_what_is_gone_is_left_alone_for_the_days_configured_and_no_longer(reason: Reason) -> None:
    known = {REQUEST.article_id: Known(reason.value, ago(10))}
    (row,) = recall([REQUEST], known, RevisitConfig(gone_days=11))
    assert isinstance(row, Fetch)
    assert (row.outcome, row.reason, row.retriable, row.attempts) == ("skipped", reason.value, False, 0)
    # Counted from the answer: a row that says skipped does not put the next try off.
    assert row.fetched_at == ago(10)
    assert list(recall([REQUEST], known, RevisitConfig(gone_days=9))) == [REQUEST]


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.HTTP_4XX, Reason.NOT_ARTICLE, Reason.HOST_BUDGET])
def test_other_failures_are_asked_for_again(reason: Reason) -> None:
    assert list(recall([REQUEST], {REQUEST.article_id: Known(reason.value, NOW)}, RevisitConfig())) == [REQUEST]


def test_a_runs_own_rows_are_not_known_to_it(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    for run_id in ("a-20260304T0000", "b-20260304T0000"):
        run, files = stage(store, run_id)
        commit(store, run, files, urls=2)
    assert ["part-b-" in path for path in ledger_files(store, "a-20260304T0000")] == [True]


def test_a_second_run_writes_no_article_again_and_asks_for_nothing_that_is_gone(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with Site() as site:
        for run_id in ("one", "two"):
            if run_id == "two":
                site.log.clear()
            result = onrecord(site, "run", "configs/demo.yaml", "--lake", str(lake), "--run-id", run_id)
            assert result.returncode == 0, result.stderr
        asked = {f"http://{entry.host}{entry.path}" for entry in site.log}
        gone = [url for url, _, reason in site.expected() if reason in ("http_gone", "robots")]
    assert len(gone) == 3
    assert asked.isdisjoint(gone)
    assert len(stable_rows(lake)["articles"]) == 20
    with_page = {"ok", "not_modified", "unchanged"}
    fetches = open_rows(lake)
    assert {outcome for run_id, source, outcome in fetches if run_id == "two" and source != "listing"} <= {
        "not_modified",
        "unchanged",
        "skipped",
        "failed",
    }
    assert sum(outcome in with_page for run_id, _, outcome in fetches if run_id == "two") == 23


def open_rows(lake: Path) -> list[tuple[str, str, str]]:
    with open_lake(open_store(str(lake))) as database:
        return database.execute("SELECT run_id, source, outcome FROM fetches").fetchall()
