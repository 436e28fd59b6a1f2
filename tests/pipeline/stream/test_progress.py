"""Figures of a stream: counts, rate, committed windows and their lag."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import Manifest
from pipeline.stream.progress import StreamFigures, StreamProgress
from tests.support.records import make_fetch
from transforms.runtime.drain import drain, resume
from transforms.runtime.metrics import Counts
from transforms.schema.records import Story
from transforms.schema.run import Run
from transforms.storage.base import StoreError
from transforms.storage.folder import FolderStore
from transforms.write.parquet import merge_staged_files, write_rows

BEGAN = datetime(2026, 3, 4, 10, 0, 7, tzinfo=timezone.utc)
WINDOW = 60
COUNTS: Counts = Counter(
    {
        ("feeds", "watched"): 20,
        ("feeds", "failing"): 1,
        ("sources", "named"): 400,
        ("sources", "seen"): 300,
        ("listing", "http_5xx"): 9,
        ("ledger", "asked"): 90,
        ("ledger", "not_due"): 10,
        ("fetch", "ok"): 70,
        ("fetch", "robots"): 5,
        ("fetch", "not_modified"): 3,
        ("extract", "ok"): 60,
        ("extract", "not_article"): 6,
        ("extract", "unchanged"): 4,
        ("annotate", "ok"): 60,
        ("annotate", "quotes"): 150,
        ("windows", "committed"): 2,
    }
)


@pytest.fixture
def store(tmp_path: object) -> FolderStore:
    return FolderStore(str(tmp_path))


def stream_of(store: FolderStore) -> Run:
    return new_attempt("live-stream", BEGAN.date(), store.root, logical_time=BEGAN)


class Progress:
    """The figures of a stream on a lake, from counts that a test changes."""

    def __init__(self, store: FolderStore, counts: Counts | None = None) -> None:
        self.counts: Counts = Counter() if counts is None else counts
        self._progress = StreamProgress(store, stream_of(store), WINDOW)

    def figures(self, seconds: float = 0.0) -> StreamFigures:
        return self._progress(seconds, self.counts)


def commit_window(
    store: FolderStore, start: datetime, published: Sequence[datetime | None] = (), late: str = ""
) -> Manifest:
    """Commit a window with one story for each publication time."""
    run = stream_of(store).of_window(start)
    run = replace(run, run_id=f"{run.run_id}{late}")
    stories = [
        Story(version_id=f"v{n}", article_id=f"a{n}", story_id="s", is_original=True, similarity=1.0, published_at=at)
        for n, at in enumerate(published)
    ]
    rows: dict[str, list[Any]] = {
        "fetches": [make_fetch(n) for n in range(len(published) + 2)],
        **({"stories": stories} if stories else {}),
    }
    with exclusive(store, run.run_id, recover_others=False) as lease_owner:
        run = replace(run, lease_owner=lease_owner)
        files = [
            file
            for table, records in rows.items()
            for file in merge_staged_files(
                run, [write_rows(run, table, records, f"{run.staging}/rows/{table}/a.parquet")]
            )
        ]
        return commit(store, run, files, urls=len(rows["fetches"]))


def test_counts(store: FolderStore) -> None:
    figures = Progress(store, COUNTS).figures()
    assert (figures.feeds, figures.feeds_failing) == (20, 1)
    assert (figures.named, figures.waiting) == (100, 90 - 78)
    assert (figures.articles, figures.quotes) == (60, 150)
    assert list(figures.reasons.items()) == [("not_due", 10), ("not_article", 6), ("robots", 5)]
    assert (figures.windows, figures.last, figures.watermark, figures.behind_seconds) == (0, None, None, None)
    assert figures.phase == "flowing"


def test_phase_of_a_drain(store: FolderStore) -> None:
    drain()
    try:
        assert Progress(store, COUNTS).figures().phase == "draining"
    finally:
        resume()


def test_rate_of_the_last_minutes(store: FolderStore) -> None:
    progress, now, rates = Progress(store), 0.0, []
    for seconds, articles in ((0, 0), (60, 30), (60, 60), (300, 60), (100, 70)):
        now += seconds
        progress.counts["extract", "ok"] = articles
        rates.append(round(progress.figures(now).articles_per_minute, 2))
    assert rates == [0, 30, 30, 0, 6]


def test_each_window_is_news_once(store: FolderStore) -> None:
    progress = Progress(store)
    first = commit_window(store, BEGAN)
    assert progress.figures().news == (), "without a counted commit the lake is not read"
    progress.counts["windows", "committed"] += 1
    figures = progress.figures()
    assert [window.run_id for window in figures.news] == [first.run_id] == ["live-20260304T100007"]
    assert figures.news[0].until == datetime(2026, 3, 4, 10, 1, tzinfo=timezone.utc)
    assert (figures.news[0].rows["fetches"], figures.news[0].rows["articles"]) == (2, 0)
    assert progress.figures().news == ()
    second = commit_window(store, BEGAN.replace(minute=2, second=0))
    late = commit_window(store, BEGAN.replace(minute=1, second=0), late="-late1")
    progress.counts["windows", "committed"] += 2
    figures = progress.figures()
    assert [window.run_id for window in figures.news] == [second.run_id, late.run_id]
    assert (figures.windows, figures.last) == (3, figures.news[1])
    assert figures.watermark == datetime(2026, 3, 4, 10, 3, tzinfo=timezone.utc), "a late window is behind it"
    assert figures.behind_seconds == pytest.approx(time.time() - figures.watermark.timestamp(), abs=60)


def test_windows_without_counters(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    progress = Progress(store)
    commit_window(store, BEGAN)
    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    assert progress.figures().windows == 0
    monkeypatch.setattr(time, "monotonic", lambda: now + 62)
    assert progress.figures().windows == 1


def test_watermark_of_an_earlier_start(store: FolderStore) -> None:
    commit_window(store, BEGAN)
    figures = Progress(store, Counter({("windows", "committed"): 1})).figures()
    assert (figures.windows, figures.news) == (0, ())
    assert figures.watermark == datetime(2026, 3, 4, 10, 1, tzinfo=timezone.utc)


def test_lag_of_recent_articles_with_a_time_of_day(store: FolderStore) -> None:
    progress = Progress(store)
    committed_at = datetime.now(timezone.utc)
    times = [committed_at - timedelta(seconds=seconds) for seconds in (30, 50, 90)]
    midnight = committed_at.replace(hour=0, minute=0, second=0, microsecond=0)
    commit_window(store, BEGAN, [*times, None, midnight, BEGAN - timedelta(days=1), committed_at + timedelta(hours=1)])
    progress.counts["windows", "committed"] += 1
    (window,) = progress.figures().news
    assert window.lag_seconds == pytest.approx(50, abs=20)
    assert window.lag_most_seconds == pytest.approx(90, abs=20)
    commit_window(store, BEGAN.replace(minute=5), [None, midnight])
    progress.counts["windows", "committed"] += 1
    (window,) = progress.figures().news
    assert (window.lag_seconds, window.lag_most_seconds) == (None, None)


def test_unreadable_lake_ends_no_stream(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress(store, COUNTS)
    commit_window(store, BEGAN)

    def refused(_: FolderStore, folder: str) -> list[str]:
        raise StoreError(f"{folder} cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "files", refused)
        assert progress.figures().windows == 0
    assert "the windows in the lake cannot be read: _runs cannot be read" in caplog.text
