"""Keep the shared state of one event loop: connections, concurrency limit, hosts, drain."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from transforms.fetch.config import FetchConfig
from transforms.fetch.http.client import Client, Response
from transforms.fetch.politeness.host import Host
from transforms.runtime.drain import is_draining
from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import host_of

RENEWED_SECONDS = 900.0
"""Interval after which a persistent session resets the budget of a host (``fetch.host_max_...``) and retries a
robots.txt that could not be read."""

_MOST_HOSTS = 20_000
_DRAIN_SECONDS = 5.0
_POLL_SECONDS = 0.1


class Session:
    """Connections, concurrency slots and host states; an asynchronous context manager.

    Args:
        config: the stage's settings.
        is_persistent: whether it serves a stream: budgets are reset, and the states of idle hosts are dropped.
    """

    def __init__(self, config: FetchConfig, *, is_persistent: bool = False) -> None:
        self.config = config
        self.client = Client(config)
        self._is_persistent = is_persistent
        self._slots = asyncio.Semaphore(config.concurrency)
        self._hosts: dict[str, Host] = {}
        self._draining = asyncio.Event()
        self._in_flight: set[asyncio.Task[Response]] = set()

    async def __aenter__(self) -> "Session":
        await self.client.__aenter__()
        self._drain_watch = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drain_watch.cancel()
        await asyncio.gather(self._drain_watch, return_exceptions=True)
        await self.client.__aexit__(kind, error, trace)

    async def _watch(self) -> None:
        """Wait for the drain of the process, then cancel requests that do not end within a few seconds."""
        while not is_draining():
            await asyncio.sleep(_POLL_SECONDS)
        self._draining.set()
        await asyncio.sleep(_DRAIN_SECONDS)
        for task in self._in_flight:
            task.cancel()

    def host(self, url: str) -> Host:
        """Return the state of a URL's host."""
        name = host_of(url)
        host = self._hosts.get(name)
        if host is None:
            if self._is_persistent and len(self._hosts) >= _MOST_HOSTS:
                self._forget()
            host = self._hosts[name] = Host(self.config)
        elif self._is_persistent and time.monotonic() - host.renewed_at > RENEWED_SECONDS:
            host.renew()
        return host

    def request_interval(self, name: str) -> float:
        """Estimate the seconds between two requests to a host of this name."""
        host = self._hosts.get(name)
        if host is None:
            return self.config.delay_seconds
        return max(self.config.delay_seconds * host.slowness, host.crawl_delay) + host.took

    def _forget(self) -> None:
        """Drop the states of idle hosts after their delay ended long ago."""
        long_ago = time.monotonic() - RENEWED_SECONDS
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.ready_at > long_ago or host.lock.locked() or host.reading.locked()
        }

    @asynccontextmanager
    async def host_slot(self, host: Host) -> AsyncIterator[None]:
        """Wait for the host's lock, its delay and a concurrency slot, and hold them inside the context.

        Raises:
            Rejected: ``host_budget``, from `Host.seconds_until_ready`; ``cancelled``, if the process drains.
        """
        async with host.lock:
            await self.pause(host.seconds_until_ready())
            async with self._slots:
                await self.pause(0)
                host.request_started()
                try:
                    yield
                finally:
                    host.request_ended()

    async def pause(self, seconds: float) -> None:
        """Wait, unless the process drains.

        Raises:
            Rejected: ``cancelled``.
        """
        if seconds > 0 and not self._draining.is_set():
            drained = asyncio.create_task(self._draining.wait())
            try:
                await asyncio.wait({drained}, timeout=seconds)
            finally:
                drained.cancel()
        if self._draining.is_set():
            raise Rejected(Reason.CANCELLED, "The run was stopped before this URL was requested.")

    async def wait_for(self, request: Coroutine[Any, Any, Response]) -> Response:
        """Wait for the response to a request; a drain cancels it.

        Raises:
            Rejected: raised by the request; ``cancelled``, if the drain cancelled it.
        """
        task = asyncio.create_task(request)
        self._in_flight.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._in_flight.discard(task)
            task.cancel()
        if task.cancelled():
            raise Rejected(Reason.CANCELLED, "The run was stopped before this URL's response arrived.")
        return task.result()
