"""Keep the politeness state of a host: rate limit, crawl delay, budget, back-off."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from transforms.fetch.config import FetchConfig
from transforms.fetch.politeness.robots import RobotsRules
from transforms.fetch.politeness.tdm_reservation import Reservations
from transforms.schema.failures import Reason, Rejected

_SLOWEST = 16.0


@dataclass(slots=True)
class Host:
    """State of one host in this run. Times are seconds of the monotonic clock."""

    config: FetchConfig
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while robots.txt and reservations are read, so that each is requested once."""
    robots: RobotsRules | Rejected | None = None
    robots_read_at: float = 0.0
    reservations: Reservations | Rejected | None = None
    reservations_read_at: float = 0.0
    crawl_delay: float = 0.0
    ready_at: float = 0.0
    requested_at: float = 0.0
    took: float = 0.0
    """Duration of the last request in seconds."""
    renewed_at: float = field(default_factory=time.monotonic)
    began: float | None = None
    requests: int = 0
    stalls: int = 0
    """Consecutive requests that timed out."""
    slowness: float = 1.0
    """Factor of the delay; grows with each 429 or 503."""

    def seconds_until_ready(self) -> float:
        """Seconds until the next request may be sent.

        Raises:
            Rejected: ``host_budget``, if the budget is used up or the delay is above ``fetch.max_wait_seconds``.
        """
        config, now = self.config, time.monotonic()
        wait = max(0.0, self.ready_at - now)
        if wait > config.max_wait_seconds:
            raise _over(f"The host requests a delay of {wait:,.0f} s, above fetch.max_wait_seconds.")
        if config.host_max_requests is not None and self.requests >= config.host_max_requests:
            raise _over(
                f"The budget of {config.host_max_requests:,} requests to the host is used up (fetch.host_max_requests)."
            )
        spent = 0.0 if self.began is None else now + wait - self.began
        if config.host_max_seconds is not None and spent > config.host_max_seconds:
            raise _over(
                f"The budget of {config.host_max_seconds:,.0f} s for this host is used up (fetch.host_max_seconds)."
            )
        if self.stalls >= config.host_max_stalls:
            raise _over(f"{self.stalls} requests to this host timed out in a row (fetch.host_max_stalls).")
        return wait

    def renew(self) -> None:
        """Reset the budget and forget failed reads of the rules, so that a stream recovers from temporary failures."""
        self.renewed_at = time.monotonic()
        self.began, self.requests, self.stalls = None, 0, 0
        if isinstance(self.robots, Rejected):
            self.robots = None
        if isinstance(self.reservations, Rejected):
            self.reservations = None

    def request_started(self) -> None:
        """Record the start of a request."""
        self.requests += 1
        self.requested_at = time.monotonic()
        if self.began is None:
            self.began = self.requested_at

    def response_received(self, status: int, retry_after: float) -> None:
        """Record a response.

        Args:
            status: the HTTP status.
            retry_after: seconds of its Retry-After header.
        """
        self.stalls = 0
        if status in (429, 503):
            self.slowness = min(_SLOWEST, self.slowness * 2)
            self.ready_at = max(self.ready_at, time.monotonic() + retry_after)
        elif status < 500:
            self.slowness = max(1.0, self.slowness / 2)

    def request_failed(self, reason: Reason) -> None:
        """Record a request without a usable response."""
        self.stalls = self.stalls + 1 if reason is Reason.TIMEOUT else 0

    def request_ended(self) -> None:
        """Record the end of a request: the delay starts."""
        now = time.monotonic()
        self.took = now - self.requested_at
        jitter = random.uniform(0, self.config.jitter)  # noqa: S311 - no cryptographic use
        delay = max(self.config.delay_seconds * (1 + jitter) * self.slowness, self.crawl_delay)
        self.ready_at = max(self.ready_at, now + delay)


def _over(message: str) -> Rejected:
    return Rejected(Reason.HOST_BUDGET, message)


def retry_after(value: str) -> float:
    """Parse a Retry-After header into seconds (RFC 9110, section 10.2.3); 0 if it is not valid."""
    if value.strip().isdecimal():
        return float(value.strip()[:12])
    try:
        when = parsedate_to_datetime(value[:100])
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
