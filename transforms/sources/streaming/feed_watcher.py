"""Feeds and sitemaps that are watched: each is read again and again, at a pace that follows how often it changes.

A document is asked for conditionally (RFC 9110, section 13), so that one that has not changed costs a few bytes. Its
next turn comes after half the time when it named something new, after half as much again when it did not, after twice
the time when it could not be had, never before its answer's own freshness is over (Cache-Control: max-age, RFC 9111),
and always between the two bounds. One that is dead stays at the upper bound and holds up no other.
"""

import dataclasses
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from transforms.schema.failures import Reason, Rejected, failed
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.sources.config import ListingSource, SitemapsSource
from transforms.sources.documents import ListingRequest, listing_request, max_depth, next_listings, read_listing

_REMEMBERED = 5_000
"""Most pages of one document that are remembered; the stream itself knows the others."""
_REMEMBERED_BELOW = 20_000
"""The same of one address of the configuration and all documents below it."""
_JITTER = 0.1


class NoPage(Protocol):
    """A document that did not come (`transforms.fetch.NoPage`)."""

    fetch: Fetch
    failure: Failure | None
    fresh_seconds: float | None


Ask = Callable[[Sequence[UrlRequest]], Iterable[Any]]
"""Asks for documents: gives a `Page` or a `NoPage` for each (`transforms.fetch.fetch_pages`)."""


class Pace(NamedTuple):
    """Bounds of the time between two turns of a document, in seconds."""

    least: float
    most: float


@dataclass(slots=True)
class Document:
    """What is remembered of one document."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    named: list[str] = field(default_factory=list)
    """The pages that it named, by the beginnings of their ids."""
    listings: list[str] = field(default_factory=list)
    """The documents that it named."""


@dataclass(slots=True)
class Watched:
    """What is remembered of one address of the configuration, with the documents below it."""

    due: float = 0.0
    """When its next turn is, in seconds since 1970."""
    interval: float = 0.0
    is_failing: bool = False
    """Whether its last turn brought less than it should."""
    documents: dict[str, Document] = field(default_factory=dict)


class Seen(NamedTuple):
    """What one turn brought."""

    requests: list[UrlRequest]
    fetches: list[Fetch]
    failures: list[Failure]


class Watcher:
    """Reads documents, and says when they are due again.

    Args:
        sources: the feeds and sitemaps.
        ask: asks for documents.
        pace: the bounds of their intervals.
    """

    def __init__(self, sources: Sequence[ListingSource], ask: Ask, pace: Pace) -> None:
        self._sources, self._ask, self._pace = tuple(sources), ask, pace

    def read(self, listing: ListingRequest, watched: Watched) -> Seen:
        """Reads a document and those below it, round after round: an index, then what it names.

        Args:
            listing: an address of the configuration.
            watched: what is remembered of it; it is brought up to date.

        Returns:
            What is new.
        """
        seen, turn, source = Seen([], [], []), _Turn(listing, watched), self._sources[listing.origin]
        most = source.max_sitemaps if isinstance(source, SitemapsSource) else 0
        asked = [listing]
        for _ in range(max_depth(source)):
            # Not by the result's own address, in which a key is hidden.
            asked_as = {request.article_id: request.url for request in asked}
            named: list[ListingRequest] = []
            for result in self._ask([turn.conditional(request) for request in asked]):
                named += self._settle(result, asked_as[result.fetch.article_id], turn, seen)
            turn.asked += asked
            asked = [r for r in next_listings(turn.asked, named, most)[0] if isinstance(r, ListingRequest)]
            if not asked:
                break
        turn.end(self._pace)
        return seen

    def _settle(self, result: Any, url: str, turn: "_Turn", seen: Seen) -> list[ListingRequest]:
        """One answer: what it brings goes to `seen`; gives the documents below it."""
        turn.fresh_seconds = max(turn.fresh_seconds, result.fresh_seconds or 0.0)
        origin = turn.listing.origin
        document = turn.watched.documents.setdefault(url, Document())
        below = [listing_request(address, origin) for address in document.listings]
        if not isinstance(result, Page):
            if result.fetch.outcome == "not_modified":
                return below
            # A drain says nothing of the document.
            is_cancelled = result.fetch.reason == Reason.CANCELLED.value
            turn.is_failed = turn.is_failed or (turn.watched.is_failing if is_cancelled else True)
            seen.fetches.append(result.fetch)
            seen.failures.extend([result.failure] if result.failure is not None else [])
            return below
        if result.fetch.body_hash == document.body_hash:
            return below
        try:
            named = read_listing(result, self._sources[origin], origin)
        except Exception as error:  # noqa: BLE001 - one document that we cannot take never ends the stream
            refused = error if isinstance(error, Rejected) else Rejected.of_error(error)
            fetch, failure = failed(result.fetch, "sources", refused)
            turn.is_failed = True
            seen.fetches.append(fetch)
            seen.failures.append(failure)
            return []
        before = set(document.named)
        new = [request for request in named.requests if request.article_id[:_ID] not in before]
        turn.is_changed = turn.is_changed or bool(new)
        seen.fetches.append(result.fetch)
        seen.requests.extend(new)
        turn.watched.documents[url] = Document(
            etag=result.fetch.etag,
            last_modified=result.fetch.last_modified,
            body_hash=result.fetch.body_hash,
            named=[request.article_id[:_ID] for request in named.requests[:_REMEMBERED]],
            listings=[listing.url for listing in named.listings],
        )
        return named.listings


_ID = 16


@dataclass(slots=True)
class _Turn:
    """One address's turn."""

    listing: ListingRequest
    watched: Watched
    asked: list[UrlRequest] = field(default_factory=list)
    is_changed: bool = False
    is_failed: bool = False
    fresh_seconds: float = 0.0

    def conditional(self, request: ListingRequest) -> ListingRequest:
        known = self.watched.documents.get(request.url, Document())
        return dataclasses.replace(request, etag=known.etag, last_modified=known.last_modified)

    def end(self, pace: Pace) -> None:
        before = self.watched.interval or pace.least
        factor = 2.0 if self.is_failed else 0.5 if self.is_changed else 1.5
        self.watched.interval = min(pace.most, max(pace.least, before * factor if self.watched.interval else before))
        self.watched.is_failing = self.is_failed
        wait = min(pace.most, max(self.watched.interval, self.fresh_seconds))
        # A little earlier or later, so that a thousand feeds do not stay in step.
        self.watched.due = time.time() + wait * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
        documents = self.watched.documents
        self.watched.documents = {r.url: documents[r.url] for r in self.asked if r.url in documents}
        room = _REMEMBERED_BELOW
        for document in self.watched.documents.values():
            document.named = document.named[:room]
            room -= len(document.named)


def to_state(watched: dict[str, Watched]) -> bytes:
    """What is remembered, as JSON."""
    return json.dumps({url: dataclasses.asdict(w) for url, w in watched.items()}, separators=(",", ":")).encode()


def from_state(state: bytes) -> dict[str, Watched]:
    """The same back; nothing is remembered in no bytes."""
    found: dict[str, dict[str, Any]] = json.loads(state) if state else {}
    return {
        url: Watched(**{**w, "documents": {address: Document(**d) for address, d in w["documents"].items()}})
        for url, w in found.items()
    }


def shared_out(listings: Iterable[ListingRequest], key: Callable[[str], str], parts: int) -> list[list[ListingRequest]]:
    """Addresses in at most so many parts, those of one key in one part; no part is empty."""
    by_key: dict[str, list[ListingRequest]] = {}
    for listing in listings:
        by_key.setdefault(key(listing.url), []).append(listing)
    groups: list[list[ListingRequest]] = [[] for _ in range(max(1, min(parts, len(by_key))))]
    for several in sorted(by_key.values(), key=len, reverse=True):
        min(groups, key=len).extend(several)
    return [group for group in groups if group]
