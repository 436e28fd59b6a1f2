"""Serve the publishers of the demo on one loopback port, distinguished by the Host header.

    with Site() as site:
        ...  # http://{site.address}/ with Host: wire.example

Tests read ``site.log`` (what was asked, when) and ``site.expected()`` (how each URL must end).
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web

from pipeline.demo.render import LAST_CHANGE, PAGES, Document, load_documents
from transforms.schema.failures import Reason
from transforms.schema.records import Outcome

_GAZETTE = "http://www.harbour-gazette.example"
_POST = "http://brindle-post.example"
_TIMES = "http://karra-times.example"
_WIRE = "http://wire.example"


@dataclass(frozen=True)
class Behaviour:
    """Special behaviour of a URL; by default its document is sent immediately."""

    status: int = 200
    location: str | None = None
    delay_seconds: float = 0.0
    busy_responses: int = 0
    """Number of first requests with a 503 response, counted over the life of the server."""
    charset: str | None = None
    """Encoding of the page, declared only in its meta element."""


BEHAVIOURS: dict[str, Behaviour] = {
    f"{_GAZETTE}/news/2025/03/10/quay-fire": Behaviour(delay_seconds=1.5),
    f"{_GAZETTE}/news/2024/11/old-market": Behaviour(status=410),
    f"{_POST}/a/1038": Behaviour(status=301, location="/articles/1045-library-hours"),
    f"{_POST}/articles/1042-school-bus": Behaviour(busy_responses=2),
    f"{_TIMES}/story/cafe-margot": Behaviour(charset="windows-1252"),
}

_EXPECTED: tuple[tuple[str, Outcome, Reason | None], ...] = (
    (f"{_GAZETTE}/feed.xml", "ok", None),
    (f"{_GAZETTE}/culture/2025/03/13/film-festival", "ok", None),
    (f"{_GAZETTE}/members/briefing", "skipped", Reason.ROBOTS),
    (f"{_GAZETTE}/news/", "failed", Reason.NOT_ARTICLE),
    (f"{_GAZETTE}/news/2024/11/old-market", "failed", Reason.HTTP_GONE),
    (f"{_GAZETTE}/news/2025/03/10/quay-fire", "ok", None),
    (f"{_GAZETTE}/news/2025/03/11/ferry-cuts", "ok", None),
    (f"{_GAZETTE}/news/2025/03/12/hospital-wing", "ok", None),
    (f"{_GAZETTE}/news/2025/03/12/lighthouse-keeper", "ok", None),
    (f"{_POST}/atom.xml", "ok", None),
    (f"{_POST}/a/1038", "ok", None),
    (f"{_POST}/articles/1041-mill-reopening", "ok", None),
    (f"{_POST}/articles/1042-school-bus", "ok", None),
    (f"{_POST}/articles/1043-dam-inspection", "ok", None),
    (f"{_POST}/articles/1044-storm-gates", "ok", None),
    (f"{_POST}/files/council-minutes.pdf", "failed", Reason.UNSUPPORTED_TYPE),
    (f"{_TIMES}/feed.json", "ok", None),
    (f"{_TIMES}/de/faehre-nach-karra", "ok", None),
    (f"{_TIMES}/story/cafe-margot", "ok", None),
    (f"{_TIMES}/story/cup-final", "ok", None),
    (f"{_TIMES}/story/harbour-levy", "ok", None),
    (f"{_TIMES}/story/vet-interview", "ok", None),
    (f"{_WIRE}/2025/boatyard-trial", "ok", None),
    (f"{_WIRE}/2025/energy-link", "ok", None),
    (f"{_WIRE}/2025/first-report", "failed", Reason.HTTP_GONE),
    (f"{_WIRE}/2025/herring-quota", "ok", None),
    (f"{_WIRE}/2025/mayor-race", "ok", None),
    (f"{_WIRE}/2025/storm-gates", "ok", None),
)


@dataclass(frozen=True)
class Request:
    """One received request."""

    host: str
    path: str
    """With its query."""
    at: float
    """Seconds on the monotonic clock."""
    headers: Mapping[str, str]


class Site:
    """The site on a port of 127.0.0.1, in its own thread, until the ``with`` block ends.

    Attributes:
        address: ``127.0.0.1:PORT``.
        log: every request so far, in order.
        hosts: the publishers' names.
    """

    def __init__(self, port: int = 0) -> None:
        """Prepare the site.

        Args:
            port: the port; 0 for a free one.
        """
        self.address = ""
        self._port = port
        self.log: list[Request] = []
        self.hosts = tuple(sorted(folder.name for folder in PAGES.iterdir()))
        charsets = {url: how.charset for url, how in BEHAVIOURS.items() if how.charset}
        self._documents = load_documents(charsets)
        self._busy: Counter[str] = Counter()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="site", daemon=True)

    def put(self, url: str, body: str, content_type: str = "text/html; charset=utf-8") -> None:
        """Change the document of a URL, or add one; its Last-Modified is that of documents without a date."""
        self._documents[url] = Document(body.encode(), content_type, LAST_CHANGE)

    def expected(self) -> list[tuple[str, str, str | None]]:
        """``(url, outcome, reason)`` of every URL of a run of configs/demo.yaml, including feeds."""
        return [(url, outcome, reason.value if reason else None) for url, outcome, reason in _EXPECTED]

    def __enter__(self) -> "Site":
        self._thread.start()
        self._ready.wait()
        if isinstance(self._error, OSError):
            raise self._error
        if self._error:
            raise RuntimeError("The site did not start.") from self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for the start
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            self.address = f"127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        self.log.append(Request(host, request.raw_path, time.monotonic(), dict(request.headers)))
        url = f"http://{host}{request.path}"
        how = BEHAVIOURS.get(url, Behaviour())
        await asyncio.sleep(how.delay_seconds)
        if how.location:
            return web.Response(status=how.status, headers={"Location": how.location})
        if self._busy[url] < how.busy_responses:
            self._busy[url] += 1
            return web.Response(status=503, headers={"Retry-After": "1"}, text="Back in a moment.")
        document = self._documents.get(url)
        if how.status != 200 or document is None:
            status = how.status if how.status != 200 else 404
            page = "<!DOCTYPE html><title>Not here</title><h1>This page is not here</h1><p>Try the front page.</p>"
            return web.Response(status=status, text=page, content_type="text/html")
        return _send(document, request)


def _send(document: Document, request: web.Request) -> web.Response:
    """Return the document, or 304 if the client has it (RFC 9110, section 13.2.2)."""
    etag = f'"{document.etag}"'
    known, since = request.if_none_match, request.if_modified_since
    if known is not None:
        fresh = document.etag in {tag.value for tag in known}
    else:
        fresh = since is not None and document.modified <= since
    if fresh:
        return web.Response(status=304, headers={"ETag": etag})
    response = web.Response(body=document.body, headers={"Content-Type": document.content_type, "ETag": etag})
    response.last_modified = document.modified
    if not document.content_type.startswith("application/pdf"):
        response.enable_compression()
    return response
