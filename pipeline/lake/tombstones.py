"""What was forgotten: a record beside the tables that keeps it from coming back.

    LAKE/_forgotten/<time>-<token>.json    written before the first row goes

A page is kept as the hash of its address, so that the record does not hold what it is there to forget.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timezone

import duckdb
from pydantic import BaseModel, ConfigDict

from transforms.schema.failures import Reason
from transforms.schema.urls import host_of, url_id
from transforms.storage.base import Store

FOLDER = "_forgotten"


class Tombstone(BaseModel):
    """What one `onrecord forget` named."""

    model_config = ConfigDict(frozen=True)

    forgotten_at: datetime
    article_ids: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    """Names of hosts; whatever is below them is named too."""
    before: date | None = None
    """Runs of an earlier logical date."""


@dataclass(frozen=True, slots=True)
class ForgetTarget:
    """All that the lake was told to forget."""

    article_ids: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    before: date | None = None

    def __bool__(self) -> bool:
        return bool(self.article_ids or self.hosts or self.before)

    def names(self, article_id: str, url: str, run_date: date) -> bool:
        """Whether a URL may not come back.

        Args:
            article_id: its id.
            url: in canonical form.
            run_date: the logical date of the run that meets it.
        """
        return _is_named(article_id, url, self) or (self.before is not None and run_date < self.before)


def read_tombstones(store: Store) -> ForgetTarget:
    """What the lake was told to forget so far; it is false when that is nothing."""
    read = [store.read(path) for path in store.files(FOLDER) if path.endswith(".json")]
    found = [Tombstone.model_validate_json(data) for data in read if data is not None]
    return ForgetTarget(
        article_ids=frozenset().union(*(t.article_ids for t in found)),
        hosts=frozenset().union(*(t.hosts for t in found)),
        before=max((t.before for t in found if t.before), default=None),
    )


def write_tombstone(store: Store, what: ForgetTarget) -> None:
    """Writes a tombstone."""
    at = datetime.now(timezone.utc)
    stone = Tombstone(forgotten_at=at, article_ids=what.article_ids, hosts=what.hosts, before=what.before)
    data = stone.model_dump(mode="json") | {"article_ids": sorted(what.article_ids)}
    store.write(f"{FOLDER}/{at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json", json.dumps(data, indent=1).encode())


def is_below(host: str, hosts: frozenset[str]) -> bool:
    """Whether a host (``host`` or ``host:port``) is one of these names, or below one."""
    labels = host.partition(":")[0].split(".")
    return any(".".join(labels[n:]) in hosts for n in range(len(labels)))


def named_articles(database: duckdb.DuckDBPyConnection, what: ForgetTarget, *, listings: bool) -> set[str]:
    """The ids of all pages that are named by their own address or by that which they led to.

    Args:
        database: with the tables ``articles``, ``fetches`` and ``failures`` (`pipeline.lake.query.catalog`).
        what: what is named; `before` does not count here.
        listings: whether the addresses of feeds and sitemaps count too.
    """
    kept = f"reason IS DISTINCT FROM '{Reason.FORGOTTEN.value}'" + ("" if listings else " AND source <> 'listing'")
    rows = database.execute(
        f"""
        SELECT DISTINCT article_id, url, final_url FROM (
          SELECT article_id, url, final_url FROM articles
          UNION ALL SELECT article_id, url, final_url FROM fetches WHERE {kept}
          UNION ALL SELECT article_id, url, NULL FROM failures WHERE {kept}
        )
        """  # noqa: S608 - names of ours
    )
    found: set[str] = set()
    while batch := rows.fetchmany(10_000):
        for article_id, url, final_url in batch:
            led_on = final_url is not None and final_url != url
            if _is_named(article_id, url, what) or (led_on and _is_named(url_id(final_url), final_url, what)):
                found.add(article_id)
    return found


def _is_named(article_id: str, url: str, what: ForgetTarget) -> bool:
    return article_id in what.article_ids or (bool(what.hosts) and is_below(host_of(url), what.hosts))
