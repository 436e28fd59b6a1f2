"""Fetch from many hosts concurrently: one request at a time per host, with its delay, after its robots.txt.

Each request acquires its host lock (after the delay), then a concurrency slot, then an output-queue slot for its page.
A host that waits for its delay holds no concurrency slot. A page that waits for the output queue holds one, so that
bodies cannot pile up.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urljoin

from transforms.fetch.http.client import WITH_BODY, Response
from transforms.fetch.politeness.host import Host, retry_after
from transforms.fetch.politeness.robots import MAX_AGE_SECONDS, MAX_BYTES, MAX_REDIRECTS, RobotsRules
from transforms.fetch.politeness.tdm_reservation import MAX_BYTES as MAX_TDMREP_BYTES
from transforms.fetch.politeness.tdm_reservation import WELL_KNOWN, Head, Reservations, read_head, reserved_by_headers
from transforms.fetch.redirects import REDIRECTS, next_url, refresh_url
from transforms.fetch.results import Progress, distinct, is_same_page, no_page, not_modified, page
from transforms.fetch.session import Session
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import NoPage, Page, UrlRequest
from transforms.schema.urls import host_of, normal_url

_RETRIED = frozenset(
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
# Reasons why robots.txt cannot be fetched that apply to the page too; the row of the URL keeps them.
_OF_THE_HOST = frozenset(
    {Reason.CONNECT, Reason.DNS, Reason.HOST_BUDGET, Reason.PORT_NOT_ALLOWED, Reason.PRIVATE_ADDRESS, Reason.TLS}
)
_HOSTS_PER_SLOT = 4
_MAX_VALIDATOR = 1_000

_T = TypeVar("_T")

Deliver = Callable[[Page | NoPage], Awaitable[None]]
"""Receives one result; may wait for a free slot of the output queue."""


class Fetcher:
    """Fetch requests on the running event loop.

    Args:
        session: connections and host states.
        accept: content types whose bodies are read; others are ``unsupported_type``.
        deliver: receives one result for each distinct ``article_id``, as soon as it is available.
        max_queue_seconds: maximum time of a request in seconds, including waits; None: no limit.
    """

    def __init__(
        self, session: Session, accept: frozenset[str], deliver: Deliver, max_queue_seconds: float | None = None
    ) -> None:
        self._session = session
        self._config = session.config
        self._accept = accept
        self._deliver = deliver
        self._max_queue_seconds = max_queue_seconds

    async def run(self, requests: Iterable[UrlRequest]) -> None:
        """Fetch all requests; cancellation cancels every request in flight."""
        queues: dict[str, list[UrlRequest]] = {}
        for request in distinct(requests):
            queues.setdefault(host_of(request.url), []).append(request)
        # The longest queues start first, since they end last. The hosts do not all start at once; otherwise every
        # robots.txt would be fetched before the first page.
        waiting = iter(sorted(queues.values(), key=len, reverse=True))
        workers = [
            asyncio.create_task(self._work(waiting))
            for _ in range(min(len(queues), _HOSTS_PER_SLOT * self._config.concurrency))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, waiting: Iterator[list[UrlRequest]]) -> None:
        for queue in waiting:
            for number, request in enumerate(queue, 1):
                await self._fetch_one(request, last=number == len(queue))

    async def _fetch_one(self, request: UrlRequest, last: bool) -> None:
        """Deliver exactly one result for a request."""
        progress = Progress()
        try:
            url = normal_url(request.url)
            await asyncio.wait_for(
                self._with_retries(lambda: self._attempt(request, url, progress, last), progress),
                self._max_queue_seconds,
            )
        except Rejected as refused:
            await self._deliver(no_page(request, refused, progress))
        except asyncio.TimeoutError:
            # Without an attempt, the delay of the host took all the time.
            reason = Reason.TIMEOUT if progress.attempts else Reason.HOST_BUDGET
            given_up = Rejected(reason, f"No response within {self._max_queue_seconds:,.0f} s, including waits.")
            await self._deliver(no_page(request, given_up, progress))
        except Exception as error:  # noqa: BLE001 - an internal error fails this URL, never the run
            await self._deliver(no_page(request, Rejected.of_error(error), progress))

    async def _with_retries(self, act: Callable[[], Awaitable[_T]], progress: Progress) -> _T:
        """Call `act` until it succeeds, fails permanently, or attempts or time are used up."""
        config = self._config
        began = time.monotonic()
        for attempt in range(1, config.max_attempts + 1):
            progress.retry_after = 0.0
            try:
                return await act()
            except Rejected as refused:
                if refused.reason not in _RETRIED or progress.settled or attempt == config.max_attempts:
                    raise
                bound = min(config.max_backoff_seconds, config.backoff_seconds * 2 ** (attempt - 1))
                # Full jitter, so that requests that failed together are not retried together.
                wait = max(progress.retry_after, random.uniform(0, bound))  # noqa: S311 - no secret
                if time.monotonic() + wait - began > config.url_budget_seconds:
                    raise
                await self._session.pause(wait)
        raise AssertionError("max_attempts is at least 1")

    async def _attempt(self, request: UrlRequest, url: str, progress: Progress, last: bool) -> None:
        """Request a URL once, follow its redirects, and deliver the page."""
        seen = {url}
        counted = refreshed = False
        progress.final_url = None
        while True:
            progress.status = progress.elapsed_ms = None
            host = self._session.host(url)
            await self._check_host(host, url, progress)
            validators = _validators(request, url)
            async with self._session.host_slot(host):
                progress.attempts += not counted
                counted = True
                response = await self._get(host, url, progress, self._accept, last=last, headers=validators)
                if response.status == 304 and validators:
                    await self._deliver(not_modified(request, response, progress))
                    return
                head = self._head(response)
                refresh = None if refreshed else refresh_url(response, head, seen)
                if response.status not in REDIRECTS and refresh is None:
                    reserved = self._reserved(host, response, head)
                    # Waits for the output queue while it holds its slot, so that bodies cannot pile up.
                    await self._deliver(page(request, response, progress, reserved))
                    return
            refreshed = refreshed or refresh is not None
            url = refresh or next_url(response, seen, self._config.max_redirects)
            seen.add(url)
            progress.final_url = url

    def _head(self, response: Response) -> Head:
        if not response.body or "html" not in response.headers.get("Content-Type", "html").lower():
            return Head()
        return read_head(response.body, self._config.robots_token)

    def _reserved(self, host: Host, response: Response, head: Head) -> bool | None:
        """Whether a page is reserved, by the strictest statement; None if the site and the page state nothing.

        Raises:
            Rejected: ``opted_out``, if it is reserved and the configuration obeys reservations.
        """
        stated = [reserved_by_headers(response.headers, self._config.robots_token), head.reserved]
        if isinstance(host.reservations, Reservations):
            stated.append(host.reservations.reserved(response.url))
        reserved = max((each for each in stated if each is not None), default=None)
        if reserved and self._config.obey_opt_outs:
            raise Rejected(Reason.OPTED_OUT, f"{response.url} is reserved from text and data mining.")
        return reserved

    async def _check_host(self, host: Host, url: str, progress: Progress) -> None:
        """Check that a host allows a URL, by its robots.txt and reservations, which are read once a day.

        Raises:
            Rejected: the host disallows the URL, or its rules cannot be read.
        """
        if self._config.obey_robots:
            async with host.reading:
                if host.robots is None or time.monotonic() - host.robots_read_at > MAX_AGE_SECONDS:
                    host.robots = await self._read_robots(host, url)
                    host.robots_read_at = time.monotonic()
            rules = _require(host.robots, progress)
            # Matching many wildcards takes a tenth of a second, which would block the event loop of all hosts.
            allowed = await asyncio.to_thread(rules.allowed, url) if rules.is_expensive else rules.allowed(url)
            if not allowed:
                raise Rejected(Reason.ROBOTS, f"The site's robots.txt disallows {url} for {self._config.robots_token}.")
        if self._config.obey_opt_outs:
            async with host.reading:
                if host.reservations is None or time.monotonic() - host.reservations_read_at > MAX_AGE_SECONDS:
                    host.reservations = await self._read_reservations(host, url)
                    host.reservations_read_at = time.monotonic()
            if _require(host.reservations, progress).reserved(url):
                raise Rejected(Reason.OPTED_OUT, f"The site's {WELL_KNOWN} reserves {url} from text and data mining.")

    async def _read_robots(self, host: Host, url: str) -> RobotsRules | Rejected:
        """Read a host's robots.txt; return a `Rejected`, which disallows all requests for now, if that fails."""
        progress = Progress()

        async def read() -> RobotsRules:
            response = await self._followed(
                urljoin(url, "/robots.txt"), progress, MAX_BYTES, cut=True, with_body=range(200, 300)
            )
            return RobotsRules.parse(response.body, response.status, self._config.robots_token)

        try:
            rules = await self._with_retries(read, progress)
        except Rejected as refused:
            if refused.reason in (Reason.REDIRECT_LOOP, Reason.TOO_MANY_REDIRECTS):
                # RFC 9309, section 2.3.1.2: treated as a missing file.
                return RobotsRules.parse(b"", 404, self._config.robots_token)
            if refused.reason is Reason.CANCELLED or (refused.reason in _OF_THE_HOST and progress.hops == 0):
                return refused
            return Rejected(Reason.ROBOTS_UNREACHABLE, f"robots.txt cannot be read. {refused.message}")
        host.crawl_delay = rules.delay or 0.0
        host.ready_at = max(host.ready_at, time.monotonic() + host.crawl_delay)
        return rules

    async def _read_reservations(self, host: Host, url: str) -> Reservations | Rejected:
        """Read a host's reservations; return a `Rejected`, which disallows all requests for now, if that fails."""
        target = urljoin(url, WELL_KNOWN)
        if isinstance(host.robots, RobotsRules) and not host.robots.allowed(target):
            return Reservations([])
        progress = Progress()

        async def read() -> Reservations:
            response = await self._followed(target, progress, MAX_TDMREP_BYTES)
            if response.status == 429 or response.status >= 500:
                raise Rejected(Reason.HTTP_5XX, f"{response.url} returned status {response.status}.")
            return Reservations.parse(response.body if response.status in WITH_BODY else b"")

        try:
            return await self._with_retries(read, progress)
        except Rejected as refused:
            if refused.reason in _RETRIED or refused.reason in (Reason.CANCELLED, Reason.HOST_BUDGET):
                return Rejected(refused.reason, f"{WELL_KNOWN} cannot be read. {refused.message}")
            return Reservations([])

    async def _followed(
        self,
        url: str,
        progress: Progress,
        limit: int,
        *,
        cut: bool = False,
        with_body: Container[int] = WITH_BODY,
    ) -> Response:
        """Request a policy file of a host, such as robots.txt, and follow its redirects."""
        seen = {url}
        progress.hops = 0
        while True:
            host = self._session.host(url)
            async with self._session.host_slot(host):
                response = await self._get(host, url, progress, limit=limit, cut=cut, with_body=with_body)
            if response.status not in REDIRECTS:
                return response
            url = next_url(response, seen, MAX_REDIRECTS)
            seen.add(url)
            progress.hops += 1

    async def _get(
        self,
        host: Host,
        url: str,
        progress: Progress,
        accept: frozenset[str] = frozenset(),
        *,
        limit: int | None = None,
        cut: bool = False,
        last: bool = False,
        headers: Mapping[str, str] | None = None,
        with_body: Container[int] = WITH_BODY,
    ) -> Response:
        """Send one request with `Client.get` and record its result in the host's state."""
        client = self._session.client
        try:
            response = await self._session.wait_for(
                client.get(url, accept, limit=limit, cut=cut, last=last, headers=headers, with_body=with_body)
            )
        except Rejected as refused:
            host.request_failed(refused.reason)
            raise
        progress.status, progress.final_url, progress.elapsed_ms = response.status, response.url, response.elapsed_ms
        if response.status in (429, 503):
            progress.retry_after = retry_after(response.headers.get("Retry-After", ""))
        host.response_received(response.status, progress.retry_after)
        return response


def _require(rules: _T | Rejected | None, progress: Progress) -> _T:
    """Return the rules if they could be read.

    Raises:
        Rejected: the rules could not be read; this applies to all URLs of the host.
    """
    if isinstance(rules, Rejected):
        progress.settled = True
        raise Rejected(rules.reason, rules.message)
    assert rules is not None  # noqa: S101 - read just before
    return rules


def _validators(request: UrlRequest, url: str) -> dict[str, str]:
    """Return the headers that make a request for a URL conditional (RFC 9110, section 13.1)."""
    if not is_same_page(request, url):
        return {}
    known = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
    return {
        name: value
        for name, value in known.items()
        if value and len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable()
    }
