"""Read URLs from lists, feeds, sitemaps and queue messages."""

from transforms.sources.config import (
    FeedsSource,
    ListingSource,
    PubSubSource,
    SitemapsSource,
    Source,
    UrlsSource,
    WarcSource,
)
from transforms.sources.feeds import FeedEntry, parse_feed
from transforms.sources.sitemaps import SITEMAP_TYPES, Sitemap, SitemapEntry, parse_sitemap
from transforms.sources.url_lists import ListError, read_urls

__all__ = [
    "SITEMAP_TYPES",
    "FeedEntry",
    "FeedsSource",
    "ListError",
    "ListingSource",
    "PubSubSource",
    "Sitemap",
    "SitemapEntry",
    "SitemapsSource",
    "Source",
    "UrlsSource",
    "WarcSource",
    "parse_feed",
    "parse_sitemap",
    "read_urls",
]
