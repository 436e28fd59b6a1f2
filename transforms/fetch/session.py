"""What fetchers of one event loop share: connections, and what is known of each host."""

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
"""After so long the budget of a host begins anew (``fetch.host_max_...``), in a session that has no end, and it is
asked again for a robots.txt that could not be had."""

_MOST_HOSTS = 20_000
_DRAIN_SECONDS = 5.0
_POLL_SECONDS = 0.1


class Session:
    """Connections, and the turns of hosts; use it as an asynchronous context manager.

    Args:
        config: the stage's settings.
        is_persistent: it serves a stream, so that budgets are renewed and what is known of hosts is forgotten in time.
    """

    def __init__(self, config: FetchConfig, *, is_persistent: bool = False) -> None:
        self.config = config
        self.client = Client(config)
        self._is_persistent = is_persistent
        self._slots = asyncio.Semaphore(config.concurrency)
        self._hosts: dict[str, Host] = {}
        self._draining = asyncio.Event()
        self._asking: set[asyncio.Task[Response]] = set()

    async def __aenter__(self) -> "Session":
        await self.client.__aenter__()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self.client.__aexit__(kind, error, trace)

    async def _watch(self) -> None:
        """Waits for the process's drain; then lets what is under way come, and ends what does not come soon."""
        while not is_draining():
            await asyncio.sleep(_POLL_SECONDS)
        self._draining.set()
        await asyncio.sleep(_DRAIN_SECONDS)
        for task in self._asking:
            task.cancel()

    def host(self, url: str) -> Host:
        """The host of a URL."""
        name = host_of(url)
        host = self._hosts.get(name)
        if host is None:
            if self._is_persistent and len(self._hosts) >= _MOST_HOSTS:
                self._forget()
            host = self._hosts[name] = Host(self.config)
        elif self._is_persistent and time.monotonic() - host.renewed_at > RENEWED_SECONDS:
            host.renew()
        return host

    def pace(self, name: str) -> float:
        """Seconds from one request to a host of this name to the next, as far as it is known."""
        host = self._hosts.get(name)
        if host is None:
            return self.config.delay_seconds
        return max(self.config.delay_seconds * host.slowness, host.crawl_delay) + host.took

    def _forget(self) -> None:
        """Forgets the hosts that nobody asks and whose delay is over for long."""
        long_ago = time.monotonic() - RENEWED_SECONDS
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.ready_at > long_ago or host.turn.locked() or host.reading.locked()
        }

    @asynccontextmanager
    async def turn(self, host: Host) -> AsyncIterator[None]:
        """Waits until a host may be asked and a slot is free.

        Raises:
            Rejected: ``host_budget``, by `Host.wait`; ``cancelled``, when the process drains.
        """
        async with host.turn:
            await self.pause(host.wait())
            async with self._slots:
                await self.pause(0)
                host.asked()
                try:
                    yield
                finally:
                    host.rest()

    async def pause(self, seconds: float) -> None:
        """Waits, but for a drain not at all.

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
            raise Rejected(Reason.CANCELLED, "The run was stopped before this URL's turn.")

    async def answer(self, asking: Coroutine[Any, Any, Response]) -> Response:
        """Waits for an response, which a drain ends.

        Raises:
            Rejected: by the request itself; ``cancelled``, when the drain ended it.
        """
        task = asyncio.create_task(asking)
        self._asking.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._asking.discard(task)
            task.cancel()
        if task.cancelled():
            raise Rejected(Reason.CANCELLED, "The run was stopped before this URL's response came.")
        return task.result()
