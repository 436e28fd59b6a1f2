"""One host's turn: who may ask it when, and when it has had enough of this run."""

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
    """What is known of a host in this run. Times are seconds of the monotonic clock."""

    config: FetchConfig
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while its robots.txt and its reservations are asked for, once."""
    robots: RobotsRules | Rejected | None = None
    robots_read_at: float = 0.0
    reservations: Reservations | Rejected | None = None
    reservations_read_at: float = 0.0
    crawl_delay: float = 0.0
    ready_at: float = 0.0
    asked_at: float = 0.0
    took: float = 0.0
    """Seconds that its last request took."""
    renewed_at: float = field(default_factory=time.monotonic)
    began: float | None = None
    requests: int = 0
    stalls: int = 0
    """Requests in a row that got no response in time."""
    slowness: float = 1.0
    """What the delay is multiplied with, after answers that ask for fewer requests."""

    def wait(self) -> float:
        """Seconds until it may be asked.

        Raises:
            Rejected: ``host_budget``, when it has had its share, or asks for a longer wait than we wait for anybody.
        """
        config, now = self.config, time.monotonic()
        wait = max(0.0, self.ready_at - now)
        if wait > config.max_wait_seconds:
            raise _over(f"The host asks for a wait of {wait:,.0f} s, over fetch.max_wait_seconds.")
        if config.host_max_requests is not None and self.requests >= config.host_max_requests:
            raise _over(f"The host had its {config.host_max_requests:,} requests (fetch.host_max_requests).")
        spent = 0.0 if self.began is None else now + wait - self.began
        if config.host_max_seconds is not None and spent > config.host_max_seconds:
            raise _over(f"The host had its {config.host_max_seconds:,.0f} s (fetch.host_max_seconds).")
        if self.stalls >= config.host_max_stalls:
            raise _over(
                f"The host gave no response in time to {self.stalls} requests in a row (fetch.host_max_stalls)."
            )
        return wait

    def renew(self) -> None:
        """Begins its budget anew, and forgets what it did not say: in a stream no word of a bad moment is the last."""
        self.renewed_at = time.monotonic()
        self.began, self.requests, self.stalls = None, 0, 0
        if isinstance(self.robots, Rejected):
            self.robots = None
        if isinstance(self.reservations, Rejected):
            self.reservations = None

    def asked(self) -> None:
        """A request begins."""
        self.requests += 1
        self.asked_at = time.monotonic()
        if self.began is None:
            self.began = self.asked_at

    def answered(self, status: int, retry_after: float) -> None:
        """An response came.

        Args:
            status: its HTTP status.
            retry_after: the seconds that it asks to wait.
        """
        self.stalls = 0
        if status in (429, 503):
            self.slowness = min(_SLOWEST, self.slowness * 2)
            self.ready_at = max(self.ready_at, time.monotonic() + retry_after)
        elif status < 500:
            self.slowness = max(1.0, self.slowness / 2)

    def refused(self, reason: Reason) -> None:
        """A request ended without an response that could be used."""
        self.stalls = self.stalls + 1 if reason is Reason.TIMEOUT else 0

    def rest(self) -> None:
        """A request ended: its delay begins."""
        now = time.monotonic()
        self.took = now - self.asked_at
        jitter = random.uniform(0, self.config.jitter)  # noqa: S311 - no secret
        delay = max(self.config.delay_seconds * (1 + jitter) * self.slowness, self.crawl_delay)
        self.ready_at = max(self.ready_at, now + delay)


def _over(message: str) -> Rejected:
    return Rejected(Reason.HOST_BUDGET, message)


def retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3); 0 for one that cannot be read."""
    if value.strip().isdecimal():
        return float(value[:12])
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
