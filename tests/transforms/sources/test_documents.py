"""Tests of converting feeds and sitemaps into requests."""

from datetime import date, datetime, timezone

import pytest

from tests.support.records import make_fetch
from transforms.schema.failures import Rejected
from transforms.schema.records import Page
from transforms.schema.urls import request_of
from transforms.sources import FeedsSource, SitemapsSource
from transforms.sources.config import ListingSource
from transforms.sources.documents import listing_request, next_listings, read_listing

URL = "https://a.example/map.xml"
MAP = b"""<urlset xmlns:n="x"><url><loc>/none</loc></url>
  <url><loc>/april</loc><lastmod>2024-04-30T23:59:59Z</lastmod></url>
  <url><loc>/may</loc><lastmod>2024-05-01T00:00:00Z</lastmod></url>
  <url><loc>/changed</loc><lastmod>2024-05-02</lastmod><n:news><n:publication_date>2023-01-01</n:publication_date></n:news></url>
  <url><loc>/last</loc><n:news><n:publication_date>2024-05-03T23:00:00Z</n:publication_date><n:title>Last</n:title></n:news></url>
  <url><loc>/june</loc><lastmod>2024-06-01</lastmod></url></urlset>"""
INDEX = b"""<sitemapindex><sitemap><loc>/old.xml</loc><lastmod>2024-04-01</lastmod></sitemap>
  <sitemap><loc>/new.xml</loc><lastmod>2024-06-01</lastmod></sitemap><sitemap><loc>/any.xml</loc></sitemap></sitemapindex>"""
RSS = b"""<rss version='2.0'><channel><item><link>/n/1</link><pubDate>Wed, 01 May 2024 05:00:00 GMT</pubDate></item>
  <item><link>/n/2</link><pubDate>Wed, 01 May 2013 05:00:00 GMT</pubDate></item></channel></rss>"""
MAY = SitemapsSource(urls=(URL,), since=date(2024, 5, 1), until=date(2024, 5, 3))


def _page(body: bytes, url: str = URL) -> Page:
    request = listing_request(url, 0)
    fetch = make_fetch(1, url=url, article_id=request.article_id, source="listing")
    return Page(request=request, fetch=fetch, body=body, content_type="application/xml")


def _paths(body: bytes, source: ListingSource) -> list[str]:
    named = read_listing(_page(body), source)
    return [r.url.removeprefix("https://a.example/") for r in (*named.requests, *named.listings)]


def test_date_window() -> None:
    assert _paths(MAP, MAY) == ["last", "may", "none"]
    assert _paths(MAP, SitemapsSource(urls=(URL,))) == ["june", "last", "may", "april", "changed", "none"]
    assert _paths(INDEX, MAY) == ["new.xml", "any.xml"]
    assert _paths(RSS, MAY) == ["n/1"]


def test_request_fields() -> None:
    named = read_listing(_page(MAP), MAY, origin=3)
    assert named.requests[0] == request_of(
        "https://a.example/last", "sitemap", "Last", datetime(2024, 5, 3, 23, tzinfo=timezone.utc)
    )
    # A time of change is not a time of publication.
    assert named.requests[1].published_at is None
    (new, _) = read_listing(_page(INDEX), MAY, origin=3).listings
    assert new == listing_request("https://a.example/new.xml", 3, datetime(2024, 6, 1, tzinfo=timezone.utc))
    assert (new.source, new.article_id) == ("listing", request_of(new.url, "listing").article_id)
    assert {r.source for r in read_listing(_page(RSS), SitemapsSource(urls=(URL,))).requests} == {"feed"}


def test_sitemap_at_feed_url() -> None:
    assert len(_paths(MAP, FeedsSource(urls=(URL,)))) == 6


def test_max_urls_keeps_the_newest() -> None:
    named = read_listing(_page(MAP), SitemapsSource(urls=(URL,), max_urls=2))
    assert [r.url for r in named.requests] == ["https://a.example/june", "https://a.example/last"]
    assert named.left_out == 4


def test_neither_feed_nor_sitemap() -> None:
    with pytest.raises(Rejected):
        read_listing(_page(b"<html></html>"), SitemapsSource(urls=(URL,)))


def test_next_listings() -> None:
    days = {n: datetime(2024, 5, n, tzinfo=timezone.utc) for n in (1, 2, 3)}
    asked = [listing_request("https://a.example/0.xml", 0)]
    named = [listing_request(f"https://a.example/{n}.xml", 0, days.get(n)) for n in (0, 1, 4, 3, 2, 3)]
    chosen, left_out = next_listings(asked, named, 10)
    assert ([r.url[-5:-4] for r in chosen], left_out) == (["3", "2", "1", "4"], 0)
    chosen, left_out = next_listings(asked, named, 3)
    assert ([r.url[-5:-4] for r in chosen], left_out) == (["3", "2"], 2)
    assert next_listings(asked, named, 0) == ([], 4)
