"""`ListUrls`, `ListFeeds` and `ParseFeeds` in a pipeline."""

from datetime import datetime, timezone
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from tests.conftest import NOW, make_fetch
from transforms.records import Page
from transforms.sources import FeedsSource, UrlsSource, transform
from transforms.sources.transform import ListFeeds, ListUrls, ParseFeeds
from transforms.urls import request_of

RSS = (
    b"<rss version='2.0'><channel><item><title>Ferry cut</title><link>/n/1</link>"
    b"<pubDate>Wed, 06 May 2020 05:00:00 -0400</pubDate></item><item><link>/n/2</link></item></channel></rss>"
)


def _page(body: bytes, url: str = "https://a.example/feeds/news") -> Page:
    request = request_of(url, "listing")
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
        assert_that(pipeline | ListFeeds(()), equal_to([]), "Feeds")


@pytest.mark.parametrize(
    ("name", "told"), [("none-*.txt", "there is no file .*none-"), ("bad.csv", "no column 'url'; its columns are link")]
)
def test_a_list_that_cannot_be_read_ends_the_run(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "bad.csv").write_text("link\nhttps://c.example/3\n")
    with pytest.raises(Exception, match=told), TestPipeline(runner=FnApiRunner()) as pipeline:
        pipeline | ListUrls((UrlsSource(path=f"{tmp_path}/{name}"),))


def test_list_feeds(tmp_path: Path) -> None:
    (tmp_path / "feeds.txt").write_text("https://b.example/feed\n")
    source = FeedsSource(urls=("https://a.example/feed",), path=f"{tmp_path}/feeds.txt")
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        expected = [request_of(f"https://{host}.example/feed", "listing") for host in "ab"]
        assert_that(pipeline | ListFeeds((source,)), equal_to(expected))


def test_parse_feeds() -> None:
    good, bad = _page(RSS), _page(b"<html></html>", "https://b.example/feed")
    when = datetime(2020, 5, 6, 9, tzinfo=timezone.utc)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        listed = pipeline | beam.Create([good, bad]) | ParseFeeds()
        expected = [
            request_of("https://a.example/n/1", "feed", "Ferry cut", when),
            request_of("https://a.example/n/2", "feed"),
        ]
        assert_that(listed.requests, equal_to(expected), "Requests")
        outcomes = listed.fetches | beam.Map(lambda f: (f.url, f.outcome, f.reason, f.retriable))
        rows = [(good.fetch.url, "ok", None, False), (bad.fetch.url, "failed", "listing_unreadable", False)]
        assert_that(outcomes, equal_to(rows), "Fetches")
        failures = listed.failures | beam.Map(lambda f: (f.url, f.stage, f.reason, f.source))
        assert_that(failures, equal_to([(bad.fetch.url, "sources", "listing_unreadable", "listing")]), "Failures")


def test_a_fault_of_ours_costs_one_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(body: bytes, content_type: str, url: str) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(transform, "parse_feed", faulty)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        listed = pipeline | beam.Create([_page(RSS)]) | ParseFeeds()
        failures = listed.failures | beam.Map(lambda f: (f.reason, f.message, f.retriable, f.failed_at > NOW))
        assert_that(failures, equal_to([("internal_error", "ZeroDivisionError: division by zero", True, True)]))
