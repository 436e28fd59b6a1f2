"""Tests of the settings of sources."""

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from transforms.sources import FeedsSource, PubSubSource, SitemapsSource, Source, UrlsSource, WarcSource

SOURCES: TypeAdapter[Any] = TypeAdapter(Source)


def test_type_selects_the_source() -> None:
    urls = SOURCES.validate_python({"type": "urls", "path": ["a.csv", "gs://b/*.txt"], "column": "link"})
    assert urls == UrlsSource(path=("a.csv", "gs://b/*.txt"), column="link")
    assert urls.patterns == ("a.csv", "gs://b/*.txt")
    feeds = SOURCES.validate_python({"type": "feeds", "urls": ["https://a.example/feed"], "path": "feeds.txt"})
    assert feeds == FeedsSource(urls=("https://a.example/feed",), path="feeds.txt")
    assert feeds.patterns == ("feeds.txt",)
    assert FeedsSource(urls=("https://a.example/feed",)).patterns == ()
    sitemaps = SOURCES.validate_python({"type": "sitemaps", "sites": ["https://a.example/"], "since": "2024-05-01"})
    assert sitemaps == SitemapsSource(sites=("https://a.example/",), since=date(2024, 5, 1))
    assert (sitemaps.listings, sitemaps.patterns) == (("https://a.example/robots.txt",), ())
    assert SitemapsSource(urls=("https://a.example/m.xml",), path="maps.txt").patterns == ("maps.txt",)
    warc = SOURCES.validate_python({"type": "warc", "path": "a/*.warc.gz"})
    assert (warc, warc.patterns) == (WarcSource(path="a/*.warc.gz"), ("a/*.warc.gz",))
    name = "projects/example.org:news-1/subscriptions/urls-of.today"
    assert SOURCES.validate_python({"type": "pubsub", "subscription": name}) == PubSubSource(subscription=name)


@pytest.mark.parametrize(
    "value",
    [
        {"type": "feeds"},
        {"type": "urls"},
        {"type": "sitemaps"},
        {"type": "sitemaps", "urls": ["https://a.example/m.xml"], "since": "2024-05-02", "until": "2024-05-01"},
        {"type": "sitemaps", "urls": ["https://a.example/m.xml"], "since": "yesterday"},
        {"type": "sitemaps", "urls": ["https://a.example/m.xml"], "max_depth": 6},
        {"type": "warc"},
        {"type": "pubsub"},
        {"type": "pubsub", "subscription": "urls"},
        {"type": "pubsub", "subscription": "projects/news-1/topics/urls"},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/a/b"},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/urls\n"},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/urls 7"},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/urls", "pullers": 0},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/urls", "lease_seconds": 601},
        {"type": "pubsub", "subscription": "projects/news-1/subscriptions/urls", "id_attribute": ""},
        {"type": "urls", "path": "a", "fromat": "csv"},
        {"type": "urls", "path": "a", "format": "xml"},
        {"type": "rss", "path": "a"},
        {"path": "a"},
    ],
)
def test_invalid_settings(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SOURCES.validate_python(value)
