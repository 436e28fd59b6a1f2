"""Tests of the generator: streaming results, back-pressure and clean-up."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.http_server import Server, respond, slow
from transforms.fetch import FetchConfig, fetch_pages
from transforms.fetch.generator import _PLACES
from transforms.schema.records import Page, UrlRequest
from transforms.schema.urls import request_of

Make = Callable[..., FetchConfig]


def _requests(hosts: int) -> list[UrlRequest]:
    return [request_of(f"http://h{n}.example/a", "urls") for n in range(hosts)]


def _fetch_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "fetch"]


def test_no_requests() -> None:
    assert list(fetch_pages([], FetchConfig())) == []


def test_results_are_streamed(server: Server, config: Make) -> None:
    server.on("/a", slow(1.0), host="h0.example")
    began = time.monotonic()
    results = fetch_pages(_requests(5), config())
    next(results)
    assert time.monotonic() - began < 0.9
    assert len(list(results)) == 4
    assert _fetch_threads() == []


def test_back_pressure(server: Server, config: Make) -> None:
    results = fetch_pages(_requests(60), config(obey_robots=False, concurrency=4))
    next(results)
    time.sleep(0.5)
    # Fetched so far: consumed results, queued results, and requests in a connection slot.
    assert len(server.log) <= 1 + _PLACES + 1 + 4
    assert len(list(results)) == 59
    assert len(server.log) == 60


def test_close_cancels_active_requests(server: Server, config: Make) -> None:
    for n in range(1, 20):
        server.on("/a", slow(30), host=f"h{n}.example")
    results = fetch_pages(_requests(20), config(obey_robots=False))
    assert isinstance(next(results), Page)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 2
    assert _fetch_threads() == []


@pytest.mark.parametrize("which", ["this thread", "another thread"])
def test_interrupt_cancels_active_requests(server: Server, config: Make, which: str) -> None:
    """In whichever thread the signal arrives."""
    server.on("/a", slow(30))
    results = fetch_pages(_requests(3), config(obey_robots=False))
    other = which == "another thread"
    interrupt = partial(signal.raise_signal, signal.SIGINT) if other else partial(os.kill, os.getpid(), signal.SIGINT)
    threading.Timer(0.3, interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert time.monotonic() - began < 5
    assert _fetch_threads() == []


def test_close_before_the_first_result(config: Make) -> None:
    results = fetch_pages(_requests(1), config())
    results.close()
    assert _fetch_threads() == []


def test_error_of_the_loop_is_raised(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def faulty(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr("transforms.fetch.generator.Fetcher.run", faulty)
    with pytest.raises(MemoryError, match="no more"):
        list(fetch_pages(_requests(1), config()))


def test_many_hosts_and_few_slots(server: Server, config: Make) -> None:
    server.on("/a", respond())
    results = list(fetch_pages(_requests(50), config(concurrency=2)))
    assert sum(isinstance(result, Page) for result in results) == 50
