"""Documents that name articles: which of these are asked for, and which further documents."""

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
    """A feed or sitemap to ask for. ``published_at`` is the time of its last change, where an index says it."""

    origin: int
    """Which of the run's sources it belongs to: its place among them."""


class Named(NamedTuple):
    """What one document names, as far as its source wants it."""

    requests: list[UrlRequest]
    listings: list[ListingRequest]
    left_out: int
    """Pages in the window that the source's ``max_urls`` cut off."""


def listing_request(url: str, origin: int, changed_at: datetime | None = None) -> ListingRequest:
    """The request for a feed or sitemap; never raises, as `request_of`."""
    request = request_of(url, "listing", published_at=changed_at)
    return ListingRequest(**{f.name: getattr(request, f.name) for f in dataclasses.fields(request)}, origin=origin)


def origin_of(request: UrlRequest) -> int:
    """The place of a listing's source among the run's; the first one for a request that does not say."""
    return request.origin if isinstance(request, ListingRequest) else 0


def read_listing(page: Page, source: ListingSource, origin: int = 0) -> Named:
    """The articles and further sitemaps that a document names.

    A sitemap may be an RSS or Atom document (sitemaps.org allows it), and a feed's address may lead to a sitemap: what
    the document is decides.

    Args:
        page: the document.
        source: what named it: its window of dates and its limits hold.
        origin: the source's place among the run's.

    Raises:
        Rejected: ``listing_unreadable``, when this is neither a feed nor a sitemap.
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


def next_listings(asked: Iterable[UrlRequest], named: Iterable[UrlRequest], most: int) -> tuple[list[UrlRequest], int]:
    """Which of the documents that were named are asked for next: none twice, the last changed first.

    Args:
        asked: the source's documents that were asked for already.
        named: those that came up now, each as often as it was named.
        most: how many the source may ask for in all.

    Returns:
        What to ask for, and how many are left out because of `most`.
    """
    before = {request.article_id for request in asked}
    new = {request.article_id: request for request in named if request.article_id not in before}
    order = sorted(new.values(), key=lambda r: (r.published_at or _BEFORE_ALL, r.url), reverse=True)
    most = max(0, most - len(before))
    return order[:most], len(order[most:])


def max_depth(source: ListingSource) -> int:
    """In how many rounds a source's documents are asked for."""
    return source.max_depth if isinstance(source, SitemapsSource) else 1
