"""Tests of `ListUrls`, `ReadListings` and `ReadArchives` in a pipeline."""

from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from tests.support.archives import PAGE, archive
from tests.support.records import NOW, make_fetch
from transforms.schema.records import Failure, Fetch, Page, UrlRequest
from transforms.schema.urls import request_of
from transforms.sources import FeedsSource, SitemapsSource, UrlsSource, WarcSource, transform
from transforms.sources.documents import listing_request
from transforms.sources.transform import ListDocuments, ListUrls, ParseDocuments, ReadListings
from transforms.warc.transform import ReadArchives

RSS = (
    b"<rss version='2.0'><channel><item><title>Ferry cut</title><link>/n/1</link>"
    b"<pubDate>Wed, 06 May 2020 05:00:00 -0400</pubDate></item><item><link>/n/2</link></item></channel></rss>"
)


def _page(body: bytes, url: str = "https://a.example/feeds/news") -> Page:
    request = listing_request(url, 0)
    fetch = make_fetch(1, url=url, article_id=request.article_id, final_url=url, source="listing")
    return Page(request=request, fetch=fetch, body=body, content_type="application/rss+xml")


def test_list_urls(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("https://a.example/1?utm_source=x\nno address\n")
    (tmp_path / "b.txt").write_text("# none\n")
    (tmp_path / "c.csv").write_text("link\nhttps://c.example/3\n")
    sources = (UrlsSource(path=f"{tmp_path}/*.txt"), UrlsSource(path=(f"{tmp_path}/c.csv",), column="link"))
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        expected = [request_of(url, "urls") for url in ("https://a.example/1", "no address", "https://c.example/3")]
        assert_that(pipeline | ListUrls(sources), equal_to(expected))


def test_no_sources() -> None:
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        assert_that(pipeline | ListUrls(()), equal_to([]), "Urls")
        assert_that(pipeline | ListDocuments(()), equal_to([]), "Listings")
        assert_that((pipeline | ReadListings((), _Fetch({}))).requests, equal_to([]), "Read")
        assert_that((pipeline | ReadArchives(())).requests, equal_to([]), "Archives")


@pytest.mark.parametrize(
    ("name", "message"),
    [("none-*.txt", "there is no file .*none-"), ("bad.csv", "no column 'url'; its columns are")],
)
def test_unreadable_list_fails_the_run(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text("link\nhttps://c.example/3\n")
    with pytest.raises(Exception, match=message), TestPipeline(runner=FnApiRunner()) as pipeline:
        pipeline | ListUrls((UrlsSource(path=f"{tmp_path}/{name}"),))


def test_list_listings(tmp_path: Path) -> None:
    (tmp_path / "feeds.txt").write_text("https://b.example/feed\n")
    feeds = FeedsSource(urls=("https://a.example/feed",), path=f"{tmp_path}/feeds.txt")
    sitemaps = SitemapsSource(urls=("https://c.example/map.xml",), sites=("https://d.example/",))
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        expected = [listing_request(f"https://{host}.example/feed", 0) for host in "ab"]
        expected += [listing_request(f"https://{path}", 1) for path in ("c.example/map.xml", "d.example/robots.txt")]
        assert_that(pipeline | ListDocuments((feeds, sitemaps)), equal_to(expected))


def test_parse_listings() -> None:
    good, bad = _page(RSS), _page(b"<html></html>", "https://b.example/feed")
    when = datetime(2020, 5, 6, 9, tzinfo=timezone.utc)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        listed = pipeline | beam.Create([good, bad]) | ParseDocuments((FeedsSource(urls=("x",)),))
        expected = [
            request_of("https://a.example/n/1", "feed", "Ferry cut", when),
            request_of("https://a.example/n/2", "feed"),
        ]
        assert_that(listed.requests, equal_to(expected), "Requests")
        assert_that(listed.listings, equal_to([]), "Listings")
        outcomes = listed.fetches | beam.Map(lambda f: (f.url, f.outcome, f.reason, f.retriable))
        rows = [(good.fetch.url, "ok", None, False), (bad.fetch.url, "failed", "listing_unreadable", False)]
        assert_that(outcomes, equal_to(rows), "Fetches")
        failures = listed.failures | beam.Map(lambda f: (f.url, f.stage, f.reason, f.source))
        assert_that(failures, equal_to([(bad.fetch.url, "sources", "listing_unreadable", "listing")]), "Failures")


SITE = {
    "https://a.example/robots.txt": b"Sitemap: /index.xml\nSitemap: /robots.txt\n",
    "https://a.example/index.xml": b"<sitemapindex><sitemap><loc>/index.xml</loc></sitemap><sitemap><loc>/1.xml</loc>"
    b"<lastmod>2024-05-01</lastmod></sitemap><sitemap><loc>/2.xml</loc><lastmod>2024-05-02</lastmod></sitemap>"
    b"<sitemap><loc>/none.xml</loc></sitemap></sitemapindex>",
    "https://a.example/1.xml": b"<sitemapindex><sitemap><loc>/index.xml</loc></sitemap><sitemap>"
    b"<loc>/3.xml</loc></sitemap></sitemapindex>",
    "https://a.example/2.xml": b"<urlset><url><loc>/n/2</loc></url></urlset>",
    "https://a.example/3.xml": b"<urlset><url><loc>/n/3</loc></url></urlset>",
    "https://a.example/feed": RSS,
}


class _Fetched(NamedTuple):
    pages: "beam.PCollection[Page]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class _Fetch(beam.PTransform):
    """Serves the documents of a site; others fail as gone."""

    def __init__(self, site: dict[str, bytes]) -> None:
        super().__init__()
        self._site = site

    def expand(self, requests: "beam.PCollection[UrlRequest]") -> _Fetched:
        site = self._site
        # Like the real transform, shuffle with the declared type, which must keep all fields of a request.
        grouped = requests | beam.Map(lambda r: (1, r)).with_output_types(tuple[int, UrlRequest]) | beam.GroupByKey()
        asked = grouped | beam.FlatMap(lambda group: group[1])
        rows = asked | "Rows" >> beam.Map(lambda r: (r, make_fetch(1, url=r.url, article_id=r.article_id)))
        return _Fetched(
            rows
            | "There" >> beam.Filter(lambda row: row[0].url in site)
            | beam.Map(lambda row: Page(request=row[0], fetch=row[1], body=site[row[0].url], content_type="")),
            rows | "Gone" >> beam.Filter(lambda row: row[0].url not in site) | "Row" >> beam.Map(lambda row: row[1]),
            requests.pipeline | beam.Create([]),
        )


@pytest.mark.parametrize(
    ("limits", "articles", "documents"),
    [
        ({"max_depth": 5}, "n/1 n/2 n/2 n/3", "robots.txt index.xml 1.xml 2.xml none.xml 3.xml feed"),
        ({}, "n/1 n/2 n/2", "robots.txt index.xml 1.xml 2.xml none.xml feed"),
        ({"max_depth": 2}, "n/1 n/2", "robots.txt index.xml feed"),
        ({"max_depth": 1}, "n/1 n/2", "robots.txt feed"),
        ({"max_sitemaps": 3}, "n/1 n/2 n/2", "robots.txt index.xml 2.xml feed"),
    ],
)
def test_rounds(limits: dict[str, int], articles: str, documents: str) -> None:
    def path(record: UrlRequest | Fetch) -> str:
        return record.url.removeprefix("https://a.example/")

    feeds = FeedsSource(urls=("https://a.example/feed",))
    sitemaps = SitemapsSource.model_validate({"sites": ("https://a.example",), **limits})
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | ReadListings((feeds, sitemaps), _Fetch(SITE))
        assert_that(read.requests | "A" >> beam.Map(path), equal_to(articles.split()), "Articles")
        assert_that(read.listings | "L" >> beam.Map(path), equal_to(documents.split()), "Documents")
        # Each document has exactly one row.
        assert_that(read.fetches | "F" >> beam.Map(path), equal_to(documents.split()), "Rows")


def test_urls_over_limits_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    sitemaps = SitemapsSource(urls=("https://a.example/index.xml",), max_sitemaps=2, max_depth=2)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        pipeline | ReadListings(
            (sitemaps,), _Fetch({**SITE, "https://a.example/2.xml": SITE["https://a.example/1.xml"]})
        )
    assert "max_sitemaps leaves out 2 of its URLs" in caplog.text
    assert "https://a.example/2.xml: max_depth leaves out 2 of its URLs" in caplog.text


def test_read_archives(tmp_path: Path) -> None:
    (tmp_path / "1.warc.gz").write_bytes(archive(("https://a.example/1", PAGE), ("https://a.example/2", b"")))
    (tmp_path / "2.warc.gz").write_bytes(archive(("https://b.example/1", PAGE))[:-30])
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | ReadArchives((WarcSource(path=f"{tmp_path}/*.gz"),))
        damaged = f"{tmp_path}/2.warc.gz#0"
        urls = ["https://a.example/1", "https://a.example/2", damaged]
        assert_that(read.pages | beam.Map(lambda p: p.request.url), equal_to(urls[:1]), "Pages")
        assert_that(read.requests | "R" >> beam.Map(lambda r: r.url), equal_to(urls), "Requests")
        rows = [(urls[1], "failed", "empty_body"), (damaged, "failed", "archive_damaged")]
        assert_that(read.fetches | "F" >> beam.Map(lambda f: (f.url, f.outcome, f.reason)), equal_to(rows), "Fetches")
        failures = read.failures | "X" >> beam.Map(lambda f: (f.url, f.stage, f.reason))
        assert_that(failures, equal_to([(url, "sources", reason) for url, _, reason in rows]), "Failures")


def test_missing_archive_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"there is no file .*none"), TestPipeline(runner=FnApiRunner()) as pipeline:
        pipeline | ReadArchives((WarcSource(path=f"{tmp_path}/none.warc.gz"),))


def test_internal_error_fails_one_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(page: Page, source: object, origin: int) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(transform, "read_listing", faulty)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        listed = pipeline | beam.Create([_page(RSS)]) | ParseDocuments((FeedsSource(urls=("x",)),))
        failures = listed.failures | beam.Map(lambda f: (f.reason, f.message, f.retriable, f.failed_at > NOW))
        assert_that(failures, equal_to([("internal_error", "ZeroDivisionError: division by zero", True, True)]))
