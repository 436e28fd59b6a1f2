"""Define the reasons of failures, the rejection of a single input, and its failure row."""

import traceback
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum

from transforms.schema.records import Article, Failure, Fetch, Stage, stable_id


class Reason(str, Enum):
    """Reason why a URL has no article, or why an article has no annotation. ``retriable``: another run may succeed."""

    INVALID_URL = "invalid_url"
    """Not a valid http or https URL with a host."""
    LISTING_UNREADABLE = "listing_unreadable"
    """The response is not a readable feed or sitemap."""
    ARCHIVE_DAMAGED = "archive_damaged"
    """A record of a web archive (WARC) cannot be read."""
    ROBOTS = "robots"
    """The site's robots.txt disallows the URL for our user agent (RFC 9309)."""
    ROBOTS_UNREACHABLE = "robots_unreachable"
    """robots.txt cannot be read (5xx or no connection); RFC 9309 then disallows everything for now."""
    OPTED_OUT = "opted_out"
    """The site reserves text and data mining (X-Robots-Tag, tdm-reservation), and the configuration obeys it."""
    PRIVATE_ADDRESS = "private_address"
    """The host resolves to an address that is not public, and the configuration does not allow it."""
    PORT_NOT_ALLOWED = "port_not_allowed"
    """The URL or a redirect has a port that the configuration does not allow."""
    DNS = "dns"
    """The host name cannot be resolved."""
    CONNECT = "connect"
    """No connection: refused, reset or unreachable."""
    TLS = "tls"
    """The certificate or the TLS handshake failed."""
    TIMEOUT = "timeout"
    """Connection, first byte or whole response took longer than the limit."""
    TRUNCATED = "truncated"
    """The connection closed before the body was complete."""
    PROTOCOL = "protocol"
    """The response is not valid HTTP."""
    HTTP_4XX = "http_4xx"
    """The server refused the request (4xx other than 404, 410, 429)."""
    HTTP_GONE = "http_gone"
    """The page is gone (404 or 410)."""
    HTTP_429 = "http_429"
    """The server limits the request rate (429), also at the last attempt."""
    HTTP_5XX = "http_5xx"
    """The server failed (5xx), also at the last attempt."""
    HTTP_UNEXPECTED = "http_unexpected"
    """A status without a page: 1xx, 204, 206, an unrequested 304, a redirect without a target."""
    REDIRECT_LOOP = "redirect_loop"
    """The redirects form a loop."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """More redirects than the limit."""
    TOO_LARGE = "too_large"
    """The body, its decompressed size or the headers are over the limit."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """The content type cannot hold an article (PDF, images, audio)."""
    EMPTY_BODY = "empty_body"
    """The body is empty."""
    HOST_BUDGET = "host_budget"
    """The budget of the host for this run is used up."""
    FORGOTTEN = "forgotten"
    """`onrecord forget` removed the page, its site or the days before a date."""
    NOT_DUE = "not_due"
    """An earlier run has fetched the page, and `revisit` does not fetch it again yet."""
    CANCELLED = "cancelled"
    """The run was stopped before the URL was fetched."""
    NOT_ARTICLE = "not_article"
    """The page is not an article: an index, a video, a consent wall, an error page with status 200."""
    TOO_SHORT = "too_short"
    """The text is shorter than the minimum length of the configuration."""
    UNPARSABLE = "unparsable"
    """The page could not be parsed within its limits."""
    INTERNAL_ERROR = "internal_error"
    """An error in our code; the message is the last line of the traceback."""

    @property
    def retriable(self) -> bool:
        """Whether a later run may succeed."""
        return self in _RETRIABLE


_RETRIABLE = frozenset(
    {
        Reason.ROBOTS_UNREACHABLE,
        Reason.DNS,
        Reason.CONNECT,
        Reason.TLS,
        Reason.TIMEOUT,
        Reason.TRUNCATED,
        Reason.PROTOCOL,
        Reason.HTTP_429,
        Reason.HTTP_5XX,
        Reason.HOST_BUDGET,
        Reason.CANCELLED,
        Reason.INTERNAL_ERROR,
    }
)


class Rejected(Exception):  # noqa: N818 - a result, not an error: this input has no output, for this reason
    """Rejection of one input by a plain function; the transform turns it into a `Failure`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @classmethod
    def of_error(cls, error: Exception) -> "Rejected":
        """Create the rejection for an unexpected exception: ``internal_error`` with the last line of its traceback."""
        return cls(
            Reason.INTERNAL_ERROR, traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[-1]
        )

    def __reduce__(self) -> tuple[type["Rejected"], tuple[Reason, str]]:
        return type(self), (self.reason, self.message)


def failure_of(record: Fetch | Article, stage: Stage, reason: Reason, message: str, at: datetime) -> Failure:
    """Create the failure row of a URL.

    Args:
        record: the fetch row of the URL, with any outcome, or its article, in a stage without fetch rows.
        stage: the stage that failed.
        reason: the reason code.
        message: one sentence; truncated to 2,000 characters.
        at: time of the failure, in UTC.
    """
    fetch = record if isinstance(record, Fetch) else None
    return Failure(
        failure_id=stable_id(record.article_id, stage, reason.value),
        url=record.url,
        article_id=record.article_id,
        domain=record.domain,
        stage=stage,
        reason=reason.value,
        message=message[:2000],
        retriable=reason.retriable,
        attempts=fetch.attempts if fetch else 0,
        http_status=fetch.http_status if fetch else None,
        source=fetch.source if fetch else "",
        failed_at=at,
    )


def failed(fetch: Fetch, stage: Stage, refused: Rejected) -> tuple[Fetch, Failure]:
    """Create the failed fetch row and the failure row of a fetched page that a later stage rejected."""
    reason = refused.reason
    row = replace(fetch, outcome="failed", reason=reason.value, retriable=reason.retriable)
    return row, failure_of(row, stage, reason, refused.message, datetime.now(timezone.utc))
