"""Parse feeds into articles: RSS 0.9x, 1.0 and 2.0, Atom (RFC 4287) and JSON Feed."""

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feedparser

from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import canonical_url, resolve
from transforms.sources.xml import escaped
from transforms.text.dates import parse_feed_date

MAX_ENTRIES = 10_000
"""Maximum number of entries read from one feed."""
MAX_XML_BYTES = 2 << 20
"""Maximum size of an XML feed that is parsed: malicious nesting takes the parser 6 seconds per megabyte."""

_PAGES = ("text/html", "application/xhtml+xml", "")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One article of a feed. ``url`` is canonical, ``published_at`` is in UTC."""

    url: str
    title: str | None = None
    published_at: datetime | None = None


def parse_feed(body: bytes, content_type: str, url: str) -> list[FeedEntry]:
    """Return the entries of a feed that link to a page, in order.

    From damaged XML, all readable entries are returned. From a feed over `MAX_XML_BYTES`, the complete entries within
    this limit are returned, which usually are the newest.

    Args:
        body: the response body.
        content_type: its Content-Type header; may be empty.
        url: its URL, the base of relative links.

    Raises:
        Rejected: ``listing_unreadable``, if this is not a feed.
    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        entries = _json_feed(body, url)
    else:
        entries = _xml_feed(body, content_type, url)
    return [entry for _, entry in zip(range(MAX_ENTRIES), entries, strict=False)]


def _json_feed(body: bytes, url: str) -> Iterator[FeedEntry]:
    try:
        feed = json.loads(body, parse_int=_bounded_int)
    except (ValueError, RecursionError) as error:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is invalid JSON: {error}.") from error
    items = feed.get("items")
    if not isinstance(items, list):
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is not a JSON Feed: it has no list of items.")
    for item in items:
        if isinstance(item, dict):
            link = item.get("url") or item.get("external_url") or _absolute(item.get("id"))
            yield from _entry(link, item.get("title"), item.get("date_published"), url)


def _bounded_int(digits: str) -> int | None:
    """Parse an integer; None if it is longer than any number in a feed (Python rejects more than 4,300 digits)."""
    return int(digits) if len(digits) <= 40 else None


def _xml_feed(body: bytes, content_type: str, url: str) -> Iterator[FeedEntry]:
    body = _cut(body)
    if not body.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")):
        body = b"".join(escaped(body))
    feed = feedparser.parse(
        # As a stream, because feedparser treats bytes as a file name if such a file exists.
        io.BytesIO(body),
        response_headers={"content-location": url, "content-type": content_type or "application/xml"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not feed.get("version") and not feed.entries:
        cause = f": {feed.bozo_exception}" if feed.get("bozo") else ""
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is not an RSS, Atom or JSON feed{cause}.")
    for entry in feed.entries:
        # As a plain dict, because feedparser's dict substitutes other fields for a missing one.
        fields = dict(entry)
        date = fields.get("published") or fields.get("created") or fields.get("updated")
        yield from _entry(_link(fields, body), _title(fields), date, url)


def _cut(body: bytes) -> bytes:
    """Cut a long feed after its last entry within the limit."""
    if len(body) <= MAX_XML_BYTES:
        return body
    ends = [body.rfind(tag, 0, MAX_XML_BYTES) + len(tag) for tag in (b"</item>", b"</entry>") if tag in body]
    return body[: max(ends, default=MAX_XML_BYTES)]


def _link(fields: Mapping[str, Any], body: bytes) -> str | None:
    """Return the URL of an entry's page; feedparser's ``link`` may be an enclosure, or a guid that is not a URL."""
    if original := fields.get("feedburner_origlink"):
        return str(original)
    for link in fields.get("links", ()):
        if link.get("rel", "alternate") == "alternate" and link.get("type", "") in _PAGES and link.get("href"):
            return str(link["href"])
    guid = _absolute(fields.get("id")) if fields.get("guidislink") else None
    # feedparser also turns a guid such as show-17 into a URL; a real URL occurs unchanged in the document.
    return guid if guid and (guid.encode() in body or html.escape(guid, quote=False).encode() in body) else None


def _absolute(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip().lower().startswith(("http://", "https://")) else None


def _title(fields: Mapping[str, Any]) -> str:
    title = str(fields.get("title") or "")
    if (fields.get("title_detail") or {}).get("type") != "text/plain":
        title = _TAG.sub("", title)
    return html.unescape(title)


def _entry(link: object, title: object, date: object, base: str) -> Iterator[FeedEntry]:
    """Yield the entry if its link is a valid URL."""
    if not isinstance(link, str) or not link.strip():
        return
    try:
        url = canonical_url(resolve(base, link))
    except Rejected:
        return
    text = " ".join(title.split()) if isinstance(title, str) else ""
    yield FeedEntry(url, text or None, parse_feed_date(date) if isinstance(date, str) else None)
