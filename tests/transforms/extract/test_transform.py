"""Tests of `ExtractArticles`: outputs, their types, and errors of single pages."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that

from tests.support.records import NOW, make_fetch
from transforms.extract import ExtractConfig, extract_page
from transforms.extract import transform as stage
from transforms.extract.transform import ExtractArticles
from transforms.schema.records import Article, Failure, Fetch, Page, UrlRequest, content_hash

FEED_DATE = datetime(2031, 2, 3, 4, 5, tzinfo=timezone.utc)


def _page(n: int, html: str) -> Page:
    fetch = make_fetch(n, final_url=f"http://site{n % 3}.example/moved/{n}")
    request = UrlRequest(
        url=fetch.url, article_id=fetch.article_id, source="feed", title="The feed's title", published_at=FEED_DATE
    )
    return Page(request=request, fetch=fetch, body=html.encode(), content_type="text/html; charset=utf-8")


def test_missing_metadata_is_taken_from_the_feed(page: Callable[..., str]) -> None:
    bare = (
        page().replace("<h1>Bridge closed to lorries</h1>", "").replace("<title>Bridge closed to lorries</title>", "")
    )
    article = extract_page(_page(1, bare.replace("<p>", '<link rel="canonical" href="../weld"><p>', 1)))
    assert (article.title, article.published_at) == ("The feed's title", FEED_DATE)
    assert (article.final_url, article.canonical_url) == ("http://site1.example/moved/1", "http://site1.example/weld")
    assert (article.url, article.fetched_at) == ("http://site1.example/1", NOW)
    assert extract_page(_page(1, page())).title == "Bridge closed to lorries"


@pytest.mark.parametrize("reserved", [True, False, None])
def test_reservation_in_headers(page: Callable[..., str], reserved: bool | None) -> None:
    fetched = replace(_page(1, page(head='<meta name="tdm-reservation" content="1">')), tdm_reserved=reserved)
    assert extract_page(fetched).tdm_reserved is (True if reserved is None else reserved)


def test_outputs(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:

    def faulty(each: Page, config: ExtractConfig) -> Article:
        if b"fault" in each.body:
            raise RuntimeError("a fault")
        return extract_page(each, config)

    monkeypatch.setattr(stage, "extract_page", faulty)
    pages = [_page(1, page()), _page(2, "<p>too short</p>"), _page(3, "fault")]

    def articles_are(found: list[Article]) -> None:
        assert [(a.url, a.final_url) for a in found] == [(pages[0].request.url, pages[0].fetch.final_url)]

    def fetches_are(found: list[Fetch]) -> None:
        by_url = {fetch.url: fetch for fetch in found}
        assert len(found) == len(by_url) == 3
        ok, short, broken = (by_url[each.request.url] for each in pages)
        assert (ok.outcome, ok.reason, ok.text_hash) == ("ok", None, content_hash(extract_page(pages[0]).text))
        assert (short.outcome, short.reason, short.retriable) == ("failed", "too_short", False)
        assert (broken.outcome, broken.reason, broken.retriable) == ("failed", "internal_error", True)

    def failures_are(found: list[Failure]) -> None:
        assert {(f.url, f.stage, f.reason) for f in found} == {
            (pages[1].request.url, "extract", "too_short"),
            (pages[2].request.url, "extract", "internal_error"),
        }
        assert "RuntimeError: a fault" in {f.message for f in found}

    with TestPipeline(runner=FnApiRunner()) as pipeline:
        out = pipeline | beam.Create(pages) | ExtractArticles(ExtractConfig())
        assert_that(out.articles, articles_are, label="articles")
        assert_that(out.fetches, fetches_are, label="fetches")
        assert_that(out.failures, failures_are, label="failures")


def test_output_types() -> None:
    pages = beam.Pipeline() | beam.Create([], reshuffle=False).with_output_types(Page)
    extracted = pages | ExtractArticles(ExtractConfig())
    types = {name: getattr(extracted, name).element_type for name in extracted._fields}
    assert types == {"articles": Article, "fetches": Fetch, "failures": Failure}
