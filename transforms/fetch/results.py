"""Requests and answers as records: which request stands for its twins, and the ledger row of each end."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import NamedTuple

from transforms.fetch.http.client import WITH_BODY, Answer
from transforms.schema.failures import Reason, Rejected, failure_of
from transforms.schema.records import Failure, Fetch, Outcome, Page, UrlRequest, content_hash
from transforms.schema.urls import canonical_url, domain_of, url_id, without_secrets

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,9})")
_SKIPPED = frozenset({Reason.CANCELLED, Reason.HOST_BUDGET, Reason.OPTED_OUT, Reason.ROBOTS, Reason.ROBOTS_UNREACHABLE})


class Missed(NamedTuple):
    """A request that brought no page: its ledger row, and for one that failed the failure.

    There is none for a URL that was skipped, and for one whose page is as it was (``not_modified``).
    """

    fetch: Fetch
    failure: Failure | None
    fresh_seconds: float | None = None
    """As `Page.fresh_seconds`."""


@dataclass(slots=True)
class Progress:
    """How far one URL has come, over all its attempts."""

    attempts: int = 0
    hops: int = 0
    status: int | None = None
    final_url: str | None = None
    elapsed_ms: int | None = None
    retry_after: float = 0.0
    settled: bool = False
    """Whether the host's own word has decided, so that another attempt would change nothing."""


def distinct(requests: Iterable[UrlRequest]) -> list[UrlRequest]:
    """One request for each ``article_id``: the one that knows most of the article, then https before http."""
    best: dict[str, UrlRequest] = {}
    for request in requests:
        other = best.get(request.article_id)
        best[request.article_id] = request if other is None else min(request, other, key=_rank)
    return list(best.values())


def _rank(request: UrlRequest) -> tuple[bool, bool, bool, str, str]:
    untold = request.published_at is None, request.title is None
    return *untold, not request.url.startswith("https:"), request.url, request.source


def is_twin(request: UrlRequest, url: str) -> bool:
    """Whether a URL is a request's own page, in whichever spelling.

    Validators hold for one page: kept or sent for a redirect that leads to another, that one's age would answer for it.
    """
    return url_id(canonical_url(url)) == url_id(request.url)


def page(request: UrlRequest, answer: Answer, progress: Progress, reserved: bool | None) -> Page:
    """The page that an answer brings.

    Raises:
        Rejected: it brings none, by its status or its size.
    """
    status = answer.status
    if status not in WITH_BODY:
        raise Rejected(_status_reason(status), f"{answer.url} answers with status {status}.")
    if not answer.body:
        raise Rejected(Reason.EMPTY_BODY, f"{answer.url} answers with a body of no bytes.")
    own = is_twin(request, answer.url)
    row = replace(
        _row(request, "ok", progress),
        etag=_header(answer, "ETag") if own else None,
        last_modified=_header(answer, "Last-Modified") if own else None,
        body_hash=content_hash(answer.body),
        bytes=len(answer.body),
    )
    content_type = _header(answer, "Content-Type") or ""
    return Page(
        request=request,
        fetch=row,
        body=answer.body,
        content_type=content_type,
        tdm_reserved=reserved,
        fresh_seconds=_fresh_seconds(answer),
    )


def not_modified(request: UrlRequest, answer: Answer, progress: Progress) -> Missed:
    """What a 304 that was asked for means: all that an earlier run knows of the URL still holds."""
    row = replace(
        _row(request, "not_modified", progress),
        etag=_header(answer, "ETag") or request.etag,
        last_modified=_header(answer, "Last-Modified") or request.last_modified,
        text_hash=request.text_hash,
    )
    return Missed(row, None, _fresh_seconds(answer))


def missed(request: UrlRequest, refused: Rejected, progress: Progress) -> Missed:
    """A URL that was skipped or failed, with the reason."""
    outcome: Outcome = "skipped" if refused.reason in _SKIPPED else "failed"
    row = replace(_row(request, outcome, progress), reason=refused.reason.value, retriable=refused.reason.retriable)
    if outcome == "skipped":
        return Missed(row, None)
    message = without_secrets(refused.message)
    return Missed(row, failure_of(row, "fetch", refused.reason, message, row.fetched_at))


def _row(request: UrlRequest, outcome: Outcome, progress: Progress) -> Fetch:
    # A feed's address comes of the configuration, which may hold a key; no run reads it in the ledger.
    told = without_secrets if request.source == "listing" else str
    return Fetch(
        url=told(request.url),
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome=outcome,
        http_status=progress.status,
        attempts=progress.attempts,
        final_url=told(progress.final_url) if progress.final_url else None,
        elapsed_ms=progress.elapsed_ms,
        source=request.source,
        fetched_at=datetime.now(timezone.utc),
        receipt=request.receipt,
    )


def _status_reason(status: int) -> Reason:
    if status in (404, 410):
        return Reason.HTTP_GONE
    if status == 429:
        return Reason.HTTP_429
    if 400 <= status < 500:
        return Reason.HTTP_4XX
    return Reason.HTTP_5XX if status >= 500 else Reason.HTTP_UNEXPECTED


def _fresh_seconds(answer: Answer) -> float | None:
    """For how long an answer says that it is fresh (Cache-Control: max-age, RFC 9111, section 5.2.2.1)."""
    said = answer.headers.get("Cache-Control", "").lower()
    match = _MAX_AGE.search(said)
    return float(match[1]) if match and "no-cache" not in said and "no-store" not in said else None


def _header(answer: Answer, name: str) -> str | None:
    value = answer.headers.get(name)
    return None if value is None else value.encode("utf-8", "replace").decode()
