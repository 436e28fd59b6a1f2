"""Where URLs come from: lists and feeds."""

from transforms.sources.config import FeedsSource, Source, UrlsSource
from transforms.sources.feeds import FeedEntry, parse_feed
from transforms.sources.urls import ListError, read_urls

__all__ = ["FeedEntry", "FeedsSource", "ListError", "Source", "UrlsSource", "parse_feed", "read_urls"]
