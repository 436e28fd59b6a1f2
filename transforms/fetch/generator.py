"""Fetch pages with a plain generator, `fetch_pages`, that runs its event loop in a thread."""

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.fetcher import Fetcher
from transforms.fetch.session import Session
from transforms.schema.records import NoPage, Page, UrlRequest
from transforms.schema.urls import host_of

_PLACES = 16
_WAKE_SECONDS = 0.5

_Result = Page | NoPage | BaseException | None


def fetch_pages(
    requests: Iterable[UrlRequest],
    config: FetchConfig,
    accept: frozenset[str] = ARTICLE_TYPES,
    *,
    persistent: bool = False,
    max_queue_seconds: float | None = None,
) -> Generator[Page | NoPage, None, None]:
    """Fetch requests and yield each result as soon as it is available: a page, or the rows of a request without a page.

    At most a few pages wait for the consumer; while it is busy, no more are fetched. Closing the generator, or an
    exception in the consumer (such as Ctrl-C), cancels all requests and waits until they have ended. A `drain` cancels
    them too, but the generator yields all results: finished requests, and ``skipped / cancelled`` for the others.

    Args:
        requests: the URLs; requests of one ``article_id`` are fetched once.
        config: the stage's settings.
        accept: content types whose pages are read; others are ``unsupported_type``.
        persistent: keep connections, robots.txt and rate limits for the next call in this process, and share them with
            calls of other threads. A stream needs this, since it makes very many calls with a few URLs each.
        max_queue_seconds: maximum time of a request in seconds; a longer one fails with ``timeout``, or ``host_budget``
            if the host's delay left no time for it. None: only the limits of `config` apply.

    Yields:
        One result for each distinct ``article_id``. A failed request is a `NoPage`, never an exception.
    """
    todo = list(requests)
    if not todo:
        return
    with _persistent_loop(config) if persistent else _own_loop(config) as loop:
        job = _Job(loop, todo, accept, max_queue_seconds)
        try:
            while (result := _next(job.results)) is not None:
                if isinstance(result, BaseException):
                    raise result
                job.release_slot()
                yield result
        finally:
            job.stop()


def request_interval(url: str, config: FetchConfig) -> float:
    """Estimate the seconds between two requests to a URL's host, from the ``persistent`` calls of this process."""
    with _persistent_loop(config) as loop:
        return loop.session.request_interval(host_of(url))


def _next(results: queue.SimpleQueue[_Result]) -> _Result:
    """Wait for the next result.

    The wait is split into short ones. A signal may arrive in another thread, but its handler runs in this thread when a
    wait ends, so one long wait would delay a Ctrl-C by a minute.
    """
    while True:
        with suppress(queue.Empty):
            return results.get(timeout=_WAKE_SECONDS)


class _Loop(threading.Thread):
    """A thread with an event loop and its session."""

    def __init__(self, config: FetchConfig, *, is_persistent: bool) -> None:
        super().__init__(name="fetch", daemon=True)
        self.config = config
        self._is_persistent = is_persistent
        self._opened: Future[tuple[asyncio.AbstractEventLoop, Session, asyncio.Event]] = Future()
        self.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._opened.result()[0]

    @property
    def session(self) -> Session:
        return self._opened.result()[1]

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - the user of the loop raises it
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _main(self) -> None:
        closed = asyncio.Event()
        async with Session(self.config, is_persistent=self._is_persistent) as session:
            self._opened.set_result((asyncio.get_running_loop(), session, closed))
            await closed.wait()

    def close(self) -> None:
        """Stop the idle loop and wait for its thread."""
        with suppress(Exception):
            loop, _, closed = self._opened.result()
            loop.call_soon_threadsafe(closed.set)
        self.join()


@contextmanager
def _own_loop(config: FetchConfig) -> Iterator[_Loop]:
    loop = _Loop(config, is_persistent=False)
    try:
        yield loop
    finally:
        loop.close()


_PERSISTENT: list[_Loop] = []
_PERSISTENT_LOCK = threading.Lock()


@contextmanager
def _persistent_loop(config: FetchConfig) -> Iterator[_Loop]:
    """Return the process's loop for these settings; it ends with the process or with `close_persistent`."""
    with _PERSISTENT_LOCK:
        loop = next((loop for loop in _PERSISTENT if loop.config == config and loop.is_alive()), None)
        if loop is None:
            loop = _Loop(config, is_persistent=True)
            _PERSISTENT.append(loop)
    yield loop


def close_persistent() -> None:
    """Close the loops that ``persistent`` calls keep in this process; no such call may be active."""
    with _PERSISTENT_LOCK:
        while _PERSISTENT:
            _PERSISTENT.pop().close()


class _Job:
    """One call of `fetch_pages`. `results` ends with None, or with the exception that ended the call."""

    def __init__(
        self, loop: _Loop, requests: Sequence[UrlRequest], accept: frozenset[str], max_queue_seconds: float | None
    ) -> None:
        self._loop, self._requests, self._accept, self._max_queue_seconds = loop, requests, accept, max_queue_seconds
        self._ended = threading.Event()
        self.results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        loop.loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._ended.set())

    async def _run(self) -> None:
        self._places = asyncio.Semaphore(_PLACES)
        try:
            await Fetcher(self._loop.session, self._accept, self._deliver, self._max_queue_seconds).run(self._requests)
        except BaseException as error:  # noqa: BLE001 - the reader of the results raises it
            self.results.put(error)
        else:
            self.results.put(None)

    async def _deliver(self, result: Page | NoPage) -> None:
        await self._places.acquire()
        self.results.put(result)

    def release_slot(self) -> None:
        """Release one slot of the result queue."""
        self._call(self._places.release)

    def stop(self) -> None:
        """Cancel the requests in flight and wait for their end."""
        if self._call(lambda: self._task.cancel()):
            self._ended.wait()

    def _call(self, act: Callable[[], object]) -> bool:
        """Schedule a callback on the loop; False if it is closed."""
        try:
            self._loop.loop.call_soon_threadsafe(act)
        except RuntimeError:
            return False
        return True
