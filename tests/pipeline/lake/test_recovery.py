"""An attempt recovers the rows that a crashed attempt staged, and fetches only the rest."""

import json
import signal
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.models import RunConfig
from pipeline.demo.server import Site
from pipeline.lake.attempts import AttemptMark, new_attempt
from pipeline.lake.commit import exclusive
from pipeline.lake.manifest import KEEP_CRASHED
from pipeline.lake.recovery import recover
from pipeline.steps.window_commit import commit_window, window_run
from tests.support.golden_tables import ROOT, command, environment, onrecord, stable_rows
from tests.support.records import make_article, make_fetch
from tests.support.staging import CONFIG
from transforms.schema.failures import Reason, failure_of
from transforms.schema.records import Fetch
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.warc.members import complete_members
from transforms.write.parquet import write_rows

DAY = datetime(2026, 3, 4, tzinfo=timezone.utc)


def complete_urls(lake: Path) -> set[str]:
    """URLs of a crashed run with a row of fetches and an article in complete files."""
    found: dict[str, set[str]] = {"articles": set(), "fetches": set()}
    for table, urls in found.items():
        for file in lake.glob(f"_staging/*/*/rows/{table}/*.parquet"):
            try:
                urls.update(pq.read_table(file, columns=["url"]).to_pydict()["url"])
            except pa.ArrowInvalid:
                continue
    return set.intersection(*found.values())


def kill(site: Site, lake: Path, *more: str) -> None:
    """Kill a slow demo run after it has staged some pages."""
    process = subprocess.Popen(
        command(lake, *more), cwd=ROOT, env=environment(site), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not complete_urls(lake) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    lake = tmp_path_factory.mktemp("uninterrupted") / "lake"
    with Site() as site:
        assert onrecord(site, *command(lake, "--set", "fetch.delay_seconds=0")[3:]).returncode == 0
    return stable_rows(lake)


def test_staged_pages_are_not_fetched_again(uninterrupted: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    lake, slow = tmp_path / "lake", ("--set", "fetch.delay_seconds=0.5", "--set", "archive=true")
    with Site() as site:
        kill(site, lake, *slow)
        staged = complete_urls(lake)
        requests = len(site.log)
        again = onrecord(site, *command(lake, *slow)[3:])
        assert again.returncode == 0, again.stderr
        second = {f"http://{entry.host}{entry.path}" for entry in site.log[requests:]}
    assert staged
    assert second.isdisjoint(staged)
    assert stable_rows(lake) == uninterrupted
    assert FolderStore(str(lake)).files("_staging") == []
    pages = [
        member.article_id
        for file in lake.glob("_warc/demo/*")
        for member in complete_members(file)
        if member.article_id
    ]
    assert {row["article_id"] for row in uninterrupted["fetches"] if row["text_hash"]} - {*pages} == set()
    assert len(pages) == len({*pages})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def attempt(store: Store) -> Run:
    return new_attempt("daily-20260304T0000", DAY.date(), store.root, logical_time=DAY)


def stage(store: Store, run: Run, table: str, *records: object, name: str = "a") -> None:
    write_rows(run, table, records, f"{run.staging}/rows/{table}/{name}.parquet")  # type: ignore[arg-type]


def recovered(store: Store, run: Run) -> dict[str, list[str]]:
    """Article ids of the recovered rows, by table."""
    found: dict[str, list[str]] = {}
    for file in run.recovered:
        ids = pq.read_table(Path(store.root, file.path), columns=["article_id"]).to_pydict()["article_id"]
        found[file.table] = sorted(ids)
    return found


def fetch_of(number: int, **fields: object) -> Fetch:
    return make_fetch(number, text_hash=make_article(number).text_hash, **fields)


def ids(*numbers: int) -> list[str]:
    return sorted(make_article(n).article_id for n in numbers)


def test_url_is_recovered_if_all_its_rows_are_complete(store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    gone = make_fetch(4, outcome="failed", reason="http_gone")
    stage(store, crashed, "articles", make_article(1), make_article(3))
    stage(
        store,
        crashed,
        "fetches",
        fetch_of(1),
        fetch_of(2),  # its article is missing
        make_fetch(3, text_hash="another text"),
        gone,
        make_fetch(5, outcome="failed", reason="timeout"),  # its failure is missing
        make_fetch(6, outcome="not_modified"),
        make_fetch(7, outcome="skipped", reason="cancelled"),
        make_fetch(8, source="listing", outcome="not_modified"),
    )
    stage(store, crashed, "failures", failure_of(gone, "fetch", Reason.HTTP_GONE, "It is gone.", DAY))
    run = recover(store, attempt(store), CONFIG)
    assert recovered(store, run) == {"articles": ids(1), "fetches": ids(1, 4, 6), "failures": ids(4)}
    assert {path.split("/")[2] for path in store.files("_staging")} == {run.attempt}


def test_incomplete_file_is_ignored(store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "articles", make_article(1), make_article(2))
    stage(store, crashed, "fetches", fetch_of(1), name="whole")
    stage(store, crashed, "fetches", fetch_of(2), name="torn")
    torn = Path(store.root, crashed.staging, "rows/fetches/torn.parquet")
    torn.write_bytes(torn.read_bytes()[:-20])
    assert recovered(store, recover(store, attempt(store), CONFIG)) == {"articles": ids(1), "fetches": ids(1)}


def test_damaged_file_is_ignored(store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "fetches", *(make_fetch(n, outcome="not_modified") for n in range(9)))
    file = Path(store.root, crashed.staging, "rows/fetches/a.parquet")
    damaged = bytearray(file.read_bytes())
    damaged[4:-2000] = bytes(len(damaged) - 2004)
    file.write_bytes(damaged)
    assert recover(store, attempt(store), CONFIG).recovered == ()


def test_annotation_failures_are_not_recovered(store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "articles", make_article(1))
    stage(store, crashed, "fetches", fetch_of(1))
    stage(store, crashed, "failures", failure_of(fetch_of(1), "annotate", Reason.INTERNAL_ERROR, "A fault.", DAY))
    assert recovered(store, recover(store, attempt(store), CONFIG)) == {"articles": ids(1), "fetches": ids(1)}


def test_rows_are_recovered_after_a_second_crash(store: Store) -> None:
    first = recover(store, attempt(store), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))
    second = recover(store, attempt(store), CONFIG)
    stage(store, second, "articles", make_article(2))
    stage(store, second, "fetches", fetch_of(2))
    with exclusive(store, second.run_id):
        third = recover(store, attempt(store), CONFIG)
    assert recovered(store, third) == {"articles": ids(1, 2), "fetches": ids(1, 2)}


def test_crash_during_recovery_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recover(store, attempt(store), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "write", crash)
        with pytest.raises(KeyboardInterrupt):
            recover(store, attempt(store), CONFIG)
    with exclusive(store, first.run_id):
        third = recover(store, attempt(store), CONFIG)
    assert recovered(store, third) == {"articles": ids(1), "fetches": ids(1)}


@pytest.mark.parametrize(
    ("changed", "is_recovered"),
    [
        ({"sources": [{"type": "urls", "path": "b.txt"}]}, True),
        ({"lake": "elsewhere"}, True),
        ({"quality": {"max_failed": None}}, True),
        ({"extract": {"min_words": 7}}, False),
        ({"annotate": {"enabled": False}}, False),
    ],
)
def test_rows_of_other_settings_are_not_recovered(changed: dict[str, object], is_recovered: bool, store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "fetches", make_fetch(6, outcome="not_modified"))
    other = RunConfig.model_validate({**CONFIG.model_dump(exclude_unset=True), **changed})
    assert bool(recover(store, attempt(store), other).recovered) is is_recovered


@pytest.mark.parametrize("name", ["EXTRACTOR_VERSION", "MODEL_VERSION", "SCHEMA_VERSION"])
def test_rows_of_other_code_are_not_recovered(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "fetches", make_fetch(6, outcome="not_modified"))
    monkeypatch.setattr(f"pipeline.lake.recovery.{name}", "another")
    assert recover(store, attempt(store), CONFIG).recovered == ()


def test_staged_files_are_kept_for_a_day(store: Store) -> None:
    crashed = recover(store, attempt(store), CONFIG)
    stage(store, crashed, "fetches", make_fetch(1))
    before = store.files("_staging")
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == before
    mark = Path(store.root, crashed.staging, "attempt.json")
    old = AttemptMark.model_validate_json(mark.read_text())
    long_ago = old.started_at - KEEP_CRASHED - timedelta(minutes=1)
    mark.write_text(json.dumps({**old.model_dump(mode="json"), "started_at": long_ago.isoformat()}))
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == []


def test_first_attempt_recovers_nothing(store: Store) -> None:
    run = recover(store, attempt(store), CONFIG)
    assert run.recovered == ()


def test_detached_attempt_keeps_the_files_of_others(store: Store) -> None:
    first = recover(store, replace(attempt(store), is_detached=True), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))
    of_first = store.files(first.staging)
    with exclusive(store, first.run_id):
        second = recover(store, replace(attempt(store), is_detached=True), CONFIG)
    assert recovered(store, second) == {"articles": ids(1), "fetches": ids(1)}
    assert store.files(first.staging) == of_first
    with exclusive(store, first.run_id):
        recover(store, attempt(store), CONFIG)
    assert store.files(first.staging) == []


def stream_at(store: Store, moment: datetime) -> Run:
    return new_attempt("live-stream", moment.date(), store.root, logical_time=moment)


def test_stream_recovers_rows_that_no_window_committed(store: Store) -> None:
    crashed = recover(store, stream_at(store, DAY), CONFIG)
    for n in (1, 2, 3):
        stage(store, crashed, "articles", make_article(n), name=f"{n}")
        stage(store, crashed, "fetches", fetch_of(n), name=f"{n}")
    # One window was committed, but its staged files were not deleted; late rows of that window were not committed.
    window = window_run(crashed, DAY, 0)
    commit_window(window, [f for f in files_of(crashed) if f.path.endswith("/1.parquet")])
    again = recover(store, stream_at(store, DAY + timedelta(days=1)), CONFIG)
    assert recovered(store, again) == {"articles": ids(2, 3), "fetches": ids(2, 3)}


def files_of(run: Run) -> list[StagedFile]:
    paths = FolderStore(run.lake).files(f"{run.staging}/rows")
    return [StagedFile(table=p.split("/")[-2], partition=run.partition, path=p, rows=1, bytes=1) for p in paths]
