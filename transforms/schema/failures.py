"""The rows of what failed, made of the ledger row that a URL has."""

import traceback
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum

from transforms.schema.records import Failure, Fetch, Stage, stable_id


class Reason(str, Enum):
    """Why a URL has no article, or an article no annotation. ``retriable``: another run may succeed."""

    INVALID_URL = "invalid_url"
    """The address is no http or https URL with a host."""
    LISTING_UNREADABLE = "listing_unreadable"
    """A feed or sitemap came, but nothing in it could be read as one."""
    ARCHIVE_DAMAGED = "archive_damaged"
    """A record of a web archive (WARC) cannot be read."""
    ROBOTS = "robots"
    """The site's robots.txt disallows the URL for our user agent (RFC 9309)."""
    ROBOTS_UNREACHABLE = "robots_unreachable"
    """robots.txt could not be had (5xx or no connection), which RFC 9309 reads as disallow all for now."""
    OPTED_OUT = "opted_out"
    """The site reserves its text (X-Robots-Tag, tdm-reservation) and the configuration obeys that."""
    PRIVATE_ADDRESS = "private_address"
    """The name leads to an address that is not public, and the configuration does not open it."""
    PORT_NOT_ALLOWED = "port_not_allowed"
    """The URL or a redirect names a port that the configuration does not allow."""
    DNS = "dns"
    """The host's name has no address."""
    CONNECT = "connect"
    """No connection: refused, reset or unreachable."""
    TLS = "tls"
    """The certificate or the TLS handshake failed."""
    TIMEOUT = "timeout"
    """Connecting, the first byte or the whole answer took longer than its limit."""
    TRUNCATED = "truncated"
    """The connection ended before the body did."""
    PROTOCOL = "protocol"
    """The answer is no valid HTTP."""
    HTTP_4XX = "http_4xx"
    """The server refused the request (4xx other than 404, 410, 429)."""
    HTTP_GONE = "http_gone"
    """The page is gone (404 or 410)."""
    HTTP_429 = "http_429"
    """The server asked for fewer requests, to the last attempt."""
    HTTP_5XX = "http_5xx"
    """The server failed, to the last attempt."""
    HTTP_UNEXPECTED = "http_unexpected"
    """A status that brings no page: 1xx, 204, 206, a 304 nobody asked for, a redirect with no address."""
    REDIRECT_LOOP = "redirect_loop"
    """The redirects come back to where they were."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """More redirects than the limit."""
    TOO_LARGE = "too_large"
    """The body, its headers or its unpacked size are over the limit."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """The content type is none that holds an article (PDF, pictures, sound)."""
    EMPTY_BODY = "empty_body"
    """A page of no bytes."""
    HOST_BUDGET = "host_budget"
    """The host's budget of this run is used up."""
    FORGOTTEN = "forgotten"
    """The lake was told to forget the page, its site or the days before a date (`onrecord forget`)."""
    NOT_DUE = "not_due"
    """An earlier run has the page, or its answer, and the configuration does not ask for it again now (`revisit`)."""
    CANCELLED = "cancelled"
    """The run was stopped before this URL's turn."""
    NOT_ARTICLE = "not_article"
    """The page holds no article: an index, a video, a consent wall, an error page sent as 200."""
    TOO_SHORT = "too_short"
    """What the page holds is shorter than the configuration's least length."""
    UNPARSABLE = "unparsable"
    """The page could not be parsed within its limits."""
    INTERNAL_ERROR = "internal_error"
    """A fault of ours; the message holds the traceback's last line."""

    @property
    def retriable(self) -> bool:
        """Whether a later run may succeed where this one did not."""
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


class Rejected(Exception):  # noqa: N818 - it is an answer, not an error: this input gives no output, for this reason
    """A plain function's refusal of one input; the transform around it turns this into a `Failure`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @classmethod
    def of_fault(cls, error: Exception) -> "Rejected":
        """What an exception that nobody foresaw becomes: ``internal_error`` with its traceback's last line."""
        return cls(
            Reason.INTERNAL_ERROR, traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[-1]
        )

    def __reduce__(self) -> tuple[type["Rejected"], tuple[Reason, str]]:
        return type(self), (self.reason, self.message)


def failure_of(fetch: Fetch, stage: Stage, reason: Reason, message: str, at: datetime) -> Failure:
    """The failure row of a URL whose fetch is known.

    Args:
        fetch: the URL's ledger row, whichever way it ended.
        stage: the stage that failed.
        reason: the code that users group by.
        message: one sentence for a person; cut to 2,000 characters.
        at: when, in UTC.
    """
    return Failure(
        failure_id=stable_id(fetch.article_id, stage, reason.value),
        url=fetch.url,
        article_id=fetch.article_id,
        domain=fetch.domain,
        stage=stage,
        reason=reason.value,
        message=message[:2000],
        retriable=reason.retriable,
        attempts=fetch.attempts,
        http_status=fetch.http_status,
        source=fetch.source,
        failed_at=at,
    )


def failed(fetch: Fetch, stage: Stage, refused: Rejected) -> tuple[Fetch, Failure]:
    """The two rows of a page that came and that a later stage refused: its ledger row, failed, and the failure."""
    reason = refused.reason
    row = replace(fetch, outcome="failed", reason=reason.value, retriable=reason.retriable)
    return row, failure_of(row, stage, reason, refused.message, datetime.now(timezone.utc))
