"""Crawl state: the history of each URL in earlier runs, read from the committed rows of ``fetches``.

`apply_revisit_policy` decides whether a run fetches a URL. A new URL is fetched. A known one is fetched if an age of
``revisit.after`` has passed since its first response, and no response is more recent than that. Ages are measured in
logical time (``run_time``): the clock for a scheduled run, and the given day for a run with ``--date``. The request
carries the validators of the last response (a conditional request, RFC 9110, section 13), so that an unchanged page
costs only a few bytes.

`urls_to_retry` reads the retry queue: the URLs that earlier runs of a configuration failed on or did not reach. The
transforms are in `pipeline.steps.known_urls`.

A run ignores its own rows. A run that replaces a committed one (``--replace``) also ignores later runs.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.models import RevisitConfig
from pipeline.lake.manifest import TIME_PATTERN, manifests
from pipeline.lake.query.catalog import open_manifests
from pipeline.lake.tombstones import ForgetTarget
from transforms.schema.failures import Reason
from transforms.schema.records import Fetch, UrlRequest
from transforms.schema.run import Run
from transforms.schema.urls import domain_of, request_of
from transforms.storage.base import Store

GONE = (Reason.HTTP_GONE, Reason.ROBOTS, Reason.OPTED_OUT)
"""Reasons for which a URL is not fetched for ``gone_days``."""

# Responses that are rejected before they are complete; their rows have no status.
_INCOMPLETE = f"'{Reason.UNSUPPORTED_TYPE.value}', '{Reason.TOO_LARGE.value}'"
# Rows of URLs that were skipped without a request are not part of the history.
_HISTORY = f"""
    SELECT *, coalesce(run_time, run_date::TIMESTAMPTZ) AS logical_at FROM fetches
    WHERE run_id <> $run_id AND (NOT $is_rerun OR (logical_at, run_id) < ($now, $run_id))
      AND (reason IS NULL OR reason NOT IN ('{Reason.NOT_DUE.value}', '{Reason.FORGOTTEN.value}'))
"""  # noqa: S608 - own names
_LOOK_UP = f"""
    SELECT article_id, arg_max(reason, fetched_at), arg_max(logical_at, fetched_at),
      min(logical_at) FILTER (is_final), max(logical_at) FILTER (is_final),
      arg_max({{'etag': etag, 'last_modified': last_modified}}, fetched_at) FILTER (has_page),
      arg_max(text_hash, fetched_at) FILTER (has_page AND outcome <> 'not_modified')
    FROM (
      SELECT * REPLACE (coalesce(reason, '') AS reason), outcome IN ('ok', 'not_modified', 'unchanged') AS has_page,
        has_page OR (NOT retriable AND (http_status IS NOT NULL OR reason IN ({_INCOMPLETE}))) AS is_final
      FROM ({_HISTORY})
    ) SEMI JOIN requested USING (domain, article_id) GROUP BY article_id
"""  # noqa: S608 - own names
# Rows of twice the age are read, because the first failure of a URL may be older than the age.
_RETRY = f"""
    WITH history AS (
      SELECT *, run_id SIMILAR TO $runs AND (logical_at, run_id) < ($now, $run_id) AS is_own FROM ({_HISTORY})
      WHERE logical_at >= $now::TIMESTAMPTZ - 2 * $age::INTERVAL
    ),
    candidates AS (
      SELECT article_id, min(logical_at) AS first_at FROM history
      WHERE retriable AND is_own AND source NOT IN ('listing', 'warc')
      GROUP BY article_id
      HAVING first_at >= $now::TIMESTAMPTZ - $age::INTERVAL AND count(*) FILTER (attempts > 0) < $tries
    )
    SELECT arg_max(url, fetched_at), arg_max(source, fetched_at), max(fetched_at)
    FROM history JOIN candidates USING (article_id) GROUP BY article_id, first_at
    HAVING arg_max(retriable, fetched_at)
    QUALIFY row_number() OVER (PARTITION BY any_value(domain) ORDER BY first_at, 1) <= $per_domain
    ORDER BY first_at, 1 LIMIT $limit
"""  # noqa: S608 - own names
_FAILURES_OF_RUN = """
    SELECT url, source FROM fetches WHERE run_id = $run_id AND retriable AND source NOT IN ('listing', 'warc')
"""


@dataclasses.dataclass(frozen=True, slots=True)
class UrlHistory:
    """The history of one URL in earlier runs; times are logical times of the runs."""

    reason: str
    """Reason why the last request gave no page; empty if it gave one."""
    requested_at: datetime
    """Time of the last request."""
    first_at: datetime | None = None
    """Time of the first final response: a page, or a permanent failure. None: no such response yet."""
    last_at: datetime | None = None
    """Time of the last final response."""
    etag: str | None = None
    last_modified: str | None = None
    text_hash: str | None = None

    def is_due(self, now: datetime, config: RevisitConfig) -> bool:
        """Whether the URL is fetched at a logical time."""
        if self.reason in GONE:
            return now - self.requested_at >= timedelta(days=config.gone_days)
        if self.first_at is None or self.last_at is None or config.always:
            return True
        passed = [due for age in config.after if (due := self.first_at + age.timedelta) <= now]
        return bool(passed) and self.last_at < max(passed)


@contextmanager
def open_crawl_state(store: Store, since: date = date.min) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the committed rows of ``fetches`` as a view, without runs that have a logical date before `since`.

    Yields:
        The DuckDB connection.
    """
    runs = [m for m in manifests(store) if m.supersedes or m.run_date >= since]
    with open_manifests(store, runs, tables=("fetches",)) as database:
        yield database


def look_up(
    database: duckdb.DuckDBPyConnection, requests: Iterable[UrlRequest], run: Run, *, is_rerun: bool = False
) -> dict[str, UrlHistory]:
    """Look up the history of URLs, by ``article_id``; new URLs are not in the result.

    Args:
        database: from `open_crawl_state`. Only the needed columns are read, and only row groups that may have one of
            the domains.
        requests: the URLs.
        run: the current run; its own rows are ignored.
        is_rerun: also ignore later runs, by logical time and id.
    """
    keys = {(domain_of(r.url), r.article_id) for r in requests}
    if not keys:
        return {}
    domains, article_ids = zip(*keys, strict=True)
    database.register("requested", pa.table({"domain": domains, "article_id": article_ids}))
    rows = database.execute(_LOOK_UP, _parameters(run, is_rerun)).fetchall()
    return {
        article_id: UrlHistory(*times, **{"text_hash": text_hash, **(validators or {})})
        for article_id, *times, validators, text_hash in rows
    }


def recovered_ids(store: Store, run: Run) -> pa.ChunkedArray:
    """Ids of the URLs with a recovered row of ``fetches``.

    Read them before the crawl state is opened: the recovered files of a stream are deleted when its first window is
    committed, and from then on the crawl state has these rows.
    """
    files = [store.read(file.path) for file in run.recovered if file.table == "fetches"]
    ids = [pq.read_table(pa.BufferReader(data), columns=["article_id"])["article_id"] for data in files if data]
    return pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string())


def apply_revisit_policy(
    request: UrlRequest, history: UrlHistory | None, config: RevisitConfig, run: Run, tombstones: ForgetTarget
) -> UrlRequest | Fetch:
    """Decide whether a URL is fetched: a request with the validators of its history, or the row of a skipped URL.

    Args:
        request: the request of a source.
        history: the history of the URL; None if it is new.
        config: the policy.
        run: the current run.
        tombstones: pages that must be skipped.
    """
    if tombstones.covers(request.article_id, request.url, run.run_date):
        return _skipped(request, Reason.FORGOTTEN)
    if history is None:
        return request
    if not history.is_due(run.time, config):
        return _skipped(request, Reason.NOT_DUE)
    if not config.conditional:
        return request
    return dataclasses.replace(
        request, etag=history.etag, last_modified=history.last_modified, text_hash=history.text_hash
    )


def _skipped(request: UrlRequest, reason: Reason) -> Fetch:
    return Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome="skipped",
        reason=reason.value,
        source=request.source,
        fetched_at=datetime.now(timezone.utc),
        ack_handle=request.ack_handle,
    )


def temporary_failures(database: duckdb.DuckDBPyConnection, run: Run) -> list[UrlRequest]:
    """Requests for the URLs that failed for a temporary reason in the committed run of the same id.

    Args:
        database: from `open_crawl_state`.
        run: the attempt that retries the run.
    """
    rows = database.execute(_FAILURES_OF_RUN, {"run_id": run.run_id}).fetchall()
    return [request_of(url, source) for url, source in rows]


def _parameters(run: Run, is_rerun: bool) -> dict[str, Any]:
    return {"run_id": run.run_id, "now": run.time, "is_rerun": is_rerun}


def urls_to_retry(
    database: duckdb.DuckDBPyConnection,
    name: str,
    config: RevisitConfig,
    run: Run,
    *,
    is_rerun: bool = False,
    per_domain: int | None = None,
) -> list[UrlRequest]:
    """Read the retry queue of a configuration: URLs that failed for a temporary reason or were not reached.

    Args:
        database: from `open_crawl_state`.
        name: name of the configuration. Only runs with an id derived from it count, so a run with an id that the user
            chose (``--run-id``) adds nothing to the queue.
        config: maximum age, number of tries and number of URLs.
        run: the current run.
        is_rerun: ignore later runs.
        per_domain: maximum number of URLs of one domain; None: no such limit.

    Returns:
        Each URL once, the earliest failures first. The most recent row of each URL in all runs is retriable.
    """
    rows = database.execute(
        _RETRY,
        {
            "runs": f"{re.escape(name)}-[0-9]{{8}}{TIME_PATTERN}",
            "age": timedelta(days=config.take_up_days),
            "tries": config.take_up_tries,
            "limit": config.take_up_urls,
            "per_domain": per_domain or config.take_up_urls,
            **_parameters(run, is_rerun),
        },
    ).fetchall()
    return [dataclasses.replace(request_of(url, source), failed_at=at) for url, source, at in rows]
