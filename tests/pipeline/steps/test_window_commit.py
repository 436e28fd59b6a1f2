"""Each window of a stream is committed as a run, exactly once, even after crashes."""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.transforms.window import IntervalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming

import pipeline.lake.commit
import pipeline.lake.transaction
import pipeline.steps.window_commit
from pipeline.lake.attempts import AttemptMark, new_attempt
from pipeline.lake.commit import exclusive
from pipeline.lake.compaction import KEEP_WINDOWS, compact
from pipeline.lake.manifest import KEEP_CRASHED, manifests, read_manifest
from pipeline.lake.query.crawl_state import look_up, open_crawl_state
from pipeline.lake.transaction import CommitError, RunLockedError, locked
from pipeline.steps.window_commit import CommitWindows, _CommitWindow, commit_window, window_run
from tests.support.lakes import by_glob, by_manifest, column, run_of
from tests.support.records import make_article, make_fetch
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.storage.open import open_store
from transforms.write.parquet import write_rows

STARTED = datetime(2026, 3, 4, 12, 3, 10, 500_000, tzinfo=timezone.utc)
NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def stream_of(store: Store, started: datetime = STARTED) -> Run:
    return new_attempt("live-stream", started.date(), store.root, logical_time=started)


def staged(stream: Run, *numbers: int, start: datetime = NOON, ack_handles: Iterable[str] = ()) -> list[StagedFile]:
    """Stage rows of some pages in a stream."""
    run = stream.of_window(start)
    name = "-".join(map(str, numbers))
    rows = {
        "articles": [make_article(n) for n in numbers],
        "fetches": [make_fetch(n, ack_handle=r) for n, r in zip(numbers, [*ack_handles, *[None] * 9], strict=False)],
    }
    return [
        write_rows(run, table, records, f"{stream.staging}/rows/{table}/{run.run_id}.{name}.parquet")  # type: ignore[arg-type]
        for table, records in rows.items()
    ]


class PaneCommits:
    """Commits panes as a runner does; records acknowledged messages, and the runs committed at that time."""

    def __init__(self, stream: Run) -> None:
        self.acknowledged: list[str] = []
        self._stream, self._do = stream, _CommitWindow(stream, self._acknowledge)
        self.committed: list[list[str]] = []

    def _acknowledge(self, ack_handles: Iterable[str]) -> None:
        self.acknowledged += ack_handles
        self.committed.append([m.run_id for m in manifests(open_store(self._stream.lake))])

    def __call__(self, files: list[StagedFile], pane: int = 0, start: datetime = NOON) -> str:
        at = Timestamp.of(start.timestamp())
        timing = PaneInfoTiming.LATE if pane else PaneInfoTiming.ON_TIME
        info = PaneInfo(pane == 0, False, timing, pane, pane)
        [run_id] = self._do.process(("", files), IntervalWindow(at, at + 300), info)
        return run_id


def test_window_is_committed_as_a_run(store: Store) -> None:
    stream = stream_of(store)
    assert PaneCommits(stream)(staged(stream, 1, 2)) == "live-20260304T120000"
    manifest = read_manifest(store, "live-20260304T120000")
    assert manifest is not None
    assert (manifest.run_date, manifest.urls, manifest.rows("articles")) == (NOON.date(), 2, 2)
    assert manifest.rows("stories") == 2
    assert set(column(store, "SELECT DISTINCT run_id FROM fetches")) == {"live-20260304T120000"}
    assert column(store, "SELECT DISTINCT run_time FROM fetches") == [NOON]
    assert by_glob(store) == by_manifest(store)
    assert store.files("_staging") == []


def test_repeated_window_is_only_acknowledged_again(store: Store) -> None:
    stream = stream_of(store)
    commits, files = PaneCommits(stream), staged(stream, 1, 2, ack_handles=["r1", "r2"])
    assert commits(files) == commits(files)
    before = by_manifest(store)
    # A runner that restores a checkpoint may pass fewer files.
    commits(files[:1])
    assert by_manifest(store) == before
    assert commits.acknowledged == ["r1", "r2", "r1", "r2"]
    assert len(manifests(store)) == 1


def test_late_pane_is_another_run(store: Store) -> None:
    stream = stream_of(store)
    commits = PaneCommits(stream)
    ids = [commits(staged(stream, 1)), commits(staged(stream, 4), pane=1), commits(staged(stream, 7), pane=2)]
    assert ids == [f"live-20260304T120000{late}" for late in ("", "-late1", "-late2")]
    assert commits(staged(stream, 4), pane=1) == ids[1]
    assert column(store, "SELECT run_id FROM fetches ORDER BY url") == ids
    assert column(store, "SELECT run_id FROM articles ORDER BY url") == ids


def test_stream_restarted_inside_a_window(store: Store) -> None:
    first, second = stream_of(store), stream_of(store, STARTED + timedelta(seconds=20))
    one, two = PaneCommits(first), PaneCommits(second)
    files = staged(second, 2)
    ids = [one(staged(first, 1)), two(files), two(staged(second, 3), pane=1)]
    assert ids == [f"live-20260304T120000{late}" for late in ("", "-late1", "-late2")]
    assert two(files) == ids[1]  # once more
    assert column(store, "SELECT url FROM fetches ORDER BY url") == sorted(make_fetch(n).url for n in (1, 2, 3))


def test_window_ids_and_dates(store: Store) -> None:
    stream = stream_of(store)
    starts = [NOON - timedelta(hours=1), NOON - timedelta(minutes=5), NOON, NOON + timedelta(hours=12)]
    ids = [PaneCommits(stream)(staged(stream, n, start=start), start=start) for n, start in enumerate(starts)]
    assert len({*ids}) == 4
    assert column(store, "SELECT count(*) FROM fetches") == [4]
    manifest = read_manifest(store, ids[-1])
    assert manifest is not None
    assert (ids[-1], str(manifest.run_date)) == ("live-20260305T000000", "2026-03-05")
    assert all("dt=2026-03-05" in path for path in manifest.paths)


def test_windows_of_one_second_have_different_ids(store: Store) -> None:
    stream = stream_of(store)
    assert window_run(stream, NOON, 0).run_id != window_run(stream, NOON + timedelta(seconds=1), 0).run_id


def test_window_of_another_attempt_is_rejected(store: Store) -> None:
    stream, other = stream_of(store), stream_of(store)
    run = window_run(stream, NOON, 0)
    commit_window(window_run(other, NOON, 0), staged(other, 1))
    with pytest.raises(CommitError, match="was committed by another attempt"):
        commit_window(run, staged(stream, 2))
    assert column(store, "SELECT count(*) FROM fetches") == [1]


def test_messages_are_acknowledged_after_the_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of(store)
    commits, files = PaneCommits(stream), staged(stream, 1, ack_handles=["r1"])
    with locked(store, "live-20260304T120000"), pytest.raises(RunLockedError):
        commits(files)
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.steps.window_commit, "write_stories", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            commits(files)
    assert commits.acknowledged == []
    assert {f.path for f in files} <= {*store.files("_staging")}
    commits(files)
    assert (commits.acknowledged, commits.committed) == (["r1"], [["live-20260304T120000"]])


def test_crash_before_apply_is_completed_by_the_retry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of(store)
    commits, files = PaneCommits(stream), staged(stream, 1, 2)
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.lake.commit, "apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            commits(files)
    assert read_manifest(store, "live-20260304T120000") is None
    commits(files)
    assert column(store, "SELECT count(*) FROM articles") == [2]
    assert by_glob(store) == by_manifest(store)
    assert store.files("_staging") == []


@pytest.mark.parametrize("days", [0.5, 3])
def test_other_runs_keep_staged_files_of_a_stream(store: Store, days: float) -> None:
    stream = stream_of(store)
    mark = AttemptMark(
        fingerprint="x", started_at=datetime.now(timezone.utc) - days * KEEP_CRASHED, folder=stream.staging
    )
    files = staged(stream, 1)
    store.write(f"{stream.staging}/attempt.json", mark.model_dump_json().encode())
    with locked(store, "live-stream"):
        run_of(store, "daily-20260304T0000", [make_article(9)])
    # The stream's launcher has crashed, but its workers continue.
    run_of(store, "daily-20260305T0000", [make_article(8)])
    with exclusive(store, "live-stream"):
        assert {f.path for f in files} <= {*store.files("_staging")}


def advance_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to a time after `KEEP_WINDOWS`."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(timezone.utc) + KEEP_WINDOWS + timedelta(hours=1)

    monkeypatch.setattr("pipeline.lake.compaction.datetime", Later)


def test_manifests_of_compacted_windows_are_deleted_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of(store)
    for n in range(4):
        start = NOON + timedelta(minutes=5 * n)
        PaneCommits(stream)(staged(stream, n, start=start), start=start)
    run_of(store, "daily-20260304T0000", [make_article(9)])
    before, day = by_manifest(store), NOON.date() + timedelta(days=1)
    [done] = compact(store, day)
    assert done.runs == 5
    assert len(manifests(store)) == 1
    list(compact(store, day))
    assert (
        sum(path.endswith(".json") for path in store.files("_runs")) == 6
    )  # kept for readers that have opened the lake
    advance_clock(store, monkeypatch)
    list(compact(store, day))
    left = [path for path in store.files("_runs") if "live-" in path]
    assert left == []
    assert read_manifest(store, "daily-20260304T0000") is not None
    assert by_manifest(store) == by_glob(store) == before
    [known] = manifests(store)
    assert known.contains_run("live-20260304T120000")
    assert by_manifest(store, "live-20260304T120000")["articles"]
    with open_crawl_state(store) as database:
        request = make_fetch(1)
        assert look_up(database, [request], stream)  # type: ignore[list-item]


def test_commit_windows_transform(store: Store) -> None:
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.window import FixedWindows, TimestampedValue

    stream = stream_of(store)
    starts = [NOON, NOON, NOON + timedelta(minutes=5)]
    files = [(f, s.timestamp()) for n, s in enumerate(starts) for f in staged(stream, n, start=s)]
    with beam.Pipeline(FnApiRunner()) as made:
        (
            made
            | beam.Create(files)
            | beam.Map(lambda pair: TimestampedValue(*pair)).with_output_types(StagedFile)
            | beam.WindowInto(FixedWindows(300))
            | CommitWindows(stream, lambda _: None)
        )
    found = {m.run_id: m.urls for m in manifests(store)}
    assert found == {"live-20260304T120000": 2, "live-20260304T120500": 1}
