"""Tests of request intervals, robots.txt, redirects, retries and the resulting rows."""

import gzip
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import brotli
import pytest

from tests.support.http_server import Behaviour, Fetch, Server, endless, raw, respond, slow
from tests.support.records import load_cases
from transforms.fetch import FEED_TYPES, FetchConfig, NoPage, fetch_pages
from transforms.fetch.results import distinct
from transforms.fetch.results import page as page_of
from transforms.schema.records import Page
from transforms.schema.urls import request_of

FORBIDS = respond(body=b"User-agent: *\nDisallow: /news", headers={"Content-Type": "text/plain"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
REFRESH = b'<html><head><meta content="0;url=/real" http-equiv="refresh"></head></html>'
BROTLI_BOMB = brotli.compress(bytes(64 * 2**20), quality=4)
TOWARDS = {"Location": "/a"}


def _robots(text: str) -> Behaviour:
    return respond(body=text.encode(), headers={"Content-Type": "text/plain"})


class TestRequestInterval:
    def test_delay_between_requests(self, server: Server, fetch: Fetch) -> None:
        results = fetch(*(f"/{n}" for n in range(16)), delay_seconds=0.2)
        assert all(isinstance(result, Page) for result in results)
        times = [r.at for r in server.log]
        assert len(times) == 17  # including robots.txt
        assert min(later - sooner for sooner, later in pairwise(times)) >= 0.199
        assert server.most_at_once == {"news.example": 1}

    def test_delay_starts_at_the_end_of_a_request(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", slow(0.3))
        fetch("/a", "/b", delay_seconds=0.2, obey_robots=False)
        assert server.log[1].at - server.log[0].at >= 0.5

    def test_redirects_wait_for_the_delay(self, server: Server, fetch: Fetch) -> None:
        server.on("/old", respond(301, b"", TOWARDS))
        server.on("/there", respond(302, b"", {"Location": "http://news.example/b"}), host="other.example")
        fetch("/old", "http://other.example/there", delay_seconds=0.2)
        times = [r.at for r in server.log if r.host == "news.example"]
        assert len(times) == 4
        assert min(later - sooner for sooner, later in pairwise(times)) >= 0.199

    @pytest.mark.parametrize("line", ["Crawl-delay: 0.3", "Request-rate: 4/1s"])
    def test_crawl_delay(self, server: Server, fetch: Fetch, line: str) -> None:
        server.on("/robots.txt", _robots(f"User-agent: *\n{line}\nDisallow:\n"))
        fetch("/a", "/b", "/c")
        times = [r.at for r in server.log]
        assert min(later - sooner for sooner, later in pairwise(times)) >= 0.249

    def test_excessive_crawl_delay_is_skipped(self, server: Server, fetch: Fetch) -> None:
        server.on("/robots.txt", _robots("User-agent: *\nCrawl-delay: 99999999\n"))
        (result,) = fetch("/a")
        assert (result.fetch.outcome, result.fetch.reason) == ("skipped", "host_budget")
        assert result.fetch.retriable
        assert isinstance(result, NoPage)
        assert result.failure is None

    def test_waiting_host_uses_no_slot(self, server: Server, fetch: Fetch) -> None:
        began = time.monotonic()
        fetch(*(f"http://{host}.example/{n}" for host in "abcdef" for n in range(3)), concurrency=1, delay_seconds=0.2)
        # Six hosts with three waits each would take 3.6 s sequentially.
        assert time.monotonic() - began < 2.0

    def test_jitter(self, server: Server, fetch: Fetch) -> None:
        fetch(*(f"/{n}" for n in range(6)), delay_seconds=0.1, jitter=1.0, obey_robots=False)
        gaps = [later - sooner for sooner, later in pairwise(r.at for r in server.log)]
        assert min(gaps) >= 0.099
        assert max(gaps) - min(gaps) > 0.01


class TestRobots:
    def test_disallowed_urls_are_skipped(self, server: Server, fetch: Fetch) -> None:
        server.on("/robots.txt", FORBIDS)
        skipped, page = sorted(fetch("/news/1", "/other"), key=lambda r: r.fetch.url)
        assert (skipped.fetch.outcome, skipped.fetch.reason, skipped.fetch.retriable) == ("skipped", "robots", False)
        assert isinstance(page, Page)
        assert server.paths() == ["/robots.txt", "/other"]

    def test_old_rules_are_requested_again(self, server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("transforms.fetch.fetcher.MAX_AGE_SECONDS", 0.2)
        server.on("/robots.txt", _robots("User-agent: *\nDisallow:\n"), FORBIDS)
        first, second = fetch("/news/1", "/news/2", delay_seconds=0.3)
        assert (first.fetch.outcome, second.fetch.reason) == ("ok", "robots")

    def test_disabled(self, server: Server, fetch: Fetch) -> None:
        server.on("/robots.txt", FORBIDS)
        (page,) = fetch("/news/1", obey_robots=False)
        assert isinstance(page, Page)
        assert server.paths() == ["/news/1"]

    @pytest.mark.parametrize(
        "behaviour",
        [
            respond(500),
            respond(503),
            respond(429),
            slow(3),
            raw(b"junk\r\n\r\n"),
            respond(headers={"Content-Length": "999"}),
        ],
    )
    def test_unreachable_robots_txt_disallows_all(self, server: Server, fetch: Fetch, behaviour: Behaviour) -> None:
        server.on("/robots.txt", behaviour)
        limits = {"first_byte_timeout": 0.2, "read_timeout": 0.2}
        results = fetch("/a", "/b", max_attempts=2, **limits)
        assert {(r.fetch.outcome, r.fetch.reason, r.fetch.retriable) for r in results} == {
            ("skipped", "robots_unreachable", True)
        }
        assert server.paths() == ["/robots.txt"] * 2

    @pytest.mark.parametrize("behaviour", [respond(404), respond(403), respond(200, b"")])
    def test_missing_robots_txt_allows_all(self, server: Server, fetch: Fetch, behaviour: Behaviour) -> None:
        server.on("/robots.txt", behaviour)
        (page,) = fetch("/a")
        assert isinstance(page, Page)

    def test_redirect_of_robots_txt(self, server: Server, fetch: Fetch) -> None:
        for n in range(5):
            server.on("/robots.txt" if n == 0 else f"/r{n}", respond(301, b"", {"Location": f"/r{n + 1}"}))
        server.on("/r5", FORBIDS)
        (result,) = fetch("/news/1")
        assert result.fetch.reason == "robots"
        server.on("/r5", respond(301, b"", {"Location": "/r6"}))
        (page,) = fetch("/news/1")
        assert isinstance(page, Page)

    def test_robots_txt_of_10_mb(self, server: Server, fetch: Fetch) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nUser-agent: *\nDisallow: /news\n"
        behaviour, sent = endless(head, b"# nothing\n" * 1000)
        server.on("/robots.txt", behaviour)
        (result,) = fetch("/news/1")
        assert result.fetch.reason == "robots"
        assert sent[0] < 10 * 2**20

    def test_robots_txt_of_a_redirect_target(self, server: Server, fetch: Fetch) -> None:
        server.on("/robots.txt", FORBIDS, host="other.example")
        server.on("/a", respond(302, b"", {"Location": "http://other.example/news/1"}))
        (result,) = fetch("/a")
        assert (result.fetch.outcome, result.fetch.reason, result.fetch.attempts) == ("skipped", "robots", 1)
        assert server.paths("other.example") == ["/robots.txt"]
        assert (result.fetch.final_url, result.fetch.http_status) == ("http://other.example/news/1", None)


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_followed(self, server: Server, fetch: Fetch, status: int) -> None:
        server.on("/old/x", respond(status, b"", {"Location": "../new?utm_source=a#top"}))
        (page,) = fetch("/old/x")
        assert isinstance(page, Page)
        assert page.fetch.url == "http://news.example/old/x"
        assert page.fetch.final_url == "http://news.example/new?utm_source=a"
        assert page.fetch.attempts == 1

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:alert(1)", "http://u:p@news.example/"])
    def test_to_an_invalid_url(self, server: Server, fetch: Fetch, location: str) -> None:
        server.on("/a", respond(302, b"", {"Location": location}))
        (result,) = fetch("/a")
        assert (result.fetch.outcome, result.fetch.reason) == ("failed", "invalid_url")

    def test_to_a_closed_port(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(302, b"", {"Location": "http://public.test:22/"}))
        (result,) = fetch("/a")
        assert result.fetch.reason == "port_not_allowed"

    def test_too_many_redirects(self, server: Server, fetch: Fetch) -> None:
        for n in range(9):
            server.on(f"/{n}", respond(302, b"", {"Location": f"/{n + 1}"}))
        (page,), (result,) = fetch("/0", max_redirects=9), fetch("/0", max_redirects=8)
        assert isinstance(page, Page)
        assert result.fetch.reason == "too_many_redirects"

    def test_redirect_loop(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(302, b"", {"Location": "/b"}))
        server.on("/b", respond(302, b"", TOWARDS))
        (result,) = fetch("/a")
        assert (result.fetch.reason, result.fetch.retriable) == ("redirect_loop", False)

    def test_refresh_in_the_head(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(body=REFRESH))
        server.on("/real", respond(body=REFRESH.replace(b"/real", b"/b")))
        (page,) = fetch("/a")
        assert isinstance(page, Page)
        assert page.fetch.final_url == "http://news.example/real"  # followed once
        assert server.paths() == ["/robots.txt", "/a", "/real"]

    @pytest.mark.parametrize(
        "head",
        [
            b"<meta http-equiv=refresh content='300;url=/front'>",
            b"<meta http-equiv=refresh content=5>",
            b"<meta http-equiv=refresh content='0;url=/a#top'>",
            b"<meta http-equiv=refresh content='0;url=javascript:x()'>",
            b"<noscript><meta http-equiv=refresh content='0;url=/no-script'></noscript>",
            b"<!-- <meta http-equiv=refresh content='0;url=/b'> -->",
            b"<script>'<meta http-equiv=refresh content=\"0;url=/b\">'</script>",
        ],
    )
    def test_refresh_to_the_same_page_is_ignored(self, server: Server, fetch: Fetch, head: bytes) -> None:
        server.on("/a", respond(body=b"<html><head>" + head + b"</head><body>Text</body></html>"))
        (page,) = fetch("/a")
        assert isinstance(page, Page)
        assert server.paths() == ["/robots.txt", "/a"]

    def test_refresh_to_a_private_address(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(body=REFRESH.replace(b"/real", b"http://127.0.0.1/")))
        (result,) = fetch("/a")
        assert result.fetch.reason == "private_address"

    def test_non_ascii_location(self, server: Server, fetch: Fetch) -> None:
        head = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /caf\xe9/\xc3\xa9\r\n\r\n"
        server.on("/a", raw(head))
        (page,) = fetch("/a")
        assert page.fetch.final_url == "http://news.example/caf%E9/%C3%A9"


class TestRetries:
    @pytest.mark.parametrize("bad", [respond(503), respond(500), respond(429), raw(abort=True), raw(b"junk\r\n\r\n")])
    def test_retry_until_success(self, server: Server, fetch: Fetch, bad: Behaviour) -> None:
        server.on("/a", bad, bad, respond())
        (page,) = fetch("/a")
        assert isinstance(page, Page)
        assert page.fetch.attempts == 3

    def test_client_does_not_retry_itself(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", raw(), respond())
        (result,) = fetch("/a", max_attempts=1)
        assert result.fetch.reason == "connect"
        assert server.paths() == ["/robots.txt", "/a"]

    def test_all_attempts_fail(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(503))
        (result,) = fetch("/a", max_attempts=4)
        assert (result.fetch.reason, result.fetch.attempts, result.fetch.http_status) == ("http_5xx", 4, 503)
        assert server.paths() == ["/robots.txt", *["/a"] * 4]

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
    def test_permanent_errors_are_not_retried(self, server: Server, fetch: Fetch, status: int) -> None:
        server.on("/a", respond(status))
        (result,) = fetch("/a")
        assert result.fetch.attempts == 1
        assert server.paths() == ["/robots.txt", "/a"]

    def test_backoff_grows_to_its_limit(self, server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        bounds: list[float] = []

        def draw(low: float, high: float) -> float:
            bounds.append(high)
            return low

        monkeypatch.setattr("random.uniform", draw)
        server.on("/a", respond(503))
        fetch("/a", obey_robots=False, jitter=0, backoff_seconds=0.1, max_backoff_seconds=0.3, max_attempts=5)
        assert [bound for bound in bounds if bound] == pytest.approx([0.1, 0.2, 0.3, 0.3])

    def test_no_retry_after_the_time_limit(self, server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("random.uniform", lambda low, high: high)
        server.on("/a", respond(503))
        (result,) = fetch("/a", backoff_seconds=20, url_budget_seconds=10)
        assert (result.fetch.reason, result.fetch.attempts) == ("http_5xx", 1)

    def test_retry_after_date(self, server: Server, fetch: Fetch) -> None:
        when = (datetime.now(timezone.utc) + timedelta(seconds=2)).replace(microsecond=0)
        named = time.monotonic() + (when - datetime.now(timezone.utc)).total_seconds()
        server.on("/a", respond(503, b"", {"Retry-After": format_datetime(when, usegmt=True)}), respond())
        (page,) = fetch("/a")
        assert isinstance(page, Page)
        assert server.log[2].at >= named - 0.01

    @pytest.mark.parametrize(
        "value", ["soon", "-5", "1e9", "Wed, 99 Foo 2020 00:00:00 GMT", "Tue, 24 Jan 2017 05:35:45 GMT"]
    )
    def test_invalid_retry_after(self, server: Server, fetch: Fetch, value: str) -> None:
        server.on("/a", respond(429, b"", {"Retry-After": value}), respond())
        (page,) = fetch("/a")
        assert isinstance(page, Page)

    def test_retry_after_applies_to_the_host(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(429, b"", {"Retry-After": "1"}))
        fetch("/a", "/b", max_attempts=1)
        assert server.log[2].at - server.log[1].at >= 1.0

    def test_excessive_retry_after(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(429, b"", {"Retry-After": "999999999999999999"}))
        rows = {r.fetch.url[-2:]: r.fetch for r in fetch("/a", "/b")}
        assert (rows["/a"].reason, rows["/a"].attempts, rows["/a"].retriable) == ("http_429", 1, True)
        assert (rows["/b"].outcome, rows["/b"].reason, rows["/b"].retriable) == ("skipped", "host_budget", True)

    def test_row_has_data_of_the_last_attempt(self, server: Server, fetch: Fetch) -> None:
        server.on("/a", respond(503), slow(2))
        (result,) = fetch("/a", max_attempts=2, first_byte_timeout=0.2)
        assert (result.fetch.reason, result.fetch.http_status) == ("timeout", None)


def test_every_url_has_a_row(server: Server, fetch: Fetch) -> None:
    server.on("/b", respond(404))
    results = fetch("/a", "/b", "/c", "no address", "ftp://news.example/a", "http://user@news.example/a")
    assert len(results) == 6
    reasons = {r.fetch.url.removeprefix("http://news.example"): r.fetch.reason for r in results}
    assert reasons["/b"] == "http_gone"
    assert reasons["/a"] is reasons["/c"] is None
    assert list(reasons.values()).count("invalid_url") == 3


def test_internal_error_fails_one_url(server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    real = page_of

    def faulty(request: Any, *rest: Any) -> Page:
        if request.url.endswith("/b"):
            raise ZeroDivisionError("division by zero")
        return real(request, *rest)

    monkeypatch.setattr("transforms.fetch.fetcher.page", faulty)
    rows = {r.fetch.url[-2:]: r for r in fetch("/a", "/b", "/c")}
    assert isinstance(rows["/b"], NoPage)
    assert rows["/b"].failure is not None
    assert rows["/b"].failure.reason == "internal_error"
    assert rows["/b"].failure.message == "ZeroDivisionError: division by zero"
    assert isinstance(rows["/a"], Page)
    assert isinstance(rows["/c"], Page)


def test_duplicates_are_one_request(server: Server, fetch: Fetch) -> None:
    results = fetch("/a?x=1&y=2", "http://www.news.example/a?y=2&x=1#top", "/a?utm_source=f&x=1&y=2")
    assert len(results) == 1
    assert len(server.log) == 2


def test_duplicate_with_most_metadata_is_kept() -> None:
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    complete = request_of("http://news.example/a", "feed", "Ferry cut", when)
    plain = request_of("https://news.example/a", "urls")
    named = request_of("https://www.news.example/a", "feed", "Ferry")
    for order in ([complete, plain, named], [named, plain, complete]):
        assert distinct(order) == [complete]
    assert distinct([request_of("http://news.example/a", "urls"), plain]) == [plain]


def test_throughput(server: Server, config: Callable[..., FetchConfig]) -> None:
    """200 hosts with 300 ms each would take 60 s sequentially, and twice that with robots.txt."""
    urls = [f"http://h{n}.example/a" for n in range(200)]
    for n in range(200):
        server.on("/a", slow(0.3), host=f"h{n}.example")
    began = time.monotonic()
    results = list(fetch_pages([request_of(url, "urls") for url in urls], config(obey_robots=False)))
    took = time.monotonic() - began
    assert sum(isinstance(result, Page) for result in results) == 200
    assert took < 6


def _middle_missing(server: Server) -> None:
    server.on("/b", respond(404))


# Server, URLs and settings of each public case, with shorter waits.
CASES: dict[str, tuple[Callable[[Server], None], list[str], dict[str, Any]]] = {
    "fetch-001": (lambda s: s.on("/a", respond(429, b"", {"Retry-After": "1"}), respond()), ["/a"], {}),
    "fetch-003": (lambda s: s.on("/a", respond(302, b"", TOWARDS)), ["/a"], {}),
    "fetch-008": (lambda s: s.on("/a", respond(body=BROTLI_BOMB, headers={"Content-Encoding": "br"})), ["/a"], {}),
    "fetch-009": (lambda s: s.on("/a", respond(headers={"Content-Length": "3221225472"})), ["/a"], {}),
    "fetch-011": (lambda s: s.on("/a", raw(HEAD + b"Content-Length: 50000\r\n\r\n" + bytes(20000))), ["/a"], {}),
    "fetch-013": (lambda s: s.on("/a", respond(403, b"Access denied")), ["/a"], {}),
    "fetch-014": (lambda s: s.on("/a", respond(404)), ["/a"], {}),
    "fetch-015": (_middle_missing, ["/a", "/b", "/c"], {}),
    "fetch-017": (lambda s: s.on("/a", respond(body=REFRESH)), ["/a"], {}),
    "fetch-018": (lambda s: s.on("/robots.txt", respond(503), FORBIDS), ["/news/1"], {}),
    "fetch-019": (lambda s: s.on("/robots.txt", FORBIDS), ["/news/1"], {"user_agent": "onrecord/2"}),
    "nc-001": (
        lambda s: s.on("/a", respond(body=gzip.compress(b"<urlset/>"), headers={"Content-Type": "application/gzip"})),
        ["/a"],
        {"accept": FEED_TYPES | {"application/gzip"}},
    ),
    "nc-005": (
        lambda s: s.on("/a", respond(429, b"", {"Retry-After": "Tue, 24 Jan 99999999999 05:35:45 GMT"})),
        ["/a"],
        {},
    ),
    "nc-008": (
        lambda s: s.on("/robots.txt", respond(201, b"User-agent: *\nDisallow: /\n", {"Content-Type": "text/plain"})),
        ["/a"],
        {},
    ),
    "nc-010": (lambda s: s.on("/a", respond(body=bytes(n * n % 251 for n in range(20_000)))), ["/a"], {}),
    "nc-015": (lambda s: s.on("/a", respond(408), respond()), ["/a"], {}),
}
# Archives: these three are tested in test_warc.py.
OF_ARCHIVES = {"fetch-021", "fetch-022", "fetch-023"}
# Memory: tested in tests/transforms/sources/test_sitemaps.py.
OF_SITEMAPS = {"nc-011"}
REASONS = {
    "http_4xx": {"http_4xx", "http_gone"},
    "unsupported_type or not_article": {"unsupported_type", "not_article"},
}


@pytest.mark.parametrize(
    "case",
    [c for c in load_cases("fetch") if c["id"] not in OF_ARCHIVES | OF_SITEMAPS],
    ids=lambda case: str(case["id"]),
)
def test_case(case: dict[str, Any], server: Server, fetch: Fetch) -> None:
    set_up, urls, settings = CASES[case["id"]]
    set_up(server)
    results = fetch(*urls, **settings)
    expected = case["expected"]
    if "rows" in expected:
        outcomes = [r.fetch.outcome for r in results]
        assert [len(results), outcomes.count("ok"), outcomes.count("failed")] == [3, 2, 1]
        return
    row = results[0].fetch
    if "final_path" in expected:
        assert row.final_url == f"http://news.example{expected['final_path']}"
    assert row.outcome == expected["outcome"]
    if "reason_class" in expected:
        assert row.reason in REASONS.get(expected["reason_class"], {expected["reason_class"]})
    if "retry" in expected:
        assert row.retriable == expected["retry"]
    if "attempts" in expected:
        assert row.attempts == expected["attempts"]
    if "wait_at_least_s" in expected:
        assert server.log[2].at - server.log[1].at >= 1
    assert len(server.log) <= expected.get("requests_at_most", 30)
    assert not set(expected.get("must_not_request", ())) & set(server.paths())
    if "same_user_agent" in expected:
        assert {r.headers["user-agent"] for r in server.log} == {settings["user_agent"]}


def test_refresh_header_is_followed(server: Server, fetch: Fetch) -> None:
    server.on("/a", respond(headers={"Refresh": "0; url=/b"}))
    (page,) = fetch("/a")
    assert isinstance(page, Page)
    assert page.fetch.final_url == "http://news.example/b"


def test_robots_with_many_wildcards_does_not_block_other_hosts(server: Server, fetch: Fetch) -> None:
    rules = "User-agent: *\n" + "".join(f"Disallow: /*a*{n}*b$\n" for n in range(15_000))
    server.on("/robots.txt", respond(body=rules.encode(), headers={"Content-Type": "text/plain"}))
    assert [type(result) for result in fetch("/n/1")] == [Page]
