"""Sitemaps (sitemaps.org): XML, indexes, news sitemaps, plain text, and the `Sitemap:` lines of a robots.txt."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from lxml import etree

from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import canonical_url, resolve
from transforms.text.dates import parse_feed_date

MAX_ENTRIES = 50_000
"""How many addresses of one document are read: the protocol's own limit."""
MAX_BYTES = 50 << 20
"""How much of one unpacked document is read: the protocol's own limit."""
SITEMAP_TYPES = frozenset(
    {
        "application/gzip",
        "application/octet-stream",
        "application/x-gzip",
        "application/xml",
        "binary/octet-stream",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
"""Content types under which sitemaps are sent."""

_GZIP = b"\x1f\x8b"
_EDGES = b"\xef\xbb\xbf \t\r\n"
_BARE_AMPERSAND = re.compile(rb"&(?!#?\w{1,32};)")
_ROBOTS_LINE = re.compile(r"\s*site-?map\s*:\s*(\S+)", re.IGNORECASE)
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """One page that a sitemap names. ``url`` is canonical, times are in UTC."""

    url: str
    lastmod: datetime | None = None
    title: str | None = None
    published_at: datetime | None = None
    language: str | None = None
    """As the news sitemap writes it, an ISO 639 code as a rule."""


@dataclass(frozen=True, slots=True)
class Sitemap:
    """What one document names: pages, and further sitemaps with the time of their last change."""

    entries: tuple[SitemapEntry, ...] = ()
    sitemaps: tuple[SitemapEntry, ...] = ()


def parse_sitemap(body: bytes, content_type: str, url: str) -> Sitemap:
    """Reads a sitemap, an index of sitemaps, or a robots.txt.

    XML that is damaged or breaks off gives what was whole. Entities of a DTD are not unfolded and nothing outside the
    document is opened.

    Args:
        body: the document as it came; gzip is unpacked, `MAX_BYTES` of it at most.
        content_type: its Content-Type header; may be empty.
        url: where it came from: relative addresses count from there.

    Returns:
        Pages and sitemaps in the document's order, `MAX_ENTRIES` of each at most; never the document itself.

    Raises:
        Rejected: ``listing_unreadable``, when this is no sitemap.
    """
    body = unpacked(body, url)
    if urlsplit(url).path == "/robots.txt":
        return _robots(body, url)
    if not body.lstrip(_EDGES).startswith(b"<") and not _is_wide(body):
        return _text(body, url)
    return _xml(body, content_type, url)


def is_sitemap(body: bytes, url: str) -> bool:
    """Whether a document, unpacked, is one for `parse_sitemap` by its beginning; else it may be a feed."""
    start = body[:4096].lstrip(_EDGES).lower()
    if urlsplit(url).path == "/robots.txt" or start.startswith((b"http://", b"https://")):
        return True
    return re.search(rb"<(?:\w+:)?(?:urlset|sitemapindex)[\s>]", start.replace(b"\0", b"")) is not None


def unpacked(body: bytes, url: str) -> bytes:
    """The document without its gzip, where it has one; `MAX_BYTES` of it at most, and what came of a damaged one.

    Raises:
        Rejected: ``listing_unreadable``, when nothing can be unpacked.
    """
    if not body.startswith(_GZIP):
        return body[:MAX_BYTES]
    stream = zlib.decompressobj(wbits=31)
    plain = bytearray()
    try:
        # In pieces: what was unpacked before the damage is kept.
        for start in range(0, len(body), _PIECE):
            plain += stream.decompress(body[start : start + _PIECE], MAX_BYTES - len(plain))
            if len(plain) >= MAX_BYTES or stream.eof:
                break
    except zlib.error as error:
        if not plain:
            raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is damaged gzip: {error}.") from error
    return bytes(plain)


def _is_wide(body: bytes) -> bool:
    """Whether this is XML in UTF-16 by its beginning."""
    return body.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"))


def _robots(body: bytes, url: str) -> Sitemap:
    lines = body.decode("utf-8-sig", "replace").splitlines()
    addresses = [match[1] for line in lines if (match := _ROBOTS_LINE.match(line))]
    found = [entry for address in addresses[:MAX_ENTRIES] for entry in _entry(address, url)]
    if not found:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} names no sitemap; give the sitemap's own address.")
    return Sitemap(sitemaps=tuple(found))


def _text(body: bytes, url: str) -> Sitemap:
    """One address a line; where most lines are none, this is something else."""
    lines = [line.strip() for line in body.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    addresses = [line for line in lines if line.lower().startswith(("http://", "https://"))]
    if not addresses or len(addresses) < len(lines) / 2:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is no sitemap: neither XML nor one address a line.")
    return Sitemap(entries=tuple(entry for address in addresses[:MAX_ENTRIES] for entry in _entry(address, url)))


def _xml(body: bytes, content_type: str, url: str) -> Sitemap:
    found: dict[str, list[SitemapEntry]] = {"url": [], "sitemap": []}
    root = ""
    for element in _elements(body):
        name = _name(element)
        root = root or name
        if name in found:
            if len(found[name]) < MAX_ENTRIES:
                found[name] += _entry(_words(_child(element, "loc")), url, element)
            element.clear()
    if root not in ("urlset", "sitemapindex"):
        what = f" ({content_type})" if content_type else ""
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is no sitemap{what}: it has no urlset and no sitemapindex.")
    return Sitemap(tuple(found["url"]), tuple(found["sitemap"]))


def _elements(body: bytes) -> Iterator[etree._Element]:
    """The root at its start, then each entry at its end."""
    parser = etree.XMLPullParser(
        events=("start", "end"),
        recover=True,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    body = body if _is_wide(body) else _escaped(body.lstrip(_EDGES))
    is_root = True
    for start in range(0, len(body), _PIECE):
        parser.feed(body[start : start + _PIECE])
        # The parser is never closed: that would end the elements which the document does not.
        for event, element in parser.read_events():
            if isinstance(element, etree._Element) and (
                is_root or (event == "end" and _name(element) in ("url", "sitemap"))
            ):
                is_root = False
                yield element


def _escaped(body: bytes) -> bytes:
    """XML whose bare ampersands, common in addresses, are made right: the parser would drop what follows them."""
    parts: list[bytes] = []
    position = 0
    while position < len(body):
        start = body.find(b"<![CDATA[", position)
        start = start if start >= 0 else len(body)
        parts.append(_BARE_AMPERSAND.sub(b"&amp;", body[position:start]))
        end = body.find(b"]]>", start)
        position = end + 3 if end >= 0 else len(body)
        parts.append(body[start:position])
    return b"".join(parts)


def _entry(loc: str, base: str, element: etree._Element | None = None) -> Iterator[SitemapEntry]:
    """The entry, where its address is one, and another than the document's own."""
    try:
        url = canonical_url(resolve(base, loc))
        if not loc or url == canonical_url(base):
            return
    except Rejected:
        return
    news = _child(element, "news")
    yield SitemapEntry(
        url,
        lastmod=parse_feed_date(_words(_child(element, "lastmod"))),
        title=_words(_child(news, "title")) or None,
        published_at=parse_feed_date(_words(_child(news, "publication_date"))),
        language=_words(_child(_child(news, "publication"), "language")) or None,
    )


def _name(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _child(element: etree._Element | None, name: str) -> etree._Element | None:
    return next((child for child in element if _name(child) == name), None) if element is not None else None


def _words(element: etree._Element | None) -> str:
    return " ".join("".join(map(str, element.itertext())).split()) if element is not None else ""
