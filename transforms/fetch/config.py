"""The settings of the fetch stage."""

import ipaddress
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ARTICLE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
"""Content types that hold an article."""

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
"""Content types that hold a feed; those of articles too, since many servers name them so."""

_TARGET = re.compile(r"(?P<v4>[0-9.]+)|\[(?P<v6>[0-9a-fA-F:.]+)\]")
_TOKEN = re.compile(r"[A-Za-z_-]+")

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class FetchConfig(BaseModel):
    """How pages are asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_agent: str = Field(
        default="onrecord/0.1 (+https://github.com/onrecord/onrecord)",
        pattern=r"^[A-Za-z_-]+(/[!-~]+)?( [ -~]+)?$",
        max_length=256,
        description="Who asks: a product name, a version, and an address where a site's owner learns more. The product "
        "name, letters, _ and - only, is what robots.txt is read for.",
    )
    obey_robots: bool = Field(
        default=True, description="Whether robots.txt is asked for and obeyed (RFC 9309). Turn off for your own sites."
    )
    obey_opt_outs: bool = Field(
        default=False,
        description="Whether pages that a site reserves from text and data mining are skipped, reason opted_out: by "
        "X-Robots-Tag or robots meta tag (noai), by tdm-reservation as header or meta tag, or by "
        "/.well-known/tdmrep.json, which is asked for then. What a page's own response says is recorded in any case.",
    )
    delay_seconds: Seconds = Field(
        default=1.0,
        description="Least time between the end of a request to a host and the beginning of the next, robots.txt and "
        "redirects included. A longer Crawl-delay, Request-rate or Retry-After of the site wins; each 429 or 503 "
        "doubles it, up to 16 times, and each good response halves it again.",
    )
    jitter: float = Field(
        default=0.2, ge=0, le=10, description="Share of the delay that is added at random, at most: 0.2 is up to 20 %."
    )
    max_wait_seconds: Seconds = Field(
        default=300.0,
        description="Longest wait between two requests that a host may ask for; where it asks for more, its remaining "
        "URLs are skipped, reason host_budget, and a later run takes them up.",
    )
    host_max_requests: int | None = Field(
        default=None,
        ge=1,
        description="How many requests a host gets in one run, robots.txt and redirects included; what is left is "
        "skipped, reason host_budget, and a later run takes it up. None: no limit.",
    )
    host_max_seconds: float | None = Field(
        default=None,
        gt=0,
        description="Seconds after a host's first request in which another may begin; what is left is skipped, reason "
        "host_budget, and a later run takes it up. None: no limit.",
    )
    host_max_stalls: int = Field(
        default=6,
        ge=1,
        description="After how many timeouts in a row a host's remaining URLs are skipped, reason host_budget, so that "
        "it cannot hold up the run.",
    )
    max_attempts: int = Field(default=3, ge=1, le=20, description="How often one URL is tried, the first try included.")
    backoff_seconds: Seconds = Field(
        default=1.0,
        description="Upper bound of the wait before the second try, doubled with each further one; the wait itself is "
        "drawn evenly between zero and that.",
    )
    max_backoff_seconds: Seconds = Field(default=30.0, description="Largest upper bound of the wait before a try.")
    url_budget_seconds: float = Field(
        default=180.0, gt=0, le=86_400, description="Time after which a URL is not tried again, from its first request."
    )
    connect_timeout: float = Field(
        default=10.0, gt=0, le=600, description="Seconds for a connection, name look-up and TLS included."
    )
    first_byte_timeout: float = Field(
        default=20.0, gt=0, le=600, description="Seconds from the connection to the answer's headers."
    )
    read_timeout: float = Field(
        default=15.0, gt=0, le=600, description="Seconds between two pieces of the answer's body."
    )
    total_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds for one request from beginning to end."
    )
    max_body_bytes: int = Field(
        default=10 * 2**20, ge=1024, le=2**30, description="Largest body, unpacked; a larger one is too_large."
    )
    max_unpack_ratio: int = Field(
        default=100,
        ge=2,
        description="How many times its size on the wire a body over 1 MiB may have once unpacked.",
    )
    max_header_bytes: int = Field(default=32_768, ge=1024, le=2**20, description="Longest single header line.")
    max_headers: int = Field(default=128, ge=16, le=10_000, description="How many header lines an response may have.")
    max_redirects: int = Field(default=10, ge=0, le=50, description="How many redirects are followed.")
    concurrency: int = Field(
        default=128, ge=1, le=10_000, description="How many requests are under way at once in one worker process."
    )
    shards: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="Into how many groups the hosts are assigned; one worker has whole groups. On this machine there "
        "is one for each worker.",
    )
    allowed_ports: frozenset[Annotated[int, Field(ge=1, le=65_535)]] = Field(
        default=frozenset({80, 443}), description="Ports that a URL or redirect may name."
    )
    allow_private_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names, * and ? allowed, that may lead to addresses of private networks and this machine: "
        "for an intranet or a test. Addresses of cloud metadata services stay closed.",
    )
    resolve: dict[str, str] = Field(
        default_factory=dict,
        description="Host name, * and ? allowed, to the address that is connected to in place of a look-up, with or "
        "without a port: 192.0.2.1, 192.0.2.1:8080, [2001:db8::1]:8080. The first match counts.",
    )
    headers: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict,
        description="Host name, * and ? allowed, to headers that are sent to these hosts and no others, such as the "
        "key of a licensed source. Their values are never printed; ${NAME} takes one from the environment.",
    )

    @property
    def robots_token(self) -> str:
        """The product name: what robots.txt is read for."""
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
                    raise ValueError(f"the header {name!r} or its value holds characters that HTTP does not allow")
        return value


def split_target(target: str) -> tuple[str, int | None]:
    """Parts a value of `FetchConfig.resolve` into address and port.

    Raises:
        ValueError: this is no IP address with or without a port.
    """
    try:
        return str(ipaddress.ip_address(target)), None
    except ValueError:
        pass
    address, _, port = target.rpartition(":")
    match = _TARGET.fullmatch(address)
    if match and port.isdecimal() and 0 < int(port) <= 65_535:
        return str(ipaddress.ip_address(match["v4"] or match["v6"])), int(port)
    raise ValueError(f"{target!r} is no address such as 192.0.2.1, 192.0.2.1:8080 or [2001:db8::1]:8080")
