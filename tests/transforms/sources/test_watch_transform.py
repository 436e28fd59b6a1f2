"""Tests of watched documents in a stream: state, counts, list files and output types."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import pytest

from tests.support.records import make_fetch
from transforms.runtime.metrics import watched_counts
from transforms.schema.records import Failure, Fetch, NoPage, Page, UrlRequest, content_hash
from transforms.sources.config import FeedsSource, SitemapsSource
from transforms.sources.documents import listing_request
from transforms.sources.streaming.feed_watcher import PollInterval, decode_state
from transforms.sources.streaming.watch_transform import WatchListings, _FeedPoller
from transforms.storage.base import StoreError

FEEDS = ("http://a.example/feed.xml", "http://b.example/feed.xml")
RSS = b"""<rss version="2.0"><channel><title>A</title><item><link>http://a.example/1</link></item></channel></rss>"""


class _Sites:
    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.reason = "http_5xx"

    def __call__(self, requests: Sequence[UrlRequest]) -> Iterable[Page | NoPage]:
        for request in requests:
            row = make_fetch(0, url=request.url, article_id=request.article_id, source="listing")
            if request.url in self.dead:
                failed = make_fetch(
                    0, url=request.url, article_id=request.article_id, outcome="failed", reason=self.reason
                )
                yield NoPage(failed, None)
            else:
                yield Page(request=request, fetch=row, body=RSS, content_type="application/rss+xml")


def test_feed_counts() -> None:
    sites = _Sites()
    poller = _FeedPoller((FeedsSource(urls=FEEDS),), sites, PollInterval(0.01, 0.02))
    listings, state = [listing_request(url, 0) for url in FEEDS], b""

    def figures(dead: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Counts of watched and failing feeds after each poll, while `dead` do not respond."""
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
        assert list(figures(FEEDS))[-1] == (2, 0), "a drain is not a failure"
        sites.reason = "http_5xx"
        assert list(figures(FEEDS))[-1] == (2, 2)
        sites.reason = "cancelled"
        assert list(figures(FEEDS))[-1] == (2, 2), "a drain does not end a failure"


def test_state_and_urls_are_returned_together() -> None:
    root, below, other = "http://a.example/index.xml", "http://a.example/s1.xml", "http://b.example/index.xml"
    names = "http://www.sitemaps.org/schemas/sitemap/0.9"
    bodies = {
        root: f'<sitemapindex xmlns="{names}"><sitemap><loc>{below}</loc></sitemap></sitemapindex>',
        below: f'<urlset xmlns="{names}"><url><loc>http://a.example/1</loc></url></urlset>',
        other: f'<urlset xmlns="{names}"><url><loc>http://b.example/1</loc></url></urlset>',
    }
    released = threading.Event()

    def fetch(requests: Sequence[UrlRequest]) -> Iterable[Page | NoPage]:
        for request in requests:
            if request.url == below:
                released.wait(30)
            body = bodies[request.url].encode()
            found = {"url": request.url, "article_id": request.article_id, "body_hash": content_hash(body)}
            yield Page(request=request, fetch=make_fetch(0, source="listing", **found), body=body, content_type="")

    poller = _FeedPoller((SitemapsSource(urls=(root, other)),), fetch, PollInterval(60, 60))
    listings = [listing_request(url, 0) for url in (root, other)]
    first = poller(listings, b"")
    states = decode_state(first.state)
    assert len(states[other].documents) == 1
    assert not states[root].documents, "its pages are not output yet; after a crash they would be lost"
    released.set()
    second = poller(listings, first.state)
    assert "http://a.example/1" in [o.url for o in second.outputs if isinstance(o, UrlRequest)]
    assert set(decode_state(second.state)[root].documents) == {root, below}


def test_missing_list_file() -> None:
    with pytest.raises(StoreError, match=r"there is no file .*none\.txt"):
        WatchListings([FeedsSource(path="none.txt")], _Sites(), PollInterval(1, 2))


def test_output_types() -> None:
    urls = beam.Pipeline() | WatchListings([FeedsSource(urls=FEEDS)], _Sites(), PollInterval(1, 2))
    types = {name: getattr(urls, name).element_type for name in urls._fields}
    assert types == {"requests": UrlRequest, "fetches": Fetch, "failures": Failure}
