"""A small HTTP server on loopback that misbehaves on demand and keeps a log."""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from transforms.fetch import NoPage
from transforms.schema.records import Page

Fetch = Callable[..., list[Page | NoPage]]
"""Fetches URLs with the settings of a test."""

PAGE = b"<html><body><p>The old mill turns again.</p></body></html>"


@dataclass(frozen=True)
class Request:
    """One received request; ``at`` is the monotonic time when its head was read."""

    host: str
    path: str
    headers: Mapping[str, str]
    at: float


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def respond(status: int = 200, body: bytes = PAGE, headers: Mapping[str, str] | None = None) -> Behaviour:
    """A well-formed response. `headers` override the defaults; the default ``Content-Type`` is HTML."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        known = {"Content-Type": "text/html", "Content-Length": str(len(body)), **(headers or {})}
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in known.items() if value != "-")]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        await writer.drain()

    return behave


def raw(*pieces: bytes, pause: float = 0.0, abort: bool = False) -> Behaviour:
    """Raw bytes with a pause after each piece, then the end of the connection (a reset with `abort`)."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if abort:
            writer.transport.abort()
        writer.close()

    return behave


def slow(seconds: float, behaviour: Behaviour | None = None) -> Behaviour:
    """Wait before the response."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await (behaviour or respond())(request, writer)

    return behave


def endless(head: bytes, piece: bytes) -> tuple[Behaviour, list[int]]:
    """An endless body, and a list with the number of bytes sent as its only item."""
    sent = [0]

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            sent[0] += len(piece)

    return behave, sent


class Server:
    """Serves every host name on one port. By default robots.txt is 404 and all other paths are `PAGE`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.log: list[Request] = []
        self.busy: dict[str, int] = {}
        self.most_at_once: dict[str, int] = {}
        self._scripts: dict[tuple[str | None, str], list[Behaviour]] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def on(self, path: str, *behaviours: Behaviour, host: str | None = None) -> None:
        """Set the behaviours of a path, one per request; the last one is repeated."""
        self._scripts[host, path] = list(behaviours)

    def paths(self, host: str | None = None) -> list[str]:
        """Paths requested so far, in order."""
        return [r.path for r in self.log if host in (None, r.host)]

    def __enter__(self) -> "Server":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=512, ssl=self._tls)
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while not writer.is_closing():
                first = await reader.readexactly(1)
                if first == b"\x16":  # the beginning of a TLS handshake
                    writer.write(b"HTTP/1.1 400 X\r\n\r\n")
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                await self._serve(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, head: list[str], writer: asyncio.StreamWriter) -> None:
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        request = Request(headers["host"], head[0].split(" ")[1], headers, time.monotonic())
        self.log.append(request)
        self.busy[request.host] = self.busy.get(request.host, 0) + 1
        self.most_at_once[request.host] = max(self.most_at_once.get(request.host, 0), self.busy[request.host])
        try:
            await self._behaviour(request)(request, writer)
        finally:
            self.busy[request.host] -= 1

    def _behaviour(self, request: Request) -> Behaviour:
        path = request.path.partition("?")[0]
        script = self._scripts.get((request.host, path)) or self._scripts.get((None, path))
        if not script:
            return respond(404) if path == "/robots.txt" else respond()
        return script.pop(0) if len(script) > 1 else script[0]
