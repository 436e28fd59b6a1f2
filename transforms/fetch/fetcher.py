"""Many hosts at once, each at its own pace: one request at a time to a host, its delay between two, robots.txt first.

A request passes three gates, in this order: its host's turn (one at a time, after the delay), a connection slot (so
many in all), and, once its page is there, a place with the consumer. A host that waits holds no slot, and a page that
waits for its place holds one, so that bodies cannot pile up.
"""

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin

from transforms.fetch.client import WITH_BODY, Answer, Client
from transforms.fetch.config import FetchConfig
from transforms.fetch.robots import MAX_BYTES, MAX_REDIRECTS, RobotsRules
from transforms.records import Failure, Fetch, Outcome, Page, Reason, Rejected, UrlRequest, content_hash, failure_of
from transforms.urls import domain_of, host_of, normal_url, resolve

_REDIRECTS = (301, 302, 303, 307, 308)
_TRIED_AGAIN = frozenset(
    {
        Reason.CONNECT,
        Reason.DNS,
        Reason.HTTP_429,
        Reason.HTTP_5XX,
        Reason.PROTOCOL,
        Reason.ROBOTS_UNREACHABLE,
        Reason.TIMEOUT,
        Reason.TLS,
        Reason.TRUNCATED,
    }
)
_SKIPPED = frozenset({Reason.CANCELLED, Reason.HOST_BUDGET, Reason.OPTED_OUT, Reason.ROBOTS, Reason.ROBOTS_UNREACHABLE})
# What stops robots.txt and would stop the page in the same way, so the URL's row says it as it is.
_OF_THE_HOST = frozenset(
    {Reason.CONNECT, Reason.DNS, Reason.HOST_BUDGET, Reason.PORT_NOT_ALLOWED, Reason.PRIVATE_ADDRESS, Reason.TLS}
)
_HOSTS_PER_SLOT = 4

_T = TypeVar("_T")


class Missed(NamedTuple):
    """A request that brought no page: its ledger row, and for one that failed (was not skipped) the failure."""

    fetch: Fetch
    failure: Failure | None


Deliver = Callable[[Page | Missed], Awaitable[None]]
"""Takes one result; it may wait until there is a place for it."""


@dataclass(slots=True)
class _Host:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    robots_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    robots: RobotsRules | Rejected | None = None
    crawl_delay: float = 0.0
    ready_at: float = 0.0


@dataclass(slots=True)
class _Progress:
    """How far one URL has come, over all its attempts."""

    attempts: int = 0
    hops: int = 0
    status: int | None = None
    final_url: str | None = None
    elapsed_ms: int | None = None
    retry_after: float = 0.0
    settled: bool = False
    """Whether robots.txt has decided, so that another attempt would change nothing."""


class Fetcher:
    """Fetches requests on the running event loop.

    Args:
        config: the stage's settings.
        accept: content types whose pages are read; others are ``unsupported_type``.
        deliver: gets one result for each distinct ``article_id``, as they come.
    """

    def __init__(self, config: FetchConfig, accept: frozenset[str], deliver: Deliver) -> None:
        self._config = config
        self._accept = accept
        self._deliver = deliver
        self._client = Client(config)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._hosts: dict[str, _Host] = {}

    async def run(self, requests: Iterable[UrlRequest]) -> None:
        """Fetches all requests; cancelling it ends every request that is under way."""
        queues: dict[str, list[UrlRequest]] = {}
        for request in distinct(requests):
            queues.setdefault(host_of(request.url), []).append(request)
        # The longest queues first, since they end last. Not all hosts at once, or every robots.txt would come
        # before the first page.
        waiting = iter(sorted(queues.values(), key=len, reverse=True))
        async with self._client:
            workers = [
                asyncio.create_task(self._work(waiting))
                for _ in range(min(len(queues), _HOSTS_PER_SLOT * self._config.concurrency))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, waiting: Iterator[list[UrlRequest]]) -> None:
        for queue in waiting:
            for number, request in enumerate(queue, 1):
                await self._settle(request, last=number == len(queue))

    async def _settle(self, request: UrlRequest, last: bool) -> None:
        """Sees to it that a request has its one result, whatever happens."""
        progress = _Progress()
        try:
            url = normal_url(request.url)
            await self._tried(lambda: self._attempt(request, url, progress, last), progress)
        except Rejected as refused:
            await self._deliver(_missed(request, refused, progress))
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this URL, never the run
            line = traceback.format_exception_only(type(error), error)[-1].strip()
            await self._deliver(_missed(request, Rejected(Reason.INTERNAL_ERROR, line), progress))

    async def _tried(self, act: Callable[[], Awaitable[_T]], progress: _Progress) -> _T:
        """Does something until it succeeds, fails for good, or attempts or time are used up."""
        config = self._config
        began = time.monotonic()
        for attempt in range(1, config.max_attempts + 1):
            progress.retry_after = 0.0
            try:
                return await act()
            except Rejected as refused:
                if refused.reason not in _TRIED_AGAIN or progress.settled or attempt == config.max_attempts:
                    raise
                bound = min(config.max_backoff_seconds, config.backoff_seconds * 2 ** (attempt - 1))
                # Full jitter: drawn from zero on, so that hosts that failed together do not come back together.
                wait = max(progress.retry_after, random.uniform(0, bound))  # noqa: S311 - no secret
                if time.monotonic() + wait - began > config.url_budget_seconds:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("max_attempts is at least 1")

    async def _attempt(self, request: UrlRequest, url: str, progress: _Progress, last: bool) -> None:
        """Asks for a URL once, redirects and all, and delivers its page."""
        seen = {url}
        counted = False
        progress.final_url = None
        while True:
            progress.status = progress.elapsed_ms = None
            host = self._host(url)
            await self._ask_robots(host, url, progress)
            async with self._turn(host):
                progress.attempts += not counted
                counted = True
                answer = await self._client.get(url, self._accept, last=last)
                self._note(host, answer, progress)
                if answer.status not in _REDIRECTS:
                    await self._deliver(_page(request, answer, progress))
                    return
            url = progress.final_url = _next_url(answer, seen, self._config.max_redirects)

    async def _ask_robots(self, host: _Host, url: str, progress: _Progress) -> None:
        if not self._config.obey_robots:
            return
        async with host.robots_lock:
            if host.robots is None:
                host.robots = await self._read_robots(host, url)
        if isinstance(host.robots, Rejected):
            progress.settled = True
            raise Rejected(host.robots.reason, host.robots.message)
        if not host.robots.allowed(url):
            raise Rejected(Reason.ROBOTS, f"The site's robots.txt disallows {url} for {self._config.robots_token}.")

    async def _read_robots(self, host: _Host, url: str) -> RobotsRules | Rejected:
        """One host's rules, or why nothing of it may be asked for now."""
        progress = _Progress()
        try:
            rules = await self._tried(lambda: self._robots_attempt(urljoin(url, "/robots.txt"), progress), progress)
        except Rejected as refused:
            if refused.reason in (Reason.REDIRECT_LOOP, Reason.TOO_MANY_REDIRECTS):
                # RFC 9309, section 2.3.1.2: as if there were none.
                return RobotsRules.parse(b"", 404, self._config.robots_token)
            if refused.reason in _OF_THE_HOST and progress.hops == 0:
                return refused
            return Rejected(Reason.ROBOTS_UNREACHABLE, f"robots.txt could not be had. {refused.message}")
        host.crawl_delay = rules.delay or 0.0
        host.ready_at = max(host.ready_at, time.monotonic() + host.crawl_delay)
        return rules

    async def _robots_attempt(self, url: str, progress: _Progress) -> RobotsRules:
        seen = {url}
        progress.hops = 0
        while True:
            host = self._host(url)
            async with self._turn(host):
                answer = await self._client.get(url, limit=MAX_BYTES, cut=True)
                self._note(host, answer, progress)
            if answer.status not in _REDIRECTS:
                return RobotsRules.parse(answer.body, answer.status, self._config.robots_token)
            url = _next_url(answer, seen, MAX_REDIRECTS)
            progress.hops += 1

    def _host(self, url: str) -> _Host:
        return self._hosts.setdefault(host_of(url), _Host())

    @asynccontextmanager
    async def _turn(self, host: _Host) -> AsyncIterator[None]:
        """Waits until a host may be asked and a slot is free.

        Raises:
            Rejected: ``host_budget``, when the host asked for a wait that is longer than we wait for anybody.
        """
        async with host.lock:
            wait = host.ready_at - time.monotonic()
            if wait > self._config.max_wait_seconds:
                raise Rejected(
                    Reason.HOST_BUDGET, f"The host asks for a wait of {wait:,.0f} s, over fetch.max_wait_seconds."
                )
            if wait > 0:
                await asyncio.sleep(wait)
            async with self._slots:
                try:
                    yield
                finally:
                    jitter = random.uniform(0, self._config.jitter)  # noqa: S311 - no secret
                    delay = max(self._config.delay_seconds * (1 + jitter), host.crawl_delay)
                    host.ready_at = max(host.ready_at, time.monotonic() + delay)

    def _note(self, host: _Host, answer: Answer, progress: _Progress) -> None:
        progress.status, progress.final_url, progress.elapsed_ms = answer.status, answer.url, answer.elapsed_ms
        if answer.status in (429, 503):
            progress.retry_after = _retry_after(answer.headers.get("Retry-After", ""))
            host.ready_at = max(host.ready_at, time.monotonic() + progress.retry_after)


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


def _next_url(answer: Answer, seen: set[str], limit: int) -> str:
    location = answer.headers.get("Location", "").strip()
    if not location:
        raise Rejected(Reason.HTTP_UNEXPECTED, f"{answer.url} answers with {answer.status} and no Location.")
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates; in an address they are escaped.
    data = location.encode("utf-8", "surrogateescape")
    url = normal_url(resolve(answer.url, "".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in data)))
    if url in seen:
        raise Rejected(Reason.REDIRECT_LOOP, f"The redirects come back to {url}.")
    if len(seen) > limit:
        raise Rejected(Reason.TOO_MANY_REDIRECTS, f"More than {limit} redirects, the last from {answer.url}.")
    seen.add(url)
    return url


def _retry_after(value: str) -> float:
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


def _page(request: UrlRequest, answer: Answer, progress: _Progress) -> Page:
    status = answer.status
    if status not in WITH_BODY:
        raise Rejected(_status_reason(status), f"{answer.url} answers with status {status}.")
    if not answer.body:
        raise Rejected(Reason.EMPTY_BODY, f"{answer.url} answers with a body of no bytes.")
    fetch = Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome="ok",
        http_status=status,
        attempts=progress.attempts,
        final_url=answer.url,
        etag=_header(answer, "ETag"),
        last_modified=_header(answer, "Last-Modified"),
        body_hash=content_hash(answer.body),
        bytes=len(answer.body),
        elapsed_ms=answer.elapsed_ms,
        source=request.source,
        fetched_at=datetime.now(timezone.utc),
    )
    return Page(request=request, fetch=fetch, body=answer.body, content_type=_header(answer, "Content-Type") or "")


def _status_reason(status: int) -> Reason:
    if status in (404, 410):
        return Reason.HTTP_GONE
    if status == 429:
        return Reason.HTTP_429
    if 400 <= status < 500:
        return Reason.HTTP_4XX
    return Reason.HTTP_5XX if status >= 500 else Reason.HTTP_UNEXPECTED


def _header(answer: Answer, name: str) -> str | None:
    value = answer.headers.get(name)
    return None if value is None else value.encode("utf-8", "replace").decode()


def _missed(request: UrlRequest, refused: Rejected, progress: _Progress) -> Missed:
    outcome: Outcome = "skipped" if refused.reason in _SKIPPED else "failed"
    now = datetime.now(timezone.utc)
    fetch = Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome=outcome,
        reason=refused.reason.value,
        retriable=refused.reason.retriable,
        http_status=progress.status,
        attempts=progress.attempts,
        final_url=progress.final_url,
        elapsed_ms=progress.elapsed_ms,
        source=request.source,
        fetched_at=now,
    )
    failed = outcome == "failed"
    return Missed(fetch, failure_of(fetch, "fetch", refused.reason, refused.message, now) if failed else None)
