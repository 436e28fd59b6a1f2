"""A run that was killed goes on where it was: what stands in its staging is not asked for again."""

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
from pipeline.lake.attempts import AttemptMark, new_attempt
from pipeline.lake.commit import exclusive
from pipeline.lake.manifest import KEEP_CRASHED
from pipeline.lake.recovery import recover
from pipeline.steps.window_commit import commit_window, window_run
from tests.site.server import Site
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


def staged_whole(lake: Path) -> set[str]:
    """The URLs of a dead run whose row of fetches and whose article both stand in whole files."""
    found: dict[str, set[str]] = {"articles": set(), "fetches": set()}
    for table, urls in found.items():
        for file in lake.glob(f"_staging/*/*/rows/{table}/*.parquet"):
            try:
                urls.update(pq.read_table(file, columns=["url"]).to_pydict()["url"])
            except pa.ArrowInvalid:
                continue
    return set.intersection(*found.values())


def killed(site: Site, lake: Path, *more: str) -> None:
    """A slow demo run, killed when it has staged some pages."""
    process = subprocess.Popen(
        command(lake, *more), cwd=ROOT, env=environment(site), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not staged_whole(lake) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    with Site() as site:
        assert onrecord(site, *command(lake, "--set", "fetch.delay_seconds=0")[3:]).returncode == 0
    return stable_rows(lake)


def test_what_is_staged_is_not_asked_for_again_and_the_tables_are_whole(
    undisturbed: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    lake, slow = tmp_path / "lake", ("--set", "fetch.delay_seconds=0.5", "--set", "archive=true")
    with Site() as site:
        killed(site, lake, *slow)
        staged = staged_whole(lake)
        asked = len(site.log)
        again = onrecord(site, *command(lake, *slow)[3:])
        assert again.returncode == 0, again.stderr
        second = {f"http://{entry.host}{entry.path}" for entry in site.log[asked:]}
    assert staged
    assert second.isdisjoint(staged)
    assert stable_rows(lake) == undisturbed
    assert FolderStore(str(lake)).files("_staging") == []
    pages = [
        member.article_id
        for file in lake.glob("_warc/demo/*")
        for member in complete_members(file)
        if member.article_id
    ]
    assert {row["article_id"] for row in undisturbed["fetches"] if row["text_hash"]} - {*pages} == set()
    assert len(pages) == len({*pages})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def attempt(store: Store) -> Run:
    return new_attempt("daily-20260304T0000", DAY.date(), store.root, logical_time=DAY)


def stage(store: Store, run: Run, table: str, *records: object, name: str = "a") -> None:
    write_rows(run, table, records, f"{run.staging}/rows/{table}/{name}.parquet")  # type: ignore[arg-type]


def adopted(store: Store, run: Run) -> dict[str, list[str]]:
    """The ids of the rows that an attempt took over, by table."""
    found: dict[str, list[str]] = {}
    for file in run.recovered:
        ids = pq.read_table(Path(store.root, file.path), columns=["article_id"]).to_pydict()["article_id"]
        found[file.table] = sorted(ids)
    return found


def fetch_of(number: int, **fields: object) -> Fetch:
    return make_fetch(number, text_hash=make_article(number).text_hash, **fields)


def ids(*numbers: int) -> list[str]:
    return sorted(make_article(n).article_id for n in numbers)


def test_a_url_is_taken_over_when_all_its_rows_stand(store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    gone = make_fetch(4, outcome="failed", reason="http_gone")
    stage(store, dead, "articles", make_article(1), make_article(3))
    stage(
        store,
        dead,
        "fetches",
        fetch_of(1),
        fetch_of(2),  # its article does not stand
        make_fetch(3, text_hash="another text"),
        gone,
        make_fetch(5, outcome="failed", reason="timeout"),  # its failure does not stand
        make_fetch(6, outcome="not_modified"),
        make_fetch(7, outcome="skipped", reason="cancelled"),
        make_fetch(8, source="listing", outcome="not_modified"),
    )
    stage(store, dead, "failures", failure_of(gone, "fetch", Reason.HTTP_GONE, "It is gone.", DAY))
    run = recover(store, attempt(store), CONFIG)
    assert adopted(store, run) == {"articles": ids(1), "fetches": ids(1, 4, 6), "failures": ids(4)}
    assert {path.split("/")[2] for path in store.files("_staging")} == {run.attempt}


def test_a_file_that_was_not_written_to_its_end_counts_for_nothing(store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "articles", make_article(1), make_article(2))
    stage(store, dead, "fetches", fetch_of(1), name="whole")
    stage(store, dead, "fetches", fetch_of(2), name="torn")
    torn = Path(store.root, dead.staging, "rows/fetches/torn.parquet")
    torn.write_bytes(torn.read_bytes()[:-20])
    assert adopted(store, recover(store, attempt(store), CONFIG)) == {"articles": ids(1), "fetches": ids(1)}


def test_a_whole_file_whose_bytes_are_damaged_costs_requests_and_no_run(store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "fetches", *(make_fetch(n, outcome="not_modified") for n in range(9)))
    file = Path(store.root, dead.staging, "rows/fetches/a.parquet")
    damaged = bytearray(file.read_bytes())
    damaged[4:-2000] = bytes(len(damaged) - 2004)
    file.write_bytes(damaged)
    assert recover(store, attempt(store), CONFIG).recovered == ()


def test_failures_of_annotation_stay_behind_since_it_is_done_again(store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "articles", make_article(1))
    stage(store, dead, "fetches", fetch_of(1))
    stage(store, dead, "failures", failure_of(fetch_of(1), "annotate", Reason.INTERNAL_ERROR, "A fault.", DAY))
    assert adopted(store, recover(store, attempt(store), CONFIG)) == {"articles": ids(1), "fetches": ids(1)}


def test_what_was_taken_over_stands_after_a_second_crash(store: Store) -> None:
    first = recover(store, attempt(store), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))
    second = recover(store, attempt(store), CONFIG)
    stage(store, second, "articles", make_article(2))
    stage(store, second, "fetches", fetch_of(2))
    with exclusive(store, second.run_id):
        third = recover(store, attempt(store), CONFIG)
    assert adopted(store, third) == {"articles": ids(1, 2), "fetches": ids(1, 2)}


def test_a_crash_while_taking_over_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recover(store, attempt(store), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            recover(store, attempt(store), CONFIG)
    with exclusive(store, first.run_id):
        third = recover(store, attempt(store), CONFIG)
    assert adopted(store, third) == {"articles": ids(1), "fetches": ids(1)}


@pytest.mark.parametrize(
    ("changed", "is_taken"),
    [
        ({"sources": [{"type": "urls", "path": "b.txt"}]}, True),
        ({"lake": "elsewhere"}, True),
        ({"quality": {"max_failed": None}}, True),
        ({"extract": {"min_words": 7}}, False),
        ({"annotate": {"enabled": False}}, False),
    ],
)
def test_rows_of_other_settings_are_not_taken_over(changed: dict[str, object], is_taken: bool, store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "fetches", make_fetch(6, outcome="not_modified"))
    other = RunConfig.model_validate({**CONFIG.model_dump(exclude_unset=True), **changed})
    assert bool(recover(store, attempt(store), other).recovered) is is_taken


@pytest.mark.parametrize("name", ["EXTRACTOR_VERSION", "MODEL_VERSION", "SCHEMA_VERSION"])
def test_rows_of_other_code_are_not_taken_over(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "fetches", make_fetch(6, outcome="not_modified"))
    monkeypatch.setattr(f"pipeline.lake.recovery.{name}", "another")
    assert recover(store, attempt(store), CONFIG).recovered == ()


def test_other_runs_leave_what_a_run_staged_for_a_day(store: Store) -> None:
    dead = recover(store, attempt(store), CONFIG)
    stage(store, dead, "fetches", make_fetch(1))
    before = store.files("_staging")
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == before
    mark = Path(store.root, dead.staging, "attempt.json")
    old = AttemptMark.model_validate_json(mark.read_text())
    long_ago = old.started_at - KEEP_CRASHED - timedelta(minutes=1)
    mark.write_text(json.dumps({**old.model_dump(mode="json"), "started_at": long_ago.isoformat()}))
    with exclusive(store, "other-20260304T0000"):
        assert store.files("_staging") == []


def test_a_run_without_a_crash_takes_nothing_over(store: Store) -> None:
    run = recover(store, attempt(store), CONFIG)
    assert run.recovered == ()


def test_a_job_that_may_still_be_at_it_keeps_its_files(store: Store) -> None:
    first = recover(store, replace(attempt(store), is_detached=True), CONFIG)
    stage(store, first, "articles", make_article(1))
    stage(store, first, "fetches", fetch_of(1))
    of_first = store.files(first.staging)
    with exclusive(store, first.run_id):
        second = recover(store, replace(attempt(store), is_detached=True), CONFIG)
    assert adopted(store, second) == {"articles": ids(1), "fetches": ids(1)}
    assert store.files(first.staging) == of_first
    with exclusive(store, first.run_id):
        recover(store, attempt(store), CONFIG)
    assert store.files(first.staging) == []


def stream_at(store: Store, moment: datetime) -> Run:
    return new_attempt("live-stream", moment.date(), store.root, logical_time=moment)


def test_a_stream_takes_over_what_no_window_holds_on_whichever_day(store: Store) -> None:
    dead = recover(store, stream_at(store, DAY), CONFIG)
    for n in (1, 2, 3):
        stage(store, dead, "articles", make_article(n), name=f"{n}")
        stage(store, dead, "fetches", fetch_of(n), name=f"{n}")
    # One window was committed, whose files it could not remove any more; what came late of the same window was not.
    window = window_run(dead, DAY, 0)
    commit_window(window, [f for f in files_of(dead) if f.path.endswith("/1.parquet")])
    again = recover(store, stream_at(store, DAY + timedelta(days=1)), CONFIG)
    assert adopted(store, again) == {"articles": ids(2, 3), "fetches": ids(2, 3)}


def files_of(run: Run) -> list[StagedFile]:
    paths = FolderStore(run.lake).files(f"{run.staging}/rows")
    return [StagedFile(table=p.split("/")[-2], partition=run.partition, path=p, rows=1, bytes=1) for p in paths]
