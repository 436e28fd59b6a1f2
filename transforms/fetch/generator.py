"""`fetch_pages`: the fetcher as a plain generator, its event loop in a thread."""

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.fetcher import Fetcher
from transforms.fetch.results import NoPage
from transforms.fetch.session import Session
from transforms.schema.records import Page, UrlRequest
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
    """Fetches requests, and yields each result as it comes: a page, or why there is none.

    At most a few pages wait for the consumer; while it is busy, no more are fetched. Closing the generator, or an
    exception at its place (Ctrl-C among them), ends all requests and waits until they are ended. `drain` ends them too,
    and everything is yielded: what came in time, and ``skipped / cancelled`` for the rest.

    Args:
        requests: what to ask for; several with one ``article_id`` are one.
        config: the stage's settings.
        accept: content types whose pages are read; others are ``unsupported_type``.
        persistent: keep connections, robots.txt and each host's pace for the next call of this process, and share them
            with calls of other threads: what a stream needs, which fetches a little at a time and without end.
        max_queue_seconds: seconds after which a request is given up (``timeout``, or ``host_budget`` for one whose
        host's pace
            left it no turn); None: only the limits of `config` hold.

    Yields:
        One result for each distinct ``article_id``. No exception for a request's failure: it is a `NoPage`.
    """
    todo = list(requests)
    if not todo:
        return
    with _lasting_loop(config) if persistent else _own_loop(config) as loop:
        job = _Job(loop, todo, accept, max_queue_seconds)
        try:
            while (result := _next(job.results)) is not None:
                if isinstance(result, BaseException):
                    raise result
                job.make_place()
                yield result
        finally:
            job.stop()


def request_interval(url: str, config: FetchConfig) -> float:
    """Seconds between two requests to a URL's host, as far as ``persistent`` calls of this process know."""
    with _lasting_loop(config) as loop:
        return loop.session.pace(host_of(url))


def _next(results: queue.SimpleQueue[_Result]) -> _Result:
    """The next result, when it comes.

    A signal may reach another thread than this one. Its handler runs in this one all the same, but not before a wait
    ends: a wait for a page that does not come would hold up a Ctrl-C for a minute.
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
        except BaseException as error:  # noqa: BLE001 - it is raised where the loop is asked for
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _main(self) -> None:
        closed = asyncio.Event()
        async with Session(self.config, is_persistent=self._is_persistent) as session:
            self._opened.set_result((asyncio.get_running_loop(), session, closed))
            await closed.wait()

    def close(self) -> None:
        """Ends the loop, which has nothing to do any more, and waits for its end."""
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


_LASTING: list[_Loop] = []
_LASTING_LOCK = threading.Lock()


@contextmanager
def _lasting_loop(config: FetchConfig) -> Iterator[_Loop]:
    """The process's loop for these settings; it ends with the process, or with `end_lasting`."""
    with _LASTING_LOCK:
        loop = next((loop for loop in _LASTING if loop.config == config and loop.is_alive()), None)
        if loop is None:
            loop = _Loop(config, is_persistent=True)
            _LASTING.append(loop)
    yield loop


def end_lasting() -> None:
    """Ends what ``persistent`` calls keep in this process; none of them may be under way."""
    with _LASTING_LOCK:
        while _LASTING:
            _LASTING.pop().close()


class _Job:
    """One call. `results` ends with None, or with the exception that ended the call."""

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
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are read
            self.results.put(error)
        else:
            self.results.put(None)

    async def _deliver(self, result: Page | NoPage) -> None:
        await self._places.acquire()
        self.results.put(result)

    def make_place(self) -> None:
        """Lets one more result come."""
        self._call(self._places.release)

    def stop(self) -> None:
        """Cancels what is under way and waits for its end."""
        if self._call(lambda: self._task.cancel()):
            self._ended.wait()

    def _call(self, act: Callable[[], object]) -> bool:
        """Has the loop do something; False where it has ended."""
        try:
            self._loop.loop.call_soon_threadsafe(act)
        except RuntimeError:
            return False
        return True
