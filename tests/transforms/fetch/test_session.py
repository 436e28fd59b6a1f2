"""What a process keeps of hosts from call to call, for a stream: connections, words, clocks, budgets."""

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


def ask(config: FetchConfig, *urls: str) -> list[Page | NoPage]:
    return list(fetch_pages([request_of(url, "urls") for url in urls], config, persistent=True))


def test_robots_txt_is_asked_for_once_over_several_calls(server: Server, config: Make) -> None:
    for n in range(3):
        [page] = ask(config(), f"http://a.example/{n}")
        assert isinstance(page, Page)
    assert server.paths() == ["/robots.txt", "/0", "/1", "/2"]
    assert len(_fetch_threads()) == 1
    close_persistent()
    assert _fetch_threads() == []
    ask(config(), "http://a.example/3")
    assert server.paths()[-2:] == ["/robots.txt", "/3"]


def test_a_hosts_delay_holds_between_calls_of_several_threads(server: Server, config: Make) -> None:
    settings = config(delay_seconds=0.15, jitter=0, obey_robots=False)
    threads = [
        threading.Thread(target=ask, args=(settings, f"http://a.example/{n}", f"http://b{n}.example/x"))
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


def test_other_settings_have_a_loop_of_their_own(server: Server, config: Make) -> None:
    ask(config(), "http://a.example/1")
    ask(config(user_agent="other/1"), "http://a.example/1")
    assert len(_fetch_threads()) == 2


def test_a_loop_that_ended_is_replaced(server: Server, config: Make) -> None:
    ask(config(), "http://a.example/1")
    [loop] = pages._PERSISTENT
    loop.close()
    [page] = ask(config(), "http://a.example/2")
    assert isinstance(page, Page)


def test_a_hosts_budget_is_renewed(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(host_max_requests=1, obey_robots=False)
    urls = [f"http://a.example/{n}" for n in range(2)]
    assert sorted(str(r.fetch.reason) for r in ask(settings, *urls)) == ["None", "host_budget"]
    assert [r.fetch.reason for r in ask(settings, urls[1])] == ["host_budget"]
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    assert [r.fetch.reason for r in ask(settings, urls[1])] == [None]


@pytest.mark.parametrize(
    ("path", "settings"),
    [("/robots.txt", {}), ("/.well-known/tdmrep.json", {"obey_opt_outs": True, "obey_robots": False})],
)
def test_what_a_host_did_not_say_once_is_asked_again(
    server: Server,
    config: Make,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    settings: dict[str, object],
) -> None:
    """Or one bad moment would close a site for as long as the stream flows."""
    server.on(path, respond(503))
    made = config(max_attempts=1, delay_seconds=0, **settings)
    assert [r.fetch.outcome for r in ask(made, "http://a.example/1")] != ["ok"]
    server.on(path, respond(404))
    asked = len(server.log)
    assert [r.fetch.outcome for r in ask(made, "http://a.example/1")] != ["ok"]
    assert len(server.log) == asked  # not again at once
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    assert [r.fetch.outcome for r in ask(made, "http://a.example/1")] == ["ok"]


def test_what_a_host_said_holds_for_a_day_and_no_longer(
    server: Server, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(obey_opt_outs=True)
    monkeypatch.setattr(session, "RENEWED_SECONDS", 0.0)
    for _ in range(2):
        ask(made, "http://a.example/1")
    said = ["/robots.txt", "/.well-known/tdmrep.json"]
    assert server.paths() == [*said, "/1", "/1"]
    monkeypatch.setattr(fetcher, "MAX_AGE_SECONDS", 0.0)
    ask(made, "http://a.example/1")
    assert server.paths()[4:] == [*said, "/1"]


def test_hosts_that_nobody_asks_are_forgotten(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_MOST_HOSTS", 3)
    made = config(obey_robots=False)
    ask(made, *(f"http://h{n}.example/a" for n in range(5)))
    hosts = pages._PERSISTENT[0].session._hosts
    assert len(hosts) == 5  # asked just now
    monkeypatch.setattr(session, "RENEWED_SECONDS", -1.0)
    ask(made, "http://h9.example/a")
    assert list(pages._PERSISTENT[0].session._hosts) == ["h9.example"]
