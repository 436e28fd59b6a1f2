"""Tests of host budgets, timeouts and back-off."""

import time
from itertools import pairwise

import pytest

from tests.support.http_server import Fetch, Server, respond, slow
from transforms.fetch.config import FetchConfig
from transforms.fetch.politeness.host import Host
from transforms.schema.failures import Reason, Rejected


def _reasons(results: object) -> list[str]:
    return sorted(str(r.fetch.reason) for r in results)  # type: ignore[attr-defined]


def test_max_requests(server: Server, fetch: Fetch) -> None:
    urls = [f"http://{host}.example/{n}" for host in "ab" for n in range(6)]
    results = fetch(*urls, host_max_requests=4)
    left = [r for r in results if r.fetch.reason == "host_budget"]
    assert {(r.fetch.outcome, r.fetch.retriable, r.fetch.attempts) for r in left} == {("skipped", True, 0)}
    assert len(left) == 6  # robots.txt is one of the four
    assert [len(server.paths(f"{host}.example")) for host in "ab"] == [4, 4]


def test_max_seconds(server: Server, fetch: Fetch) -> None:
    began = time.monotonic()
    results = fetch(*(f"/{n}" for n in range(50)), delay_seconds=0.2, host_max_seconds=0.9, obey_robots=False)
    assert time.monotonic() - began < 2  # requests that would start too late are not waited for
    assert 2 <= _reasons(results).count("None") <= 5
    assert _reasons(results).count("host_budget") == 50 - _reasons(results).count("None")


def test_unresponsive_host_is_abandoned(server: Server, fetch: Fetch) -> None:
    for n in range(20):
        server.on(f"/{n}", slow(5))
    results = fetch(
        *(f"/{n}" for n in range(20)), first_byte_timeout=0.2, host_max_stalls=4, max_attempts=2, obey_robots=False
    )
    assert _reasons(results) == ["host_budget"] * 18 + ["timeout"] * 2
    assert len(server.log) == 4


def test_response_resets_the_timeout_count(server: Server, fetch: Fetch) -> None:
    for n in (0, 1, 3, 4):
        server.on(f"/{n}", slow(5))
    results = fetch(
        *(f"/{n}" for n in range(6)), first_byte_timeout=0.2, host_max_stalls=3, max_attempts=1, obey_robots=False
    )
    assert _reasons(results) == ["None", "None", *["timeout"] * 4]


def test_no_budget_by_default(server: Server, fetch: Fetch) -> None:
    assert _reasons(fetch(*(f"/{n}" for n in range(60)))) == ["None"] * 60


@pytest.mark.parametrize("status", [429, 503])
def test_delay_grows_after_429_and_shrinks_again(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    server.on("/a", respond(status), respond(status), respond())
    fetch("/a", "/b", "/c", delay_seconds=0.1, obey_robots=False)
    times = [r.at for r in server.log]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert all(gap >= least - 0.001 for gap, least in zip(gaps, (0.2, 0.4, 0.2, 0.1), strict=True)), gaps


def test_delay_growth_is_limited() -> None:
    host = Host(FetchConfig())
    for _ in range(99):
        host.response_received(429, 0)
    assert host.slowness == 16
    host.response_received(500, 0)
    assert host.slowness == 16
    for _ in range(4):
        host.response_received(200, 0)
    assert host.slowness == 1
    host.response_received(404, 0)
    assert host.slowness == 1


def test_wait_beyond_the_budget_is_refused() -> None:
    host = Host(FetchConfig(host_max_seconds=10))
    host.request_started()
    host.ready_at = time.monotonic() + 11
    with pytest.raises(Rejected, match="host_max_seconds") as caught:
        host.seconds_until_ready()
    assert caught.value.reason is Reason.HOST_BUDGET
