"""Tests of the drain: active requests finish, all others are cancelled, and every URL has a row."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.support.http_server import Behaviour, Server, respond, slow
from transforms.fetch import FetchConfig, fetch_pages
from transforms.runtime.drain import drain, resume
from transforms.schema.records import Page, UrlRequest
from transforms.schema.urls import request_of

Make = Callable[..., FetchConfig]


@pytest.fixture(autouse=True)
def _resumed() -> Iterator[None]:
    yield
    resume()


def _requests(*urls: str) -> list[UrlRequest]:
    return [request_of(url, "urls") for url in urls]


def _drain_after(seconds: float) -> None:
    threading.Timer(seconds, drain).start()


def test_active_requests_finish_and_others_are_cancelled(server: Server, config: Make) -> None:
    server.on("/0", slow(0.6))
    urls = [f"http://{host}.example/{n}" for host in "abc" for n in range(100)]
    _drain_after(0.3)
    began = time.monotonic()
    results = list(fetch_pages(_requests(*urls), config(obey_robots=False, delay_seconds=60)))
    assert time.monotonic() - began < 1.5
    assert len({r.fetch.article_id for r in results}) == len(results) == 300
    assert Counter((r.fetch.outcome, r.fetch.reason, r.fetch.retriable) for r in results) == {
        ("ok", None, False): 3,
        ("skipped", "cancelled", True): 297,
    }
    assert len(server.log) == 3
    assert all(getattr(r, "failure", None) is None for r in results)


@pytest.mark.parametrize(
    ("path", "behaviour", "settings"),
    [
        ("/robots.txt", slow(30), {}),
        ("/robots.txt", respond(503), {"backoff_seconds": 60}),
        ("/a", slow(30), {}),
        ("/a", respond(503), {"backoff_seconds": 60}),
        ("/a", respond(503, b"", {"Retry-After": "60"}), {}),
    ],
)
def test_drain_ends_every_wait(
    server: Server,
    config: Make,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    behaviour: Behaviour,
    settings: dict[str, object],
) -> None:
    monkeypatch.setattr("transforms.fetch.session._DRAIN_SECONDS", 0.2)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    server.on(path, behaviour)
    _drain_after(0.3)
    began = time.monotonic()
    results = list(fetch_pages(_requests("http://a.example/a", "http://a.example/b"), config(**settings)))
    assert time.monotonic() - began < 1.5
    assert [(r.fetch.outcome, r.fetch.reason) for r in results] == [("skipped", "cancelled")] * 2


def test_no_request_starts_after_a_drain(server: Server, config: Make) -> None:
    drain()
    results = list(fetch_pages(_requests("http://a.example/a", "no address"), config()))
    assert sorted(str(r.fetch.reason) for r in results) == ["cancelled", "invalid_url"]
    assert server.log == []
    resume()
    (page,) = fetch_pages(_requests("http://a.example/a"), config())
    assert isinstance(page, Page)


def test_slow_consumer_gets_all_results(server: Server, config: Make) -> None:
    results = fetch_pages(
        _requests(*(f"http://h{n}.example/a" for n in range(100))), config(concurrency=4, obey_robots=False)
    )
    first = next(results)
    drain()
    time.sleep(0.5)
    rest = list(results)
    assert isinstance(first, Page)
    assert len(rest) == 99
    assert {r.fetch.reason for r in rest} == {None, "cancelled"}
    assert len(server.log) < 30  # requests that wait for a slot do not start
