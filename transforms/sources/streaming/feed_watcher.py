"""Poll feeds and sitemaps repeatedly, at an interval that adapts to how often each changes.

Documents are requested conditionally (RFC 9110, section 13), so an unchanged one costs a few bytes. The interval is
halved when a document lists new URLs, grows by half when it does not, and doubles when it fails. The next poll waits
until the response is no longer fresh (Cache-Control: max-age, RFC 9111), within the bounds of the interval. A failing
document is polled at the maximum interval and does not delay others.
"""

import dataclasses
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from transforms.schema.failures import Reason, Rejected, failed
from transforms.schema.records import Failure, Fetch, NoPage, Page, UrlRequest
from transforms.sources.config import ListingSource, SitemapsSource
from transforms.sources.documents import ListingRequest, listing_request, max_depth, next_listings, read_listing

_MAX_URLS = 5_000
"""Maximum number of pages in the state of one document; the stream itself deduplicates the others."""
_MAX_URLS_BELOW = 20_000
"""The same for a configured listing and all documents below it."""
_ID = 16
"""Length of the prefixes of page ids in the state."""
_JITTER = 0.1

FetchDocuments = Callable[[Sequence[UrlRequest]], Iterable[Page | NoPage]]
"""Fetches documents, one result for each (`transforms.fetch.fetch_pages`)."""


class PollInterval(NamedTuple):
    """Bounds of the time between two polls of a document, in seconds."""

    least: float
    most: float


@dataclass(slots=True)
class DocumentState:
    """Checkpoint state of one document."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    named: list[str] = field(default_factory=list)
    """Prefixes of the ids of the pages that it lists."""
    listings: list[str] = field(default_factory=list)
    """URLs of the sitemaps that it lists."""


@dataclass(slots=True)
class ListingState:
    """Checkpoint state of one configured listing, with the documents below it."""

    due: float = 0.0
    """Time of the next poll, in seconds since 1970."""
    interval: float = 0.0
    is_failing: bool = False
    """Whether the last poll failed for one of the documents."""
    documents: dict[str, DocumentState] = field(default_factory=dict)


class PollResult(NamedTuple):
    """New URLs, rows and failures of one poll."""

    requests: list[UrlRequest]
    fetches: list[Fetch]
    failures: list[Failure]


class FeedWatcher:
    """Reads feeds and sitemaps and schedules their next polls.

    Args:
        sources: the feeds and sitemaps.
        fetch: fetches documents.
        interval: bounds of the poll intervals.
    """

    def __init__(self, sources: Sequence[ListingSource], fetch: FetchDocuments, interval: PollInterval) -> None:
        self._sources, self._fetch, self._interval = tuple(sources), fetch, interval

    def read(self, listing: ListingRequest, state: ListingState) -> PollResult:
        """Read a listing and the documents below it in rounds: an index, then the documents that it lists.

        Args:
            listing: a configured feed or sitemap.
            state: its checkpoint state; updated in place.

        Returns:
            The new URLs, and the rows of the documents.
        """
        result, poll, source = PollResult([], [], []), _Poll(listing, state), self._sources[listing.origin]
        most = source.max_sitemaps if isinstance(source, SitemapsSource) else 0
        round_requests = [listing]
        for _ in range(max_depth(source)):
            # The result's own URL hides secrets.
            urls = {request.article_id: request.url for request in round_requests}
            found: list[ListingRequest] = []
            for fetched in self._fetch([poll.conditional(request) for request in round_requests]):
                found += self._process(fetched, urls[fetched.fetch.article_id], poll, result)
            poll.requested += round_requests
            chosen = next_listings(poll.requested, found, most)[0]
            round_requests = [request for request in chosen if isinstance(request, ListingRequest)]
            if not round_requests:
                break
        poll.end(self._interval)
        return result

    def _process(self, fetched: Page | NoPage, url: str, poll: "_Poll", result: PollResult) -> list[ListingRequest]:
        """Add one document to `result`, and return the documents that it lists."""
        poll.fresh_seconds = max(poll.fresh_seconds, fetched.fresh_seconds or 0.0)
        origin = poll.listing.origin
        document = poll.state.documents.setdefault(url, DocumentState())
        below = [listing_request(address, origin) for address in document.listings]
        if not isinstance(fetched, Page):
            if fetched.fetch.outcome == "not_modified":
                return below
            # A request cancelled by a drain does not change whether the document is failing.
            is_cancelled = fetched.fetch.reason == Reason.CANCELLED.value
            poll.is_failed = poll.is_failed or (poll.state.is_failing if is_cancelled else True)
            result.fetches.append(fetched.fetch)
            result.failures.extend([fetched.failure] if fetched.failure is not None else [])
            return below
        if fetched.fetch.body_hash == document.body_hash:
            return below
        try:
            found = read_listing(fetched, self._sources[origin], origin)
        except Exception as error:  # noqa: BLE001 - an error in one document must not end the stream
            refused = error if isinstance(error, Rejected) else Rejected.of_error(error)
            fetch, failure = failed(fetched.fetch, "sources", refused)
            poll.is_failed = True
            result.fetches.append(fetch)
            result.failures.append(failure)
            return []
        before = set(document.named)
        new = [request for request in found.requests if request.article_id[:_ID] not in before]
        poll.is_changed = poll.is_changed or bool(new)
        result.fetches.append(fetched.fetch)
        result.requests.extend(new)
        poll.state.documents[url] = DocumentState(
            etag=fetched.fetch.etag,
            last_modified=fetched.fetch.last_modified,
            body_hash=fetched.fetch.body_hash,
            named=[request.article_id[:_ID] for request in found.requests[:_MAX_URLS]],
            listings=[listing.url for listing in found.listings],
        )
        return found.listings


@dataclass(slots=True)
class _Poll:
    """One poll of a configured listing."""

    listing: ListingRequest
    state: ListingState
    requested: list[UrlRequest] = field(default_factory=list)
    is_changed: bool = False
    is_failed: bool = False
    fresh_seconds: float = 0.0

    def conditional(self, request: ListingRequest) -> ListingRequest:
        known = self.state.documents.get(request.url, DocumentState())
        return dataclasses.replace(request, etag=known.etag, last_modified=known.last_modified)

    def end(self, bounds: PollInterval) -> None:
        before = self.state.interval or bounds.least
        factor = 2.0 if self.is_failed else 0.5 if self.is_changed else 1.5
        self.state.interval = min(bounds.most, max(bounds.least, before * factor if self.state.interval else before))
        self.state.is_failing = self.is_failed
        wait = min(bounds.most, max(self.state.interval, self.fresh_seconds))
        # Jitter keeps many feeds from being polled at the same time.
        self.state.due = time.time() + wait * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
        documents = self.state.documents
        self.state.documents = {r.url: documents[r.url] for r in self.requested if r.url in documents}
        room = _MAX_URLS_BELOW
        for document in self.state.documents.values():
            document.named = document.named[:room]
            room -= len(document.named)


def encode_state(states: dict[str, ListingState]) -> bytes:
    """Encode the state of listings, by URL, as JSON."""
    return json.dumps({url: dataclasses.asdict(s) for url, s in states.items()}, separators=(",", ":")).encode()


def decode_state(encoded: bytes) -> dict[str, ListingState]:
    """Decode the result of `encode_state`; no bytes are the initial state."""
    found: dict[str, dict[str, Any]] = json.loads(encoded) if encoded else {}
    return {
        url: ListingState(**{**s, "documents": {u: DocumentState(**d) for u, d in s["documents"].items()}})
        for url, s in found.items()
    }


def partition_listings(
    listings: Iterable[ListingRequest], key: Callable[[str], str], parts: int
) -> list[list[ListingRequest]]:
    """Divide listings into at most `parts` non-empty lists of about equal length, keeping equal keys together.

    Args:
        listings: the listings.
        key: computes the key of a URL.
        parts: maximum number of lists.
    """
    by_key: dict[str, list[ListingRequest]] = {}
    for listing in listings:
        by_key.setdefault(key(listing.url), []).append(listing)
    groups: list[list[ListingRequest]] = [[] for _ in range(max(1, min(parts, len(by_key))))]
    for several in sorted(by_key.values(), key=len, reverse=True):
        min(groups, key=len).extend(several)
    return [group for group in groups if group]
