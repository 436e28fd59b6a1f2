"""Committed fetches of one URL in earlier runs, for tests of the crawl state."""

from datetime import datetime, timedelta, timezone

from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit
from tests.support.records import make_fetch
from transforms.schema.records import Fetch, UrlRequest
from transforms.schema.run import Run, stream_id
from transforms.schema.urls import request_of
from transforms.storage.base import Store
from transforms.write.parquet import merge_staged_files, write_rows

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
REQUEST = request_of("http://site1.example/1", "feed")
TIMEOUT = {"outcome": "failed", "reason": "timeout", "retriable": True, "attempts": 3}
NOT_REACHED = {"outcome": "skipped", "reason": "host_budget", "retriable": True}


def ago(**duration: float) -> datetime:
    """The time before `NOON` by a `timedelta`."""
    return NOON - timedelta(**duration)


def run_at(store: Store, moment: datetime, name: str = "daily", run_id: str | None = None) -> Run:
    """An attempt at the run of a logical time."""
    return new_attempt(run_id or f"{name}-{moment:%Y%m%dT%H%M}", moment.date(), store.root, logical_time=moment)


def stream_at(store: Store, moment: datetime) -> Run:
    """An attempt at the stream, started at a time."""
    return new_attempt(stream_id("daily"), moment.date(), store.root, logical_time=moment)


def committed(store: Store, run: Run, *fetches: Fetch) -> Run:
    """Commit a run with these rows of ``fetches``."""
    staged = write_rows(run, "fetches", fetches, f"{run.staging}/rows/fetches/f.parquet")
    commit(store, run, merge_staged_files(run, [staged]), urls=len(fetches))
    return run


def fetched(request: UrlRequest, moment: datetime, **fields: object) -> Fetch:
    """The row of a request, fetched at a time; the outcome is ok unless `fields` has another."""
    known = {"url": request.url, "article_id": request.article_id, "domain": "site1.example", "source": request.source}
    return make_fetch(1, **{**known, "fetched_at": moment, **fields})
