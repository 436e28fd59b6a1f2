"""The ledger: what earlier runs know of a URL, read from the committed rows of ``fetches``.

`recall` decides, for each URL that a run meets, whether it is asked for: a new one is, a known one when an age of
``revisit.after`` has passed since its first answer and no answer lies after it. Ages are counted in the runs' logical
time (``run_time``): on a schedule that is the clock, and for a run of another day (``--date``) it is that day. What is
asked for again carries the validators of its last answer (a conditional request, RFC 9110, section 13), so that an
unchanged page costs a few bytes.

`urls_to_retry` are the URLs that earlier runs of a configuration did not come to. The transforms:
`pipeline.steps.known_urls`.

A run's own rows never count as known to it. One that is made anew (``--replace``) knows only the runs before it.
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
"""Reasons for which a URL is left alone for ``gone_days``."""


# Answers that are refused before their end; their rows have no status.
_UNREAD = f"'{Reason.UNSUPPORTED_TYPE.value}', '{Reason.TOO_LARGE.value}'"
# What was not asked for says nothing of the page.
_TOLD = f"""
    SELECT *, coalesce(run_time, run_date::TIMESTAMPTZ) AS told_at FROM fetches
    WHERE run_id <> $run_id AND (NOT $is_rerun OR (told_at, run_id) < ($now, $run_id))
      AND (reason IS NULL OR reason NOT IN ('{Reason.NOT_DUE.value}', '{Reason.FORGOTTEN.value}'))
"""  # noqa: S608 - codes of ours
_LOOK_UP = f"""
    SELECT article_id, arg_max(reason, fetched_at), arg_max(told_at, fetched_at),
      min(told_at) FILTER (answered), max(told_at) FILTER (answered),
      arg_max({{'etag': etag, 'last_modified': last_modified}}, fetched_at) FILTER (has_page),
      arg_max(text_hash, fetched_at) FILTER (has_page AND outcome <> 'not_modified')
    FROM (
      SELECT * REPLACE (coalesce(reason, '') AS reason), outcome IN ('ok', 'not_modified', 'unchanged') AS has_page,
        has_page OR (NOT retriable AND (http_status IS NOT NULL OR reason IN ({_UNREAD}))) AS answered
      FROM ({_TOLD})
    ) SEMI JOIN asked USING (domain, article_id) GROUP BY article_id
"""  # noqa: S608 - names of ours
# Twice the days, so that a URL whose first failure is too long ago does not look like one that failed since.
_LEFT = f"""
    WITH told AS (
      SELECT *, run_id SIMILAR TO $runs AND (told_at, run_id) < ($now, $run_id) AS own FROM ({_TOLD})
      WHERE told_at >= $now::TIMESTAMPTZ - 2 * $age::INTERVAL
    ),
    urls_to_retry AS (
      SELECT article_id, min(told_at) AS first_at FROM told
      WHERE retriable AND own AND source NOT IN ('listing', 'warc')
      GROUP BY article_id
      HAVING first_at >= $now::TIMESTAMPTZ - $age::INTERVAL AND count(*) FILTER (attempts > 0) < $tries
    )
    SELECT arg_max(url, fetched_at), arg_max(source, fetched_at), max(fetched_at)
    FROM told JOIN urls_to_retry USING (article_id) GROUP BY article_id, first_at
    HAVING arg_max(retriable, fetched_at)
    QUALIFY row_number() OVER (PARTITION BY any_value(domain) ORDER BY first_at, 1) <= $per_domain
    ORDER BY first_at, 1 LIMIT $most
"""  # noqa: S608 - names of ours


@dataclasses.dataclass(frozen=True, slots=True)
class UrlHistory:
    """What earlier runs know of one URL; times are the logical ones of the runs."""

    reason: str
    """Why it brought no page when it was last asked for; empty when it did."""
    asked_at: datetime
    """When it was last asked for."""
    first_at: datetime | None = None
    """When its first answer came that was for good: a page, or why there is none. None: none came yet."""
    last_at: datetime | None = None
    """When the last such answer came."""
    etag: str | None = None
    last_modified: str | None = None
    text_hash: str | None = None

    def is_due(self, now: datetime, config: RevisitConfig) -> bool:
        """Whether the URL is asked for at a logical time."""
        if self.reason in GONE:
            return now - self.asked_at >= timedelta(days=config.gone_days)
        if self.first_at is None or self.last_at is None or config.always:
            return True
        passed = [due for age in config.after if (due := self.first_at + age.timedelta) <= now]
        return bool(passed) and self.last_at < max(passed)


@contextmanager
def open_crawl_state(store: Store, since: date = date.min) -> Iterator[duckdb.DuckDBPyConnection]:
    """The committed rows of ``fetches`` as a view of this name, of runs whose logical date is not before `since`."""
    runs = [m for m in manifests(store) if m.supersedes or m.run_date >= since]
    with open_manifests(store, runs, tables=("fetches",)) as database:
        yield database


def look_up(
    database: duckdb.DuckDBPyConnection, requests: Iterable[UrlRequest], run: Run, *, is_rerun: bool = False
) -> dict[str, UrlHistory]:
    """What the ledger knows of these URLs, by ``article_id``; one that it does not know is not in the answer.

    Args:
        database: as `open_crawl_state` gives it. Only the columns needed are read, and only the row groups
            whose domains may be asked for.
        requests: the URLs.
        run: the run that asks; its own rows do not count.
        is_rerun: whether only runs before it, by logical time and id, count.
    """
    asked = {(domain_of(r.url), r.article_id) for r in requests}
    if not asked:
        return {}
    database.register("asked", pa.table(dict(zip(("domain", "article_id"), zip(*asked, strict=True), strict=True))))
    rows = database.execute(_LOOK_UP, _asking(run, is_rerun)).fetchall()
    return {
        article_id: UrlHistory(*told, **{"text_hash": text_hash, **(validators or {})})
        for article_id, *told, validators, text_hash in rows
    }


def recovered_ids(store: Store, run: Run) -> pa.ChunkedArray:
    """The ids that have a row in the files of ``fetches`` that an attempt has taken over.

    A stream's are gone once its first window is committed. So read them before a ledger is opened: it knows the others.
    """
    files = [store.read(file.path) for file in run.recovered if file.table == "fetches"]
    ids = [pq.read_table(pa.BufferReader(data), columns=["article_id"])["article_id"] for data in files if data]
    return pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string())


def apply_revisit_policy(
    request: UrlRequest, past: UrlHistory | None, config: RevisitConfig, run: Run, banned: ForgetTarget
) -> UrlRequest | Fetch:
    """A request with what is known of it, or the row of one that is not asked for.

    Args:
        request: what a source names.
        past: what the ledger knows.
        config: the policy.
        run: the run that asks.
        banned: what the lake was told to forget.
    """
    if banned.names(request.article_id, request.url, run.run_date):
        return _skipped(request, Reason.FORGOTTEN)
    if past is None:
        return request
    if not past.is_due(run.time, config):
        return _skipped(request, Reason.NOT_DUE)
    if config.conditional:
        return dataclasses.replace(request, etag=past.etag, last_modified=past.last_modified, text_hash=past.text_hash)
    return request


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


def _asking(run: Run, is_rerun: bool) -> dict[str, Any]:
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
    """The URLs that earlier runs of a configuration failed on retriably or did not come to.

    Args:
        database: as `open_crawl_state` gives it.
        name: the configuration's name. Its runs are those with an id made of it; one with an id of its own
            (``--run-id``) leaves nothing behind.
        config: how long, how often and how many at most.
        run: the run that takes them up.
        is_rerun: whether only runs before it count.
        per_domain: how many of one domain at most; None: as many as in all.

    Returns:
        Each URL once, the longest known first: its last row in the whole ledger is retriable.
    """
    rows = database.execute(
        _LEFT,
        {
            "runs": f"{re.escape(name)}-[0-9]{{8}}{TIME_PATTERN}",
            "age": timedelta(days=config.take_up_days),
            "tries": config.take_up_tries,
            "most": config.take_up_urls,
            "per_domain": per_domain or config.take_up_urls,
            **_asking(run, is_rerun),
        },
    ).fetchall()
    return [dataclasses.replace(request_of(url, source), failed_at=at) for url, source, at in rows]
