"""Tests of host state shared between calls in a stream: connections, robots.txt, rate limits, budgets."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from tests.support.http_server import Server, respond
from transforms.fetch import FetchConfig, NoPage, fetch_pages, fetcher, session
from transforms.fetch import generator as pages
from transforms.fetch.generator import close_persistent
from transforms.schema.records import Page
from transforms.schema.urls import request_of

Make = Callable[..., FetchConfig]


def _fetch_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "fetch"]


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    close_persistent()


def fetch(config: FetchConfig, *urls: str) -> list[Page | NoPage]:
    return list(fetch_pages([request_of(url, "urls") for url in urls], config, persistent=True))


def test_robots_txt_is_cached_between_calls(server: Server, config: Make) -> None:
    for n in range(3):
        [page] = fetch(config(), f"http://a.example/{n}")
        assert isinstance(page, Page)
    assert server.paths() == ["/robots.txt", "/0", "/1", "/2"]
    assert len(_fetch_threads()) == 1
    close_persistent()
    assert _fetch_threads() == []
    fetch(config(), "http://a.example/3")
    assert server.paths()[-2:] == ["/robots.txt", "/3"]


def test_delay_applies_across_threads(server: Server, config: Make) -> None:
    settings = config(delay_seconds=0.15, jitter=0, obey_robots=False)
    threads = [
        threading.Thread(target=fetch, args=(settings, f"http://a.example/{n}", f"http://b{n}.example/x"))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(request.at for request in server.log if request.host == "a.example")
    assert len(times) == 4
    assert min(b - a for a, b in pairwise(times)) >= 0.15
    assert server.most_at_once["a.example"] == 1
    assert len(_fetch_threads()) == 1


def test_each_configuration_has_its_own_loop(server: Server, config: Make) -> None:
    fetch(config(), "http://a.example/1")
    fetch(config(user_agent="other/1"), "http://a.example/1")
    assert len(_fetch_threads()) == 2


def test_closed_loop_is_replaced(server: Server, config: Make) -> None:
    fetch(config(), "http://a.example/1")
    [loop] = pages._PERSISTENT
    loop.close()
    [page] = fetch(config(), "http://a.example/2")
    assert isinstance(page, Page)


def test_host_budget_is_renewed(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(host_max_requests=1, obey_robots=False)
    urls = [f"http://a.example/{n}" for n in range(2)]
    assert sorted(str(r.fetch.reason) for r in fetch(settings, *urls)) == ["None", "host_budget"]
    assert [r.fetch.reason for r in fetch(settings, urls[1])] == ["host_budget"]
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    assert [r.fetch.reason for r in fetch(settings, urls[1])] == [None]


@pytest.mark.parametrize(
    ("path", "settings"),
    [("/robots.txt", {}), ("/.well-known/tdmrep.json", {"obey_opt_outs": True, "obey_robots": False})],
)
def test_unreachable_robots_txt_is_requested_again(
    server: Server,
    config: Make,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    settings: dict[str, object],
) -> None:
    """A temporary failure must not block a site until the stream ends."""
    server.on(path, respond(503))
    made = config(max_attempts=1, delay_seconds=0, **settings)
    assert [r.fetch.outcome for r in fetch(made, "http://a.example/1")] != ["ok"]
    server.on(path, respond(404))
    asked = len(server.log)
    assert [r.fetch.outcome for r in fetch(made, "http://a.example/1")] != ["ok"]
    assert len(server.log) == asked  # not retried immediately
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    assert [r.fetch.outcome for r in fetch(made, "http://a.example/1")] == ["ok"]


def test_robots_txt_is_cached_for_a_day(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config(obey_opt_outs=True)
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    for _ in range(2):
        fetch(made, "http://a.example/1")
    said = ["/robots.txt", "/.well-known/tdmrep.json"]
    assert server.paths() == [*said, "/1", "/1"]
    monkeypatch.setattr(fetcher, "MAX_AGE_SECONDS", 0.0)
    fetch(made, "http://a.example/1")
    assert server.paths()[4:] == [*said, "/1"]


def test_idle_hosts_are_removed(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_MOST_HOSTS", 3)
    made = config(obey_robots=False)
    fetch(made, *(f"http://h{n}.example/a" for n in range(5)))
    hosts = pages._PERSISTENT[0].session._hosts
    assert len(hosts) == 5  # requested just now
    monkeypatch.setattr(session, "RENEWED_SECONDS", -1.0)
    fetch(made, "http://h9.example/a")
    assert list(pages._PERSISTENT[0].session._hosts) == ["h9.example"]
