"""How many feeds are watched and how many fail, as counted: each change once."""

import time
from collections.abc import Iterable, Iterator, Sequence

from tests.conftest import make_fetch
from transforms.counters import watched_counts
from transforms.fetch.rows import Missed
from transforms.records import Page, UrlRequest
from transforms.sources.config import FeedsSource
from transforms.sources.listings import listing_request
from transforms.sources.watch import Pace
from transforms.sources.watch_transform import _Poller

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
                yield Missed(told, None)
            else:
                yield Page(request=request, fetch=row, body=RSS, content_type="application/rss+xml")


def test_watched_and_failing_feeds_are_counted() -> None:
    sites = _Sites()
    poller = _Poller((FeedsSource(urls=FEEDS),), sites, Pace(0.01, 0.02))
    listings, memory = [listing_request(url, 0) for url in FEEDS], b""

    def figures(dead: Iterable[str]) -> Iterator[tuple[int, int]]:
        """How many are watched and fail, turn after turn, when these are dead."""
        nonlocal memory
        sites.dead = set(dead)
        for _ in range(3):
            memory = poller(listings, memory).memory
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
