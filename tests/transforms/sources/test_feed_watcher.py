"""Tests of watched feeds and sitemaps: poll times, new URLs and checkpoint state."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from tests.support.http_server import Request, Server, respond
from transforms.fetch import FEED_TYPES, FetchConfig, fetch_pages
from transforms.fetch.generator import close_persistent
from transforms.fetch.results import Progress, no_page
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Fetch, NoPage, Page, UrlRequest, content_hash
from transforms.schema.urls import site_of
from transforms.sources import SITEMAP_TYPES
from transforms.sources.config import FeedsSource, ListingSource, SitemapsSource
from transforms.sources.documents import listing_request
from transforms.sources.streaming import feed_watcher as module
from transforms.sources.streaming.feed_watcher import (
    FeedWatcher,
    ListingState,
    PollInterval,
    PollResult,
    decode_state,
    encode_state,
    partition_listings,
)

INTERVAL = PollInterval(60, 1_800)
FEED = "http://a.example/feed.xml"
OTHER = "http://b.example/feed.xml"


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


def rss(*paths: str) -> bytes:
    items = "".join(f"<item><title>{p}</title><link>http://a.example{p}</link></item>" for p in paths)
    return f'<rss version="2.0"><channel><title>A</title>{items}</channel></rss>'.encode()


def urlset(*paths: str) -> bytes:
    urls = "".join(f"<url><loc>http://a.example{p}</loc></url>" for p in paths)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'.encode()


def index(*paths: str) -> bytes:
    maps = "".join(f"<sitemap><loc>http://a.example{p}</loc></sitemap>" for p in paths)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{maps}</sitemapindex>'.encode()


class Sites:
    """Serves bodies by URL and supports conditional requests; unknown URLs fail."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.fresh: float | None = None
        self.requested: list[UrlRequest] = []

    def __call__(self, requests: Sequence[UrlRequest]) -> Iterable[Page | NoPage]:
        for request in requests:
            self.requested.append(request)
            body = self.bodies.get(request.url)
            if body is None:
                yield no_page(request, Rejected(Reason.HTTP_5XX, "It is dead."), Progress(status=503))
                continue
            row = Fetch(
                url=request.url,
                article_id=request.article_id,
                domain="a.example",
                outcome="ok",
                source=request.source,
                fetched_at=datetime.now(timezone.utc),
                etag=content_hash(body),
                body_hash=content_hash(body),
            )
            if request.etag == row.etag:
                yield NoPage(replace(row, outcome="not_modified", body_hash=None), None, self.fresh)
            else:
                yield Page(request=request, fetch=row, body=body, content_type="", fresh_seconds=self.fresh)

    def urls(self) -> list[str]:
        requested, self.requested = [request.url for request in self.requested], []
        return requested


class Watch:
    """A watcher with its state, encoded between polls."""

    def __init__(
        self,
        fetch: module.FetchDocuments,
        *urls: str,
        source: ListingSource | None = None,
        interval: PollInterval = INTERVAL,
    ) -> None:
        self.source = source or FeedsSource(urls=urls)
        self.listings = [listing_request(url, 0) for url in self.source.listings]
        self.watcher, self.state = FeedWatcher([self.source], fetch, interval), b""

    def poll(self) -> PollResult:
        states, now = decode_state(self.state), module.time.time()  # type: ignore[attr-defined]
        known = [(listing, states.setdefault(listing.url, ListingState())) for listing in self.listings]
        polls = [self.watcher.read(listing, one) for listing, one in known if one.due <= now]
        self.state = encode_state(states)
        self.seconds = max(0.0, min(one.due for one in states.values()) - now)
        return PollResult(
            [request for result in polls for request in result.requests],
            [fetch for result in polls for fetch in result.fetches],
            [failure for result in polls for failure in result.failures],
        )

    @property
    def states(self) -> dict[str, ListingState]:
        return decode_state(self.state)


def paths(result: PollResult) -> list[str]:
    return [request.url.removeprefix("http://a.example") for request in result.requests]


def test_only_new_urls_are_output(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1", "/2")
    watch = Watch(sites, FEED)
    first = watch.poll()
    assert (paths(first), [f.outcome for f in first.fetches]) == (["/1", "/2"], ["ok"])
    assert all(request.source == "feed" for request in first.requests)
    clock.now += 100
    assert watch.poll() == PollResult([], [], [])
    assert sites.requested[-1].etag == content_hash(rss("/1", "/2"))
    sites.bodies[FEED] = rss("/3", "/2", "/1")
    clock.now += 100
    assert paths(watch.poll()) == ["/3"]


def test_unchanged_body_without_validators(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.poll()
    found = watch.states
    found[FEED].documents[FEED].etag = None
    watch.state = encode_state(found)
    clock.now += 100
    assert watch.poll() == PollResult([], [], [])
    assert len(sites.requested) == 2


def test_poll_waits_until_due(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.poll()
    assert watch.seconds == INTERVAL.least
    sites.bodies[FEED] = rss("/1", "/2")
    clock.now += INTERVAL.least - 1
    assert (watch.poll(), watch.seconds) == (PollResult([], [], []), 1.0)
    assert len(sites.urls()) == 1
    clock.now += 1
    assert paths(watch.poll()) == ["/2"]


def intervals(watch: Watch, clock: Clock, polls: int) -> list[float]:
    found = []
    for _ in range(polls):
        watch.poll()
        found.append(watch.seconds)
        clock.now += watch.seconds
    return found


def test_interval_adapts_to_changes(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    assert intervals(watch, clock, 4) == [60, 90, 135, 202.5]
    assert intervals(watch, clock, 8)[-2:] == [1_800, 1_800]
    sites.bodies[FEED] = rss("/2", "/1")
    assert intervals(watch, clock, 1) == [900]
    for n in range(3, 10):
        sites.bodies[FEED] = rss(f"/{n}")
        last = intervals(watch, clock, 1)
    assert last == [60]


def test_failing_document_backs_off_alone(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[OTHER] = rss("/1")
    watch = Watch(sites, FEED, OTHER)
    result = watch.poll()
    assert paths(result) == ["/1"]
    assert [(f.url, f.stage, f.reason) for f in result.failures] == [(FEED, "fetch", "http_5xx")]
    assert {f.url: f.outcome for f in result.fetches} == {FEED: "failed", OTHER: "ok"}
    dues = []
    for _ in range(8):
        before = watch.states[FEED].due
        clock.now = before
        sites.bodies[OTHER] = rss(f"/{before}")
        watch.poll()
        dues.append(watch.states[FEED].due - before)
    assert dues == [120, 240, 480, 960, 1_800, 1_800, 1_800, 1_800]
    assert watch.states[OTHER].interval == INTERVAL.least


def test_interval_respects_freshness(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED], sites.fresh = rss("/1"), 600.0
    watch = Watch(sites, FEED)
    assert intervals(watch, clock, 2) == [600, 600]  # also that of a 304
    sites.fresh = 1e9
    assert intervals(watch, clock, 1) == [INTERVAL.most]
    sites.fresh = 1.0
    assert intervals(watch, clock, 1) == [202.5]


def test_poll_times_have_jitter(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.poll()
    assert watch.seconds == pytest.approx(0.9 * INTERVAL.least)


@pytest.mark.parametrize("body", [b"<html><body>Consent first.</body></html>", b"\x1f\x8b broken", b"{"])
def test_unreadable_document_fails_and_is_polled_again(clock: Clock, body: bytes) -> None:
    sites = Sites()
    sites.bodies |= {FEED: body, OTHER: rss("/1")}
    watch = Watch(sites, FEED, OTHER)
    result = watch.poll()
    assert paths(result) == ["/1"]
    assert [(f.url, f.stage, f.reason) for f in result.failures] == [(FEED, "sources", "listing_unreadable")]
    assert [(f.outcome, f.reason) for f in result.fetches if f.url == FEED] == [("failed", "listing_unreadable")]
    sites.bodies[FEED] = rss("/2")
    clock.now += 2 * INTERVAL.least
    assert paths(watch.poll()) == ["/2"]


def test_internal_error_is_a_failure_of_the_document(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(page: Page, *_: object) -> object:
        raise KeyError("no such thing")

    monkeypatch.setattr(module, "read_listing", faulty)
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    [failure] = Watch(sites, FEED).poll().failures
    assert (failure.reason, failure.retriable) == ("internal_error", True)


def sitemaps(**limits: Any) -> SitemapsSource:
    return SitemapsSource(urls=("http://a.example/index.xml",), **limits)


def test_sitemaps_of_an_unchanged_index_are_polled(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/s1.xml", "/s2.xml"), "http://a.example/s1.xml": urlset("/1")}
    sites.bodies |= {"http://a.example/s2.xml": urlset("/2")}
    watch = Watch(sites, source=sitemaps())
    assert sorted(paths(watch.poll())) == ["/1", "/2"]
    assert sites.urls()[0] == root
    sites.bodies["http://a.example/s2.xml"] = urlset("/2", "/3")
    clock.now += 100
    assert paths(watch.poll()) == ["/3"]
    assert len(sites.urls()) == 3
    # A sitemap that is no longer listed is neither requested nor kept in the state.
    sites.bodies[root] = index("/s2.xml")
    clock.now += 200
    assert watch.poll().requests == []
    assert set(sites.urls()) == set(watch.states[root].documents) == {root, "http://a.example/s2.xml"}


def test_sitemaps_of_a_failing_index_are_polled(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/s1.xml"), "http://a.example/s1.xml": urlset("/1")}
    watch = Watch(sites, source=sitemaps())
    watch.poll()
    del sites.bodies[root]
    sites.bodies["http://a.example/s1.xml"] = urlset("/2")
    clock.now += 100
    result = watch.poll()
    assert (paths(result), len(result.failures)) == (["/2"], 1)


def test_depth_and_number_of_sitemaps_are_limited(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/deep.xml"), "http://a.example/deep.xml": index("/deeper.xml", "/index.xml")}
    sites.bodies["http://a.example/deeper.xml"] = urlset("/1")
    assert Watch(sites, source=sitemaps(max_depth=2)).poll().requests == []
    assert len(sites.urls()) == 2
    assert paths(Watch(sites, source=sitemaps(max_depth=5)).poll()) == ["/1"]
    assert len(sites.urls()) == 3
    sites.bodies[root] = index(*(f"/s{n}.xml" for n in range(50)))
    Watch(sites, source=sitemaps(max_sitemaps=10)).poll()
    assert len(sites.urls()) == 10


def test_state_size_is_limited(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_URLS", 10)
    monkeypatch.setattr(module, "_MAX_URLS_BELOW", 15)
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies[root] = index("/s0.xml", "/s1.xml", "/s2.xml")
    for n in range(3):
        sites.bodies[f"http://a.example/s{n}.xml"] = urlset(*(f"/{n}-{k}" for k in range(30)))
    watch = Watch(sites, source=sitemaps())
    assert len(watch.poll().requests) == 90
    assert sorted(len(d.named) for d in watch.states[root].documents.values()) == [0, 0, 5, 10]


def test_state_round_trip(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss(*(f"/{n}" for n in range(100)))
    watch = Watch(sites, FEED)
    watch.poll()
    assert len(watch.state) < 100 * 20 + 500
    assert json.loads(watch.state)
    assert encode_state(decode_state(watch.state)) == watch.state
    assert decode_state(b"") == {}


def test_huge_document_is_read_in_bounded_time(clock: Clock) -> None:
    sites = Sites()
    entry = b"<item><link>http://a.example/x</link></item>"
    sites.bodies |= {FEED: rss() + entry * 300_000, OTHER: rss("/1")}
    began = time.process_time()
    result = Watch(sites, FEED, OTHER).poll()
    assert time.process_time() - began < 60
    assert "/1" in paths(result)
    assert len(result.requests) <= 10_001


def test_partition_keeps_sites_together() -> None:
    urls = [f"http://{host}.example/{n}.xml" for host in "abc" for n in range(4)]
    parts = partition_listings([listing_request(url, 0) for url in urls], site_of, 2)
    assert sorted(len(part) for part in parts) == [4, 8]
    places = {(site_of(request.url), number) for number, part in enumerate(parts) for request in part}
    assert len(places) == 3
    assert len(partition_listings([listing_request(url, 0) for url in urls], site_of, 16)) == 3
    assert partition_listings([], site_of, 16) == []


def test_conditional_requests_hide_keys_in_urls() -> None:
    body = rss("/1")

    async def feed(request: Request, writer: object) -> None:
        known = request.headers.get("if-none-match") == '"v1"'
        reply = respond(304, b"", {"Content-Length": "-"}) if known else respond(200, body, {"ETag": '"v1"'})
        await reply(request, writer)  # type: ignore[arg-type]

    url = "http://a.example/feed.xml?api_key=hidden1"
    with Server() as server:
        server.on("/feed.xml", feed)
        config = FetchConfig.model_validate(
            {
                "delay_seconds": 0,
                "resolve": {"*.example": f"127.0.0.1:{server.port}"},
                "allow_private_hosts": ["*.example"],
            }
        )
        fetch = partial(fetch_pages, config=config, accept=FEED_TYPES | SITEMAP_TYPES, persistent=True)
        try:
            watch = Watch(fetch, url, interval=PollInterval(0, 0.01))
            first = watch.poll()
            time.sleep(0.05)
            second = watch.poll()
        finally:
            close_persistent()
    assert (paths(first), second) == (["/1"], PollResult([], [], []))
    assert [f.url for f in first.fetches] == ["http://a.example/feed.xml?api_key=***"]
    assert [r.headers.get("if-none-match") for r in server.log if "feed" in r.path] == [None, '"v1"']
    assert server.paths().count("/robots.txt") == 1
