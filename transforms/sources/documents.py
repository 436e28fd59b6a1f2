"""Convert parsed feeds and sitemaps into requests, within the limits of their source."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import NamedTuple

from transforms.schema.records import Page, UrlRequest
from transforms.schema.urls import request_of
from transforms.sources.config import ListingSource, SitemapsSource
from transforms.sources.feeds import parse_feed
from transforms.sources.sitemaps import Sitemap, SitemapEntry, is_sitemap, parse_sitemap, unpacked

_BEFORE_ALL = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRequest(UrlRequest):
    """A request for a feed or sitemap. ``published_at`` is the time of its last change, if an index states it."""

    origin: int
    """Index of its source in the run."""


class Named(NamedTuple):
    """URLs found in one document, within the limits of its source."""

    requests: list[UrlRequest]
    listings: list[ListingRequest]
    left_out: int
    """Number of pages left out because of the source's ``max_urls``."""


def listing_request(url: str, origin: int, changed_at: datetime | None = None) -> ListingRequest:
    """Create the request for a feed or sitemap. Never raises, like `request_of`."""
    request = request_of(url, "listing", published_at=changed_at)
    return ListingRequest(**{f.name: getattr(request, f.name) for f in dataclasses.fields(request)}, origin=origin)


def origin_of(request: UrlRequest) -> int:
    """Return the index of a request's source in the run; 0 if it is not a `ListingRequest`."""
    return request.origin if isinstance(request, ListingRequest) else 0


def read_listing(page: Page, source: ListingSource, origin: int = 0) -> Named:
    """Return the articles and further sitemaps that a document lists.

    The content decides between feed and sitemap: a sitemap may be an RSS or Atom document (sitemaps.org allows it), and
    the URL of a feed may return a sitemap.

    Args:
        page: the document.
        source: its source, with dates and limits.
        origin: index of the source in the run.

    Raises:
        Rejected: ``listing_unreadable``, if this is neither a feed nor a sitemap.
    """
    url = page.fetch.final_url or page.fetch.url
    body = unpacked(page.body, url)
    if is_sitemap(body, url):
        kind, found = "sitemap", parse_sitemap(body, page.content_type, url)
    else:
        feed = parse_feed(body, page.content_type, url)
        kind = "feed"
        found = Sitemap(tuple(SitemapEntry(e.url, title=e.title, published_at=e.published_at) for e in feed))
    wanted, sitemaps, limit = found.entries, found.sitemaps, len(found.entries)
    if isinstance(source, SitemapsSource):
        first, last, limit = source.since or date.min, source.until or date.max, source.max_urls
        wanted = tuple(
            e for e in wanted if (moment := e.published_at or e.lastmod) is None or first <= moment.date() <= last
        )
        sitemaps = tuple(e for e in sitemaps if e.lastmod is None or first <= e.lastmod.date())
        wanted = tuple(sorted(wanted, key=lambda e: e.published_at or e.lastmod or _BEFORE_ALL, reverse=True))
    return Named(
        [request_of(e.url, kind, e.title, e.published_at) for e in wanted[:limit]],
        [listing_request(e.url, origin, e.lastmod) for e in sitemaps],
        left_out=len(wanted[limit:]),
    )


def next_listings(
    requested: Iterable[UrlRequest], found: Iterable[UrlRequest], most: int
) -> tuple[list[UrlRequest], int]:
    """Choose the documents to request next: each once, the most recently changed first.

    Args:
        requested: documents of the source that were requested already.
        found: documents listed now, possibly repeated.
        most: maximum number of documents of the source.

    Returns:
        The documents to request, and the number left out because of `most`.
    """
    before = {request.article_id for request in requested}
    new = {request.article_id: request for request in found if request.article_id not in before}
    order = sorted(new.values(), key=lambda r: (r.published_at or _BEFORE_ALL, r.url), reverse=True)
    most = max(0, most - len(before))
    return order[:most], len(order[most:])


def max_depth(source: ListingSource) -> int:
    """Return the maximum number of rounds in which documents of a source are requested."""
    return source.max_depth if isinstance(source, SitemapsSource) else 1
