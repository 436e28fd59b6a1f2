"""The watching of documents within a stream: its state, its counts, its lists of addresses."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tests.support.records import make_fetch
from transforms.fetch.results import NoPage
from transforms.runtime.metrics import watched_counts
from transforms.schema.records import Page, UrlRequest, content_hash
from transforms.sources.config import FeedsSource, SitemapsSource
from transforms.sources.documents import listing_request
from transforms.sources.streaming.feed_watcher import Pace, from_state
from transforms.sources.streaming.watch_transform import WatchListings, _Poller
from transforms.storage.base import StoreError

FEEDS = ("http://a.example/feed.xml", "http://b.example/feed.xml")
RSS = b"""<rss version="2.0"><channel><title>A</title><item><link>http://a.example/1</link></item></channel></rss>"""


class _Sites:
    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.reason = "http_5xx"

    def __call__(self, requests: Sequence[UrlRequest]) -> Iterable[object]:
        for request in requests:
            row = make_fetch(0, url=request.url, article_id=request.article_id, source="listing")
            if request.url in self.dead:
                told = make_fetch(
                    0, url=request.url, article_id=request.article_id, outcome="failed", reason=self.reason
                )
                yield NoPage(told, None)
            else:
                yield Page(request=request, fetch=row, body=RSS, content_type="application/rss+xml")


def test_watched_and_failing_feeds_are_counted() -> None:
    sites = _Sites()
    poller = _Poller((FeedsSource(urls=FEEDS),), sites, Pace(0.01, 0.02))
    listings, state = [listing_request(url, 0) for url in FEEDS], b""

    def figures(dead: Iterable[str]) -> Iterator[tuple[int, int]]:
        """How many are watched and fail, turn after turn, when these are dead."""
        nonlocal state
        sites.dead = set(dead)
        for _ in range(3):
            state = poller(listings, state).state
            counts = read()
            yield counts["feeds", "watched"], counts["feeds", "failing"]
            time.sleep(0.03)

    with watched_counts() as read:
        assert list(figures([]))[-1] == (2, 0)
        assert list(figures(FEEDS[:1]))[-1] == (2, 1)
        assert list(figures(FEEDS))[-1] == (2, 2)
        assert list(figures([]))[-1] == (2, 0)
        sites.reason = "cancelled"
        assert list(figures(FEEDS))[-1] == (2, 0), "a drain is no failure"
        sites.reason = "http_5xx"
        assert list(figures(FEEDS))[-1] == (2, 2)
        sites.reason = "cancelled"
        assert list(figures(FEEDS))[-1] == (2, 2), "nor the end of one"


def test_what_a_document_named_is_remembered_when_it_is_told_and_no_sooner() -> None:
    root, below, other = "http://a.example/index.xml", "http://a.example/s1.xml", "http://b.example/index.xml"
    names = "http://www.sitemaps.org/schemas/sitemap/0.9"
    bodies = {
        root: f'<sitemapindex xmlns="{names}"><sitemap><loc>{below}</loc></sitemap></sitemapindex>',
        below: f'<urlset xmlns="{names}"><url><loc>http://a.example/1</loc></url></urlset>',
        other: f'<urlset xmlns="{names}"><url><loc>http://b.example/1</loc></url></urlset>',
    }
    answers = threading.Event()

    def ask(requests: Sequence[UrlRequest]) -> Iterable[object]:
        for request in requests:
            if request.url == below:
                answers.wait(30)
            body = bodies[request.url].encode()
            found = {"url": request.url, "article_id": request.article_id, "body_hash": content_hash(body)}
            yield Page(request=request, fetch=make_fetch(0, source="listing", **found), body=body, content_type="")

    poller = _Poller((SitemapsSource(urls=(root, other)),), ask, Pace(60, 60))
    listings = [listing_request(url, 0) for url in (root, other)]
    first = poller(listings, b"")
    seen = from_state(first.state)
    assert len(seen[other].documents) == 1
    assert not seen[root].documents, "its pages were not given yet: after a fall they would be lost"
    answers.set()
    second = poller(listings, first.state)
    assert "http://a.example/1" in [o.url for o in second.outputs if isinstance(o, UrlRequest)]
    assert set(from_state(second.state)[root].documents) == {root, below}


def test_a_list_that_is_not_there_is_refused() -> None:
    with pytest.raises(StoreError, match=r"there is no file .*none\.txt"):
        WatchListings([FeedsSource(path="none.txt")], _Sites(), Pace(1, 2))
