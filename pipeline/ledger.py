"""The ledger: what earlier runs know of a URL, read from the committed rows of ``fetches``.

A URL that was fetched before is asked for with the validators of its last answer (a conditional request, RFC 9110,
section 13), so that an unchanged page costs a few bytes; one that is gone for good is left alone for a while. A run's
own rows never count as known to it.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import duckdb
from apache_beam.pvalue import TaggedOutput

from pipeline.config import RevisitConfig
from pipeline.lake import manifests
from transforms.records import Fetch, Reason, Run, UrlRequest
from transforms.store import Store, open_store
from transforms.urls import domain_of

GONE = (Reason.HTTP_GONE, Reason.ROBOTS)
"""Reasons for which a URL is left alone."""

_BATCH = 10_000

_LOOK_UP = """
    SELECT article_id, arg_max(reason, fetched_at), max(fetched_at),
      arg_max({'etag': etag, 'last_modified': last_modified, 'text_hash': text_hash}, fetched_at)
        FILTER (outcome IN ('ok', 'not_modified', 'unchanged'))
    FROM (SELECT * REPLACE (coalesce(reason, '') AS reason) FROM read_parquet(?))
    WHERE article_id IN (SELECT unnest(?)) GROUP BY article_id
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs know of one URL."""

    reason: str
    """Why its last fetch brought no page; empty when it did."""
    fetched_at: datetime
    etag: str | None = None
    last_modified: str | None = None
    text_hash: str | None = None


def ledger_files(store: Store, run_id: str) -> list[str]:
    """The files of ``fetches`` of all committed runs but this one, as paths relative to the lake."""
    return [f.path for m in manifests(store) if m.run_id != run_id for f in m.files["fetches"]]


def look_up(files: Sequence[Path], article_ids: Sequence[str]) -> dict[str, Known]:
    """What these files of ``fetches`` know of these URLs; one that they do not know is not in the answer.

    Only the columns needed are read, and only the row groups that may hold one of the ids.
    """
    if not files or not article_ids:
        return {}
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("SET TimeZone = 'UTC'")
        rows = database.execute(_LOOK_UP, [[str(f) for f in files], list(article_ids)]).fetchall()
    return {
        article_id: Known(reason, fetched_at, **(validators or {}))
        for article_id, reason, fetched_at, validators in rows
    }


def recall(
    requests: Iterable[UrlRequest], known: dict[str, Known], config: RevisitConfig
) -> Iterator[UrlRequest | Fetch]:
    """Each request with what is known of it, or the row of one that is not asked for again.

    Args:
        requests: what is to be fetched.
        known: by ``article_id``.
        config: the policy.
    """
    now = datetime.now(timezone.utc)
    for request in requests:
        past = known.get(request.article_id)
        if past is None:
            yield request
        elif past.reason in GONE and now - past.fetched_at < timedelta(days=config.gone_days):
            yield Fetch(
                url=request.url,
                article_id=request.article_id,
                domain=domain_of(request.url),
                outcome="skipped",
                reason=past.reason,
                source=request.source,
                # That of the answer, so that the days are counted from there.
                fetched_at=past.fetched_at,
            )
        elif config.conditional:
            yield dataclasses.replace(
                request, etag=past.etag, last_modified=past.last_modified, text_hash=past.text_hash
            )
        else:
            yield request


class Recalled(NamedTuple):
    """Every request that came in is in one of the two."""

    requests: "beam.PCollection[UrlRequest]"
    fetches: "beam.PCollection[Fetch]"


class Recall(beam.PTransform):
    """Looks requests up in the ledger, a batch at a time: PCollection[UrlRequest] -> `Recalled`.

    Args:
        config: the policy.
        run: names the lake, and the run whose own rows do not count.
    """

    def __init__(self, config: RevisitConfig, run: Run) -> None:
        super().__init__()
        self._config, self._run = config, run

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Recalled:
        recalled = (
            requests
            | beam.BatchElements(min_batch_size=_BATCH // 10, max_batch_size=_BATCH)
            | "LookUp" >> beam.ParDo(_Recall(self._config, self._run)).with_outputs("fetches", main="requests")
        )
        recalled.requests.element_type = UrlRequest
        recalled.fetches.element_type = Fetch
        return Recalled(recalled.requests, recalled.fetches)


class _Recall(beam.DoFn):
    def __init__(self, config: RevisitConfig, run: Run) -> None:
        self._config, self._run = config, run

    def setup(self) -> None:
        self._stack = ExitStack()
        store = open_store(self._run.lake)
        self._files = self._stack.enter_context(store.local_copies(ledger_files(store, self._run.run_id)))

    def teardown(self) -> None:
        self._stack.close()

    def process(self, requests: list[UrlRequest]) -> Iterator[UrlRequest | TaggedOutput]:
        known = look_up(self._files, [r.article_id for r in requests])
        for result in recall(requests, known, self._config):
            yield TaggedOutput("fetches", result) if isinstance(result, Fetch) else result
