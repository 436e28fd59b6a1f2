"""Deduplicate requests, and convert responses and failures into records."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from transforms.fetch.http.client import WITH_BODY, Response
from transforms.schema.builders import fetch_row
from transforms.schema.failures import Reason, Rejected, failure_of
from transforms.schema.records import Fetch, NoPage, Outcome, Page, UrlRequest, content_hash
from transforms.schema.urls import canonical_url, url_id, without_secrets

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,9})")
_SKIPPED = frozenset({Reason.CANCELLED, Reason.HOST_BUDGET, Reason.OPTED_OUT, Reason.ROBOTS, Reason.ROBOTS_UNREACHABLE})


@dataclass(slots=True)
class Progress:
    """State of one URL across all its attempts."""

    attempts: int = 0
    hops: int = 0
    status: int | None = None
    final_url: str | None = None
    elapsed_ms: int | None = None
    retry_after: float = 0.0
    settled: bool = False
    """Whether the rejection applies to the whole host, so that another attempt is useless."""


def distinct(requests: Iterable[UrlRequest]) -> list[UrlRequest]:
    """Keep one request for each ``article_id``: the one with the most metadata; in a tie, https before http."""
    best: dict[str, UrlRequest] = {}
    for request in requests:
        other = best.get(request.article_id)
        best[request.article_id] = request if other is None else min(request, other, key=_rank)
    return list(best.values())


def _rank(request: UrlRequest) -> tuple[bool, bool, bool, str, str]:
    missing = request.published_at is None, request.title is None
    return *missing, not request.url.startswith("https:"), request.url, request.source


def is_same_page(request: UrlRequest, url: str) -> bool:
    """Whether a URL is the page that was requested, in any spelling.

    Validators belong to one page: a redirect target must not receive them, and its own must not be stored.
    """
    return url_id(canonical_url(url)) == url_id(request.url)


def page(request: UrlRequest, response: Response, progress: Progress, reserved: bool | None) -> Page:
    """Create the page of a response.

    Raises:
        Rejected: the status is not that of a page, or the body is empty.
    """
    status = response.status
    if status not in WITH_BODY:
        raise Rejected(_status_reason(status), f"{response.url} returned status {status}.")
    if not response.body:
        raise Rejected(Reason.EMPTY_BODY, f"{response.url} returned an empty body.")
    own = is_same_page(request, response.url)
    row = replace(
        _row(request, "ok", progress),
        etag=_header(response, "ETag") if own else None,
        last_modified=_header(response, "Last-Modified") if own else None,
        body_hash=content_hash(response.body),
        bytes=len(response.body),
    )
    content_type = _header(response, "Content-Type") or ""
    return Page(
        request=request,
        fetch=row,
        body=response.body,
        content_type=content_type,
        tdm_reserved=reserved,
        fresh_seconds=_fresh_seconds(response),
    )


def not_modified(request: UrlRequest, response: Response, progress: Progress) -> NoPage:
    """Create the row of a 304 response to a conditional request: the page has not changed since an earlier run."""
    row = replace(
        _row(request, "not_modified", progress),
        etag=_header(response, "ETag") or request.etag,
        last_modified=_header(response, "Last-Modified") or request.last_modified,
        text_hash=request.text_hash,
    )
    return NoPage(row, None, _fresh_seconds(response))


def no_page(request: UrlRequest, refused: Rejected, progress: Progress) -> NoPage:
    """Create the rows of a URL that was skipped or failed."""
    outcome: Outcome = "skipped" if refused.reason in _SKIPPED else "failed"
    row = _row(request, outcome, progress, refused.reason)
    if outcome == "skipped":
        return NoPage(row, None)
    message = without_secrets(refused.message)
    return NoPage(row, failure_of(row, "fetch", refused.reason, message, row.fetched_at))


def _row(request: UrlRequest, outcome: Outcome, progress: Progress, reason: Reason | None = None) -> Fetch:
    # The URL of a feed comes from the configuration and may contain a key.
    shown = without_secrets if request.source == "listing" else str
    return fetch_row(
        request,
        outcome,
        reason,
        fetched_at=datetime.now(timezone.utc),
        http_status=progress.status,
        attempts=progress.attempts,
        final_url=shown(progress.final_url) if progress.final_url else None,
        elapsed_ms=progress.elapsed_ms,
    )


def _status_reason(status: int) -> Reason:
    if status in (404, 410):
        return Reason.HTTP_GONE
    if status == 429:
        return Reason.HTTP_429
    if status in (408, 425):
        # Request Timeout and Too Early: the same request may be sent again.
        return Reason.TIMEOUT
    if 400 <= status < 500:
        return Reason.HTTP_4XX
    return Reason.HTTP_5XX if status >= 500 else Reason.HTTP_UNEXPECTED


def _fresh_seconds(response: Response) -> float | None:
    """Return how many seconds a response is fresh (Cache-Control: max-age, RFC 9111, 5.2.2.1); None if not stated."""
    control = response.headers.get("Cache-Control", "").lower()
    match = _MAX_AGE.search(control)
    return float(match[1]) if match and "no-cache" not in control and "no-store" not in control else None


def _header(response: Response, name: str) -> str | None:
    value = response.headers.get(name)
    return None if value is None else value.encode("utf-8", "replace").decode()
