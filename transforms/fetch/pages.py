"""`fetch_pages`: the fetcher as a plain generator, its event loop in a thread."""

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress

from transforms.fetch.config import ARTICLE_TYPES, FetchConfig
from transforms.fetch.fetcher import Fetcher
from transforms.fetch.rows import Missed
from transforms.records import Page, UrlRequest

_PLACES = 16
_WAKE_SECONDS = 0.5

_Result = Page | Missed | BaseException | None


def fetch_pages(
    requests: Iterable[UrlRequest], config: FetchConfig, accept: frozenset[str] = ARTICLE_TYPES
) -> Generator[Page | Missed, None, None]:
    """Fetches requests, and yields each result as it comes: a page, or why there is none.

    At most a few pages wait for the consumer; while it is busy, no more are fetched. Closing the generator, or an
    exception at its place (Ctrl-C among them), ends all requests and waits until they are ended. `drain` ends them too,
    and everything is yielded: what came in time, and ``skipped / cancelled`` for the rest.

    Args:
        requests: what to ask for; several with one ``article_id`` are one.
        config: the stage's settings.
        accept: content types whose pages are read; others are ``unsupported_type``.

    Yields:
        One result for each distinct ``article_id``. No exception for a request's failure: it is a `Missed`.
    """
    todo = list(requests)
    if not todo:
        return
    worker = _Worker(todo, config, accept)
    try:
        worker.start()
        while (result := _next(worker.results)) is not None:
            if isinstance(result, BaseException):
                raise result
            worker.make_place()
            yield result
    finally:
        if worker.is_alive():
            worker.stop()


def _next(results: queue.SimpleQueue[_Result]) -> _Result:
    """The next result, when it comes.

    A signal may reach another thread than this one. Its handler runs in this one all the same, but not before a wait
    ends: a wait for a page that does not come would hold up a Ctrl-C for a minute.
    """
    while True:
        with suppress(queue.Empty):
            return results.get(timeout=_WAKE_SECONDS)


class _Worker(threading.Thread):
    """The event loop's thread. `results` ends with None, or with the exception that ended the loop."""

    def __init__(self, requests: Sequence[UrlRequest], config: FetchConfig, accept: frozenset[str]) -> None:
        super().__init__(name="fetch", daemon=True)
        self._job = requests, config, accept
        self._running = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.results: queue.SimpleQueue[_Result] = queue.SimpleQueue()

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are read
            self.results.put(error)
        else:
            self.results.put(None)
        finally:
            self._running.set()

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        self._places = asyncio.Semaphore(_PLACES)
        self._loop = asyncio.get_running_loop()
        self._running.set()
        requests, config, accept = self._job
        await Fetcher(config, accept, self._deliver).run(requests)

    async def _deliver(self, result: Page | Missed) -> None:
        await self._places.acquire()
        self.results.put(result)

    def make_place(self) -> None:
        """Lets one more result come."""
        self._call(self._places.release)

    def stop(self) -> None:
        """Cancels what is under way and waits for its end."""
        self._running.wait()
        if self._task is not None:
            self._call(self._task.cancel)
        self.join()

    def _call(self, act: Callable[[], object]) -> None:
        # The loop may have ended by itself.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(act)
