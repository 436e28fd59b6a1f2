"""Tombstones: records of what was forgotten, so that later runs skip it.

    LAKE/_forgotten/<time>-<token>.json    written before the first row is deleted

A page is stored as the hash of its URL, so that the tombstone does not contain the URL itself.
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
    """The target of one `onrecord forget`."""

    model_config = ConfigDict(frozen=True)

    forgotten_at: datetime
    article_ids: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    """Host names; their subdomains are covered too."""
    before: date | None = None
    """Covers runs with an earlier logical date."""


@dataclass(frozen=True, slots=True)
class ForgetTarget:
    """The pages to forget: those of one command, or of all tombstones together. False if it covers nothing."""

    article_ids: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    """Host names; their subdomains are covered too."""
    before: date | None = None
    """Covers runs with an earlier logical date."""

    def __bool__(self) -> bool:
        return bool(self.article_ids or self.hosts or self.before)

    def covers(self, article_id: str, url: str, run_date: date) -> bool:
        """Whether a run must skip a URL.

        Args:
            article_id: id of the URL.
            url: the canonical URL.
            run_date: logical date of the run.
        """
        return _is_covered(article_id, url, self) or (self.before is not None and run_date < self.before)


def read_tombstones(store: Store) -> ForgetTarget:
    """Read all tombstones of a lake."""
    read = [store.read(path) for path in store.files(FOLDER) if path.endswith(".json")]
    found = [Tombstone.model_validate_json(data) for data in read if data is not None]
    return ForgetTarget(
        article_ids=frozenset().union(*(t.article_ids for t in found)),
        hosts=frozenset().union(*(t.hosts for t in found)),
        before=max((t.before for t in found if t.before), default=None),
    )


def write_tombstone(store: Store, target: ForgetTarget) -> None:
    """Write a tombstone."""
    now = datetime.now(timezone.utc)
    tombstone = Tombstone(forgotten_at=now, article_ids=target.article_ids, hosts=target.hosts, before=target.before)
    data = tombstone.model_dump(mode="json") | {"article_ids": sorted(target.article_ids)}
    store.write(f"{FOLDER}/{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json", json.dumps(data, indent=1).encode())


def is_subdomain(host: str, hosts: frozenset[str]) -> bool:
    """Whether a host (``host`` or ``host:port``) is one of these hosts or a subdomain of one."""
    labels = host.partition(":")[0].split(".")
    return any(".".join(labels[n:]) in hosts for n in range(len(labels)))


def covered_articles(database: duckdb.DuckDBPyConnection, target: ForgetTarget, *, listings: bool) -> set[str]:
    """Ids of all pages that a target covers, by their own URL or by the URL to which it redirected.

    Args:
        database: has the tables ``articles``, ``fetches`` and ``failures`` (`pipeline.lake.query.catalog`).
        target: what is forgotten; its `before` is ignored.
        listings: whether feeds and sitemaps are covered too.
    """
    kept = f"reason IS DISTINCT FROM '{Reason.FORGOTTEN.value}'" + ("" if listings else " AND source <> 'listing'")
    rows = database.execute(
        f"""
        SELECT DISTINCT article_id, url, final_url FROM (
          SELECT article_id, url, final_url FROM articles
          UNION ALL SELECT article_id, url, final_url FROM fetches WHERE {kept}
          UNION ALL SELECT article_id, url, NULL FROM failures WHERE {kept}
        )
        """  # noqa: S608 - own names
    )
    found: set[str] = set()
    while batch := rows.fetchmany(10_000):
        for article_id, url, final_url in batch:
            is_redirect = final_url is not None and final_url != url
            if _is_covered(article_id, url, target) or (
                is_redirect and _is_covered(url_id(final_url), final_url, target)
            ):
                found.add(article_id)
    return found


def _is_covered(article_id: str, url: str, target: ForgetTarget) -> bool:
    return article_id in target.article_ids or (bool(target.hosts) and is_subdomain(host_of(url), target.hosts))
