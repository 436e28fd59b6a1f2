"""Feeds: RSS 0.9x, 1.0 and 2.0, Atom (RFC 4287) and JSON Feed, to the articles that they name."""

import calendar
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser

from transforms.records import Reason, Rejected
from transforms.urls import canonical_url, resolve

_PAGES = ("text/html", "application/xhtml+xml", "")
_MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One article that a feed names. ``published_at`` is in UTC."""

    url: str
    title: str | None = None
    published_at: datetime | None = None


def parse_feed(body: bytes, content_type: str, url: str) -> list[FeedEntry]:
    """The entries of a feed that have a page of their own, in order.

    Args:
        body: the document as it came.
        content_type: its Content-Type header; may be empty.
        url: where it came from: relative links count from there.

    Raises:
        Rejected: ``listing_unreadable``, when this is no feed.
    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        entries = _json_feed(body, url)
    else:
        entries = _xml_feed(body, content_type, url)
    return list(entries)[:_MAX_ENTRIES]


def _json_feed(body: bytes, url: str) -> Iterable[FeedEntry]:
    try:
        feed = json.loads(body)
    except ValueError as error:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is no JSON: {error}.") from error
    items = feed.get("items")
    if not isinstance(items, list):
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is JSON with no list of items, so it is no JSON Feed.")
    for item in items:
        if isinstance(item, dict):
            link = item.get("url") or item.get("external_url") or item.get("id")
            yield from _entry(link, item.get("title"), _iso(item.get("date_published")), url)


def _xml_feed(body: bytes, content_type: str, url: str) -> Iterable[FeedEntry]:
    with warnings.catch_warnings():
        # feedparser warns of its own fallbacks from one date field to the other.
        warnings.simplefilter("ignore", DeprecationWarning)
        feed = feedparser.parse(
            body,
            response_headers={"content-location": url, "content-type": content_type or "application/xml"},
            sanitize_html=False,
        )
        if not feed.version and not feed.entries:
            cause = f": {feed.bozo_exception}" if feed.get("bozo") else ""
            raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is no RSS, Atom or JSON feed{cause}.")
        return [
            found for entry in feed.entries for found in _entry(_link(entry), entry.get("title"), _time(entry), url)
        ]


def _link(entry: Any) -> str | None:
    for link in entry.get("links", ()):
        if link.get("rel", "alternate") == "alternate" and link.get("type", "") in _PAGES and link.get("href"):
            return str(link["href"])
    # A guid is an address only where it says so; feedparser then gives it as `link`.
    link = entry.get("link")
    enclosures = {e.get("href") for e in entry.get("enclosures", ())}
    return str(link) if link and link not in enclosures else None


def _time(entry: Any) -> datetime | None:
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    if parsed is not None:
        try:
            return datetime.fromtimestamp(calendar.timegm(parsed), timezone.utc)
        except (ValueError, OverflowError):
            return None
    return _iso(entry.get("published") or entry.get("updated"))


def _iso(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    for parse in (lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")), parsedate_to_datetime):
        try:
            moment = parse(value.strip())
        except ValueError:
            continue
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return None


def _entry(link: object, title: object, published_at: datetime | None, base: str) -> Iterable[FeedEntry]:
    """The entry, where its link is the address of a page."""
    if not isinstance(link, str) or not link.strip():
        return
    try:
        url = canonical_url(resolve(base, link))
    except Rejected:
        return
    text = title.strip() if isinstance(title, str) else ""
    yield FeedEntry(url, text or None, published_at)
