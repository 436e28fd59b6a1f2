"""Tests of fetching in a stream: rate limits per site, independent sites, one outcome per request."""

import copy
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners.worker.bundle_processor import OutputTimer
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PANE_INFO_UNKNOWN

from tests.support.http_server import Server, respond, slow
from transforms.fetch import ARTICLE_TYPES, FetchConfig
from transforms.fetch import streaming as module
from transforms.fetch.generator import close_persistent
from transforms.fetch.streaming import FetchStream
from transforms.runtime.drain import drain, resume
from transforms.schema.records import Page, UrlRequest
from transforms.schema.urls import request_of, site_of

Make = Callable[..., FetchConfig]


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    resume()
    close_persistent()


class Bag:
    def __init__(self) -> None:
        self.entries: list[Any] = []

    def add(self, entry: Any) -> None:
        self.entries.append(entry)

    def read(self) -> list[Any]:
        return list(self.entries)

    def clear(self) -> None:
        self.entries.clear()


class Timer:
    _input_timestamp: Any = None
    at: Any = None

    def set(self, at: Any) -> None:
        self.at = at


class Sites:
    """State and timers of sites, as in a runner."""

    def __init__(self, config: FetchConfig, max_queue_seconds: float = 600.0) -> None:
        self.do = FetchStream(config, ARTICLE_TYPES, max_queue_seconds)
        self.waiting: dict[str, Bag] = {}
        self.timers: dict[str, Timer] = {}
        self.stamps: list[tuple[Any, Any]] = []

    def come(self, *urls: str) -> None:
        self.do.start_bundle()
        for url in urls:
            request = request_of(url, "feed")
            site = site_of(request.url)
            bag, timer = self.waiting.setdefault(site, Bag()), self.timers.setdefault(site, Timer())
            self.do.process((site, request), bag, timer)
        assert list(self.do.finish_bundle()) == []

    def turn(self) -> list[tuple[str, Any]]:
        """Fire all set timers in one bundle; return outputs by name."""
        self.do.start_bundle()
        for site, timer in self.timers.items():
            if timer.at is not None:
                timer.at = None
                self.do.take_slice(self.waiting[site], timer)
        found = []
        for output in self.do.finish_bundle():
            name, given = (output.tag, output.value) if isinstance(output, TaggedOutput) else ("pages", output)
            found.append((name, given.value))
            self.stamps.append((given.timestamp, given.value))
        return found

    def until_quiet(self, most: int = 50) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for _ in range(most):
            found += self.turn()
            if not any(bag.entries for bag in self.waiting.values()):
                return found
        raise AssertionError("requests still wait")

    @property
    def left(self) -> int:
        return sum(len(bag.entries) for bag in self.waiting.values())


def outcomes(found: list[tuple[str, Any]]) -> Counter[str]:
    return Counter(v.fetch.outcome if n == "pages" else v.reason or v.outcome for n, v in found if n != "failures")


def test_outcomes_and_timestamps(server: Server, config: Make) -> None:
    server.on("/gone", respond(404))
    sites = Sites(config())
    urls = [f"http://h{n % 3}.example/{n}" for n in range(20)] + ["http://h0.example/gone", "no address"]
    sites.come(*urls)
    assert sites.left == 22
    found = sites.until_quiet()
    assert outcomes(found) == {"ok": 20, "http_gone": 1, "invalid_url": 1}
    assert sorted(n for n, _ in found) == ["failures"] * 2 + ["fetches"] * 2 + ["pages"] * 20
    for stamp, value in sites.stamps:
        if isinstance(value, Page):
            assert float(stamp) == pytest.approx(value.fetch.fetched_at.timestamp(), abs=1e-4)


def test_timer_fetches_the_oldest_requests_within_the_rate_limit(server: Server, config: Make) -> None:
    sites = Sites(config(delay_seconds=0.05, jitter=0, obey_robots=False))
    module_slice, module.SLICE_SECONDS = module.SLICE_SECONDS, 0.2
    try:
        sites.come(*(f"http://slow.example/{n}" for n in range(6)))
        sites.come("http://slow.example/6", "http://quick.example/a")
        first = sites.turn()
        assert sites.left == 3
        assert sites.timers["slow.example"].at is not None
        assert sites.timers["quick.example"].at is None
        rest = sites.until_quiet()
    finally:
        module.SLICE_SECONDS = module_slice
    assert len(first) == 5
    assert server.paths("slow.example") == [f"/{n}" for n in range(7)]
    assert outcomes(first + rest) == {"ok": 8}
    times = [r.at for r in server.log if r.host == "slow.example"]
    assert min(b - a for a, b in pairwise(times)) >= 0.05  # also between timers


def test_session_is_kept_between_timers(server: Server, config: Make) -> None:
    sites = Sites(config())
    for n in range(3):
        sites.come(f"http://a.example/{n}")
        sites.turn()
    assert server.paths() == ["/robots.txt", "/0", "/1", "/2"]


def test_expired_requests_are_skipped(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = Sites(config(obey_robots=False), max_queue_seconds=100)
    sites.come("http://a.example/old")
    ahead = time.time() + 101
    with monkeypatch.context() as later:
        later.setattr("transforms.fetch.streaming.time.time", lambda: ahead)
        sites.come("http://a.example/new")
        found = sites.turn()
    assert [(n, v.reason, v.retriable) for n, v in found if n != "pages"] == [("fetches", "host_budget", True)]
    assert server.paths() == ["/new"]


def test_full_queue_skips_requests(server: Server, config: Make) -> None:
    sites = Sites(config(delay_seconds=0.1, jitter=0, obey_robots=False), max_queue_seconds=1)
    sites.come(*(f"http://a.example/{n}" for n in range(500)))
    with_room = sites.do._queue_limit("http://a.example/0")
    assert with_room == 10
    found = sites.turn()
    assert outcomes(found)["host_budget"] == 490
    assert len(found) + sites.left == 500
    assert [request.url for _, request in sites.waiting["a.example"].entries] == []  # one timer fetches ten
    assert server.paths() == [f"/{n}" for n in range(10)]


def test_drain_cancels_waiting_requests(server: Server, config: Make) -> None:
    sites = Sites(config(delay_seconds=60, obey_robots=False))
    sites.come(*(f"http://{host}.example/{n}" for host in "ab" for n in range(5)))
    drain()
    began = time.monotonic()
    found = sites.turn()
    assert time.monotonic() - began < 2
    assert sites.left == 0
    assert outcomes(found) == {"cancelled": 10}
    assert all(v.retriable for _, v in found)
    assert server.log == []


def test_slow_page_times_out(server: Server, config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESPONSE_SECONDS", 0.5)
    server.on("/a", slow(30))
    sites = Sites(config(obey_robots=False))
    sites.come("http://a.example/a", "http://b.example/b")
    began = time.monotonic()
    found = sites.until_quiet()
    assert time.monotonic() - began < 5
    assert outcomes(found) == {"ok": 1, "timeout": 1}


def test_pickle_keeps_secrets_out_of_repr(config: Make) -> None:
    do = FetchStream(config(headers={"a.example": {"X-Key": "hidden1"}}), ARTICLE_TYPES, 60)
    sent = pickle.loads(pickle.dumps(do))  # noqa: S301 - ours
    assert sent._config.headers["a.example"]["X-Key"].get_secret_value() == "hidden1"
    assert "hidden1" not in repr(sent._config) + str(sent.__dict__)
    assert copy.deepcopy(do)._config == do._config


def test_duplicates_in_one_timer(server: Server, config: Make) -> None:
    requests: list[UrlRequest] = [request_of("http://a.example/1", "feed"), request_of("http://a.example/1#x", "urls")]
    sites = Sites(config(obey_robots=False))
    sites.come(*(r.url for r in requests))
    assert outcomes(sites.turn()) == {"ok": 1}
    assert server.paths() == ["/1"]


def test_timer_of_beam_takes_the_hold_of_the_watermark() -> None:
    class Written:
        timers: ClassVar[list[Any]] = []

        def encode_to_stream(self, timer: Any, _stream: object, _nested: bool) -> None:
            self.timers.append(timer)

        def maybe_flush(self) -> None:
            """The stream is not flushed in this test."""

    timer = OutputTimer(
        "a.example",
        GlobalWindow(),
        Timestamp(100),
        PANE_INFO_UNKNOWN,
        TimeDomain.REAL_TIME,
        "turn",
        Written(),
        Written(),
    )
    module._hold_watermark_at(timer, 500.0)
    timer.set(Timestamp(501))
    assert Written.timers[0].hold_timestamp == Timestamp(500)
