"""Settings of the fetch stage."""

import ipaddress
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ARTICLE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
"""Content types of articles."""

FEED_TYPES = ARTICLE_TYPES | {
    "application/atom+xml",
    "application/feed+json",
    "application/json",
    "application/rdf+xml",
    "application/rss+xml",
    "application/x-rss+xml",
    "application/xml",
    "text/json",
    "text/rss+xml",
    "text/xml",
}
"""Content types of feeds, and those of articles, because many servers send these instead."""

_TARGET = re.compile(r"(?P<v4>[0-9.]+)|\[(?P<v6>[0-9a-fA-F:.]+)\]")
_TOKEN = re.compile(r"[A-Za-z_-]+")

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class FetchConfig(BaseModel):
    """Settings of `FetchPages`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_agent: str = Field(
        default="onrecord/0.1 (+https://github.com/onrecord/onrecord)",
        pattern=r"^[A-Za-z_-]+(/[!-~]+)?( [ -~]+)?$",
        max_length=256,
        description=(
            "Identifies the crawler: a product name, a version, and an address with more information. "
            "robots.txt is matched against the product name, which has letters, _ and - only."
        ),
    )
    obey_robots: bool = Field(
        default=True, description="Whether robots.txt is fetched and obeyed (RFC 9309). Turn it off for your own sites."
    )
    obey_opt_outs: bool = Field(
        default=False,
        description=(
            "Whether pages that a site reserves from text and data mining are skipped with the "
            "reason opted_out: by X-Robots-Tag or robots meta tag (noai), by tdm-reservation as header or "
            "meta tag, or by /.well-known/tdmrep.json, which is requested only if this is true. The "
            "statement of the page itself is always recorded."
        ),
    )
    delay_seconds: Seconds = Field(
        default=1.0,
        description=(
            "Minimum time between the end of a request to a host and the start of the next, "
            "including robots.txt and redirects. A longer Crawl-delay, Request-rate or Retry-After of "
            "the site applies instead; each 429 or 503 doubles the delay, up to 16 times, and each "
            "success halves it again."
        ),
    )
    jitter: float = Field(
        default=0.2, ge=0, le=10, description="Maximum random share that is added to the delay: 0.2 adds up to 20 %."
    )
    max_wait_seconds: Seconds = Field(
        default=300.0,
        description=(
            "Maximum delay that a host may set between two requests; if it sets a longer one, its remaining "
            "URLs are skipped with the reason host_budget, and a later run retries them."
        ),
    )
    host_max_requests: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Maximum number of requests to a host in one run, including robots.txt and redirects; its "
            "other URLs are skipped with the reason host_budget, and a later run retries them. None: no "
            "limit."
        ),
    )
    host_max_seconds: float | None = Field(
        default=None,
        gt=0,
        description=(
            "Time limit for a host, in seconds from its first request: no request starts later, the remaining "
            "URLs are skipped with the reason host_budget, and a later run retries them. None: no limit."
        ),
    )
    host_max_stalls: int = Field(
        default=6,
        ge=1,
        description=(
            "Maximum number of consecutive timeouts of a host; then its remaining URLs are skipped with "
            "the reason host_budget, so that the host cannot delay the run."
        ),
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="Maximum number of attempts for a URL, including the first."
    )
    backoff_seconds: Seconds = Field(
        default=1.0,
        description=(
            "Upper bound of the random wait before the second attempt, in seconds; it doubles with each further "
            "attempt. The wait is uniformly distributed between zero and this bound."
        ),
    )
    max_backoff_seconds: Seconds = Field(default=30.0, description="Maximum of the upper bound, in seconds.")
    url_budget_seconds: float = Field(
        default=180.0,
        gt=0,
        le=86_400,
        description="Maximum time for retries of a URL, in seconds from its first request.",
    )
    connect_timeout: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Timeout of a connection in seconds, including DNS and TLS.",
    )
    first_byte_timeout: float = Field(
        default=20.0, gt=0, le=600, description="Timeout in seconds from the connection to the response headers."
    )
    read_timeout: float = Field(
        default=15.0, gt=0, le=600, description="Timeout in seconds between two pieces of the response body."
    )
    total_timeout: float = Field(default=60.0, gt=0, le=3600, description="Timeout in seconds for a complete request.")
    max_body_bytes: int = Field(
        default=10 * 2**20,
        ge=1024,
        le=2**30,
        description="Maximum size of a decompressed body in bytes; a larger body fails with the reason too_large.",
    )
    max_unpack_ratio: int = Field(
        default=100,
        ge=2,
        description="Maximum ratio of decompressed to compressed size, for bodies over 1 MiB.",
    )
    max_header_bytes: int = Field(
        default=32_768, ge=1024, le=2**20, description="Maximum size of a header line in bytes."
    )
    max_headers: int = Field(default=128, ge=16, le=10_000, description="Maximum number of header lines of a response.")
    max_redirects: int = Field(default=10, ge=0, le=50, description="Maximum number of redirects.")
    concurrency: int = Field(
        default=128, ge=1, le=10_000, description="Maximum number of concurrent requests in one worker process."
    )
    shards: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description=(
            "Number of shards into which hosts are grouped; a worker processes whole shards. A local "
            "run uses one shard for each worker."
        ),
    )
    allowed_ports: frozenset[Annotated[int, Field(ge=1, le=65_535)]] = Field(
        default=frozenset({80, 443}), description="Ports that a URL or redirect may have."
    )
    allow_private_hosts: tuple[str, ...] = Field(
        default=(),
        description=(
            "Host names (patterns with * and ?) that may resolve to addresses of private networks and "
            "of this machine, for an intranet or a test. Addresses of cloud metadata services are "
            "always refused."
        ),
    )
    resolve: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Map of host names (patterns with * and ?) to addresses that replace the DNS lookup, "
            "with or without a port: 192.0.2.1, 192.0.2.1:8080, [2001:db8::1]:8080. The first match "
            "applies."
        ),
    )
    headers: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict,
        description=(
            "Map of host names (patterns with * and ?) to headers that are sent to these hosts only, "
            "such as the key of a licensed source. Values are never printed; ${NAME} is read from the "
            "environment."
        ),
    )

    @property
    def robots_token(self) -> str:
        """The product name that is matched against robots.txt."""
        match = _TOKEN.match(self.user_agent)
        return match[0].lower() if match else ""

    @field_validator("resolve")
    @classmethod
    def _check_targets(cls, value: dict[str, str]) -> dict[str, str]:
        for target in value.values():
            split_target(target)
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, dict[str, SecretStr]]) -> dict[str, dict[str, SecretStr]]:
        for headers in value.values():
            for name, text in headers.items():
                if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not re.fullmatch(r"[\t -~]*", text.get_secret_value()):
                    raise ValueError(f"the header {name!r} or its value contains characters that HTTP does not allow")
        return value


def split_target(target: str) -> tuple[str, int | None]:
    """Split a value of `FetchConfig.resolve` into address and port.

    Raises:
        ValueError: the value is not an IP address, with or without a port.
    """
    try:
        return str(ipaddress.ip_address(target)), None
    except ValueError:
        pass
    address, _, port = target.rpartition(":")
    match = _TARGET.fullmatch(address)
    if match and port.isdecimal() and 0 < int(port) <= 65_535:
        return str(ipaddress.ip_address(match["v4"] or match["v6"])), int(port)
    raise ValueError(f"{target!r} is not a valid address, such as 192.0.2.1, 192.0.2.1:8080 or [2001:db8::1]:8080")
