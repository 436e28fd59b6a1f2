"""Feeds and sitemaps that are watched: what is asked for when, what is named, and what is remembered."""

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
from transforms.fetch.results import NoPage, Progress, no_page
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Fetch, Page, UrlRequest, content_hash
from transforms.schema.urls import site_of
from transforms.sources import SITEMAP_TYPES
from transforms.sources.config import FeedsSource, ListingSource, SitemapsSource
from transforms.sources.documents import listing_request
from transforms.sources.streaming import feed_watcher as module
from transforms.sources.streaming.feed_watcher import Pace, Seen, Watched, Watcher, from_state, shared_out, to_state

PACE = Pace(60, 1_800)
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
    """Answers requests: what stands at an address, conditionally; what does not stand there fails."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.fresh: float | None = None
        self.asked: list[UrlRequest] = []

    def __call__(self, requests: Sequence[UrlRequest]) -> Iterable[object]:
        for request in requests:
            self.asked.append(request)
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
        asked, self.asked = [request.url for request in self.asked], []
        return asked


class Watch:
    """A watcher with its state, which goes through bytes between turns."""

    def __init__(self, ask: module.Ask, *urls: str, source: ListingSource | None = None, pace: Pace = PACE) -> None:
        self.source = source or FeedsSource(urls=urls)
        self.listings = [listing_request(url, 0) for url in self.source.listings]
        self.watcher, self.state = Watcher([self.source], ask, pace), b""

    def turn(self) -> Seen:
        watched, now = from_state(self.state), module.time.time()  # type: ignore[attr-defined]
        known = [(listing, watched.setdefault(listing.url, Watched())) for listing in self.listings]
        turns = [self.watcher.read(listing, one) for listing, one in known if one.due <= now]
        self.state = to_state(watched)
        self.seconds = max(0.0, min(one.due for one in watched.values()) - now)
        return Seen(
            [request for seen in turns for request in seen.requests],
            [fetch for seen in turns for fetch in seen.fetches],
            [failure for seen in turns for failure in seen.failures],
        )

    @property
    def watched(self) -> dict[str, Watched]:
        return from_state(self.state)


def paths(seen: Seen) -> list[str]:
    return [request.url.removeprefix("http://a.example") for request in seen.requests]


def test_what_is_new_is_named_once_and_what_is_the_same_costs_no_row(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1", "/2")
    watch = Watch(sites, FEED)
    first = watch.turn()
    assert (paths(first), [f.outcome for f in first.fetches]) == (["/1", "/2"], ["ok"])
    assert all(request.source == "feed" for request in first.requests)
    clock.now += 100
    assert watch.turn() == Seen([], [], [])
    assert sites.asked[-1].etag == content_hash(rss("/1", "/2"))
    sites.bodies[FEED] = rss("/3", "/2", "/1")
    clock.now += 100
    assert paths(watch.turn()) == ["/3"]


def test_a_body_that_is_the_same_names_nothing_whatever_its_validators(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.turn()
    found = watch.watched
    found[FEED].documents[FEED].etag = None
    watch.state = to_state(found)
    clock.now += 100
    assert watch.turn() == Seen([], [], [])
    assert len(sites.asked) == 2


def test_nothing_is_asked_before_it_is_due(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.turn()
    assert watch.seconds == PACE.least
    sites.bodies[FEED] = rss("/1", "/2")
    clock.now += PACE.least - 1
    assert (watch.turn(), watch.seconds) == (Seen([], [], []), 1.0)
    assert len(sites.urls()) == 1
    clock.now += 1
    assert paths(watch.turn()) == ["/2"]


def intervals(watch: Watch, clock: Clock, turns: int) -> list[float]:
    found = []
    for _ in range(turns):
        watch.turn()
        found.append(watch.seconds)
        clock.now += watch.seconds
    return found


def test_a_quiet_document_is_asked_less_and_less_often_up_to_the_bound_and_news_bring_it_back(clock: Clock) -> None:
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


def test_a_dead_document_is_asked_half_as_often_each_time_and_stops_no_other(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[OTHER] = rss("/1")
    watch = Watch(sites, FEED, OTHER)
    seen = watch.turn()
    assert paths(seen) == ["/1"]
    assert [(f.url, f.stage, f.reason) for f in seen.failures] == [(FEED, "fetch", "http_5xx")]
    assert {f.url: f.outcome for f in seen.fetches} == {FEED: "failed", OTHER: "ok"}
    dues = []
    for _ in range(8):
        before = watch.watched[FEED].due
        clock.now = before
        sites.bodies[OTHER] = rss(f"/{before}")
        watch.turn()
        dues.append(watch.watched[FEED].due - before)
    assert dues == [120, 240, 480, 960, 1_800, 1_800, 1_800, 1_800]
    assert watch.watched[OTHER].interval == PACE.least


def test_an_answers_own_freshness_is_waited_for_up_to_the_bound(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED], sites.fresh = rss("/1"), 600.0
    watch = Watch(sites, FEED)
    assert intervals(watch, clock, 2) == [600, 600]  # also that of a 304
    sites.fresh = 1e9
    assert intervals(watch, clock, 1) == [PACE.most]
    sites.fresh = 1.0
    assert intervals(watch, clock, 1) == [202.5]


def test_turns_of_many_documents_do_not_stay_in_step(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    watch = Watch(sites, FEED)
    watch.turn()
    assert watch.seconds == pytest.approx(0.9 * PACE.least)


@pytest.mark.parametrize("body", [b"<html><body>Consent first.</body></html>", b"\x1f\x8b broken", b"{"])
def test_what_cannot_be_read_is_a_failure_and_is_asked_for_again(clock: Clock, body: bytes) -> None:
    sites = Sites()
    sites.bodies |= {FEED: body, OTHER: rss("/1")}
    watch = Watch(sites, FEED, OTHER)
    seen = watch.turn()
    assert paths(seen) == ["/1"]
    assert [(f.url, f.stage, f.reason) for f in seen.failures] == [(FEED, "sources", "listing_unreadable")]
    assert [(f.outcome, f.reason) for f in seen.fetches if f.url == FEED] == [("failed", "listing_unreadable")]
    sites.bodies[FEED] = rss("/2")
    clock.now += 2 * PACE.least
    assert paths(watch.turn()) == ["/2"]


def test_a_fault_of_ours_in_one_document_is_its_failure(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(page: Page, *_: object) -> object:
        raise KeyError("no such thing")

    monkeypatch.setattr(module, "read_listing", faulty)
    sites = Sites()
    sites.bodies[FEED] = rss("/1")
    [failure] = Watch(sites, FEED).turn().failures
    assert (failure.reason, failure.retriable) == ("internal_error", True)


def sitemaps(**limits: Any) -> SitemapsSource:
    return SitemapsSource(urls=("http://a.example/index.xml",), **limits)


def test_an_index_leads_to_its_sitemaps_also_when_it_has_not_changed(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/s1.xml", "/s2.xml"), "http://a.example/s1.xml": urlset("/1")}
    sites.bodies |= {"http://a.example/s2.xml": urlset("/2")}
    watch = Watch(sites, source=sitemaps())
    assert sorted(paths(watch.turn())) == ["/1", "/2"]
    assert sites.urls()[0] == root
    sites.bodies["http://a.example/s2.xml"] = urlset("/2", "/3")
    clock.now += 100
    assert paths(watch.turn()) == ["/3"]
    assert len(sites.urls()) == 3
    # One that the index names no more is neither asked for nor remembered.
    sites.bodies[root] = index("/s2.xml")
    clock.now += 200
    assert watch.turn().requests == []
    assert set(sites.urls()) == set(watch.watched[root].documents) == {root, "http://a.example/s2.xml"}


def test_an_index_that_fails_now_still_leads_to_what_it_named(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/s1.xml"), "http://a.example/s1.xml": urlset("/1")}
    watch = Watch(sites, source=sitemaps())
    watch.turn()
    del sites.bodies[root]
    sites.bodies["http://a.example/s1.xml"] = urlset("/2")
    clock.now += 100
    seen = watch.turn()
    assert (paths(seen), len(seen.failures)) == (["/2"], 1)


def test_depth_and_number_of_sitemaps_are_bounded_and_a_ring_ends(clock: Clock) -> None:
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies |= {root: index("/deep.xml"), "http://a.example/deep.xml": index("/deeper.xml", "/index.xml")}
    sites.bodies["http://a.example/deeper.xml"] = urlset("/1")
    assert Watch(sites, source=sitemaps(max_depth=2)).turn().requests == []
    assert len(sites.urls()) == 2
    assert paths(Watch(sites, source=sitemaps(max_depth=5)).turn()) == ["/1"]
    assert len(sites.urls()) == 3
    sites.bodies[root] = index(*(f"/s{n}.xml" for n in range(50)))
    Watch(sites, source=sitemaps(max_sitemaps=10)).turn()
    assert len(sites.urls()) == 10


def test_what_is_remembered_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    monkeypatch.setattr(module, "_REMEMBERED_BELOW", 15)
    sites = Sites()
    root = "http://a.example/index.xml"
    sites.bodies[root] = index("/s0.xml", "/s1.xml", "/s2.xml")
    for n in range(3):
        sites.bodies[f"http://a.example/s{n}.xml"] = urlset(*(f"/{n}-{k}" for k in range(30)))
    watch = Watch(sites, source=sitemaps())
    assert len(watch.turn().requests) == 90
    assert sorted(len(d.named) for d in watch.watched[root].documents.values()) == [0, 0, 5, 10]


def test_memory_is_small_json_and_comes_back_as_it_was(clock: Clock) -> None:
    sites = Sites()
    sites.bodies[FEED] = rss(*(f"/{n}" for n in range(100)))
    watch = Watch(sites, FEED)
    watch.turn()
    assert len(watch.state) < 100 * 20 + 500
    assert json.loads(watch.state)
    assert to_state(from_state(watch.state)) == watch.state
    assert from_state(b"") == {}


def test_a_document_without_end_costs_little_and_the_next_one_comes(clock: Clock) -> None:
    sites = Sites()
    entry = b"<item><link>http://a.example/x</link></item>"
    sites.bodies |= {FEED: rss() + entry * 300_000, OTHER: rss("/1")}
    began = time.process_time()
    seen = Watch(sites, FEED, OTHER).turn()
    assert time.process_time() - began < 60
    assert "/1" in paths(seen)
    assert len(seen.requests) <= 10_001


def test_those_of_a_site_are_in_one_part_and_no_part_is_empty() -> None:
    urls = [f"http://{host}.example/{n}.xml" for host in "abc" for n in range(4)]
    parts = shared_out([listing_request(url, 0) for url in urls], site_of, 2)
    assert sorted(len(part) for part in parts) == [4, 8]
    places = {(site_of(request.url), number) for number, part in enumerate(parts) for request in part}
    assert len(places) == 3
    assert len(shared_out([listing_request(url, 0) for url in urls], site_of, 16)) == 3
    assert shared_out([], site_of, 16) == []


def test_over_real_connections_it_asks_conditionally_and_a_key_in_the_address_is_kept_secret() -> None:
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
        ask = partial(fetch_pages, config=config, accept=FEED_TYPES | SITEMAP_TYPES, persistent=True)
        try:
            watch = Watch(ask, url, pace=Pace(0, 0.01))
            first = watch.turn()
            time.sleep(0.05)
            second = watch.turn()
        finally:
            close_persistent()
    assert (paths(first), second) == (["/1"], Seen([], [], []))
    assert [f.url for f in first.fetches] == ["http://a.example/feed.xml?api_key=***"]
    assert [r.headers.get("if-none-match") for r in server.log if "feed" in r.path] == [None, '"v1"']
    assert server.paths().count("/robots.txt") == 1
