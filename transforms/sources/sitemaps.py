"""Parse sitemaps (sitemaps.org): XML, indexes, news sitemaps, plain text, and `Sitemap:` lines of robots.txt."""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from urllib.parse import urlsplit

from lxml import etree

from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import canonical_url, resolve
from transforms.sources.xml import EDGES, escaped, pieces
from transforms.text.dates import parse_feed_date

MAX_ENTRIES = 50_000
"""Maximum number of URLs read from one document: the limit of the protocol."""
MAX_BYTES = 50 << 20
"""Maximum size of a decompressed document: the limit of the protocol."""
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
"""Content types of sitemaps, as servers send them."""

_GZIP = b"\x1f\x8b"
_ROBOTS_LINE = re.compile(r"\s*site-?map\s*:\s*(\S+)", re.IGNORECASE)
_PIECE = 1 << 16
_LINE = re.compile(rb"[^\r\n]{1,10000}")
_GZIP_LAYERS = 3
_MAX_WORDS = 10_000
"""Maximum length of one text, such as a URL or a title, in characters."""


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """One page of a sitemap. ``url`` is canonical, times are in UTC."""

    url: str
    lastmod: datetime | None = None
    title: str | None = None
    published_at: datetime | None = None
    language: str | None = None
    """As written in the news sitemap, usually an ISO 639 code."""


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Contents of one document: pages, and further sitemaps with the time of their last change."""

    entries: tuple[SitemapEntry, ...] = ()
    sitemaps: tuple[SitemapEntry, ...] = ()


def parse_sitemap(body: bytes, content_type: str, url: str) -> Sitemap:
    """Parse a sitemap, an index of sitemaps, or a robots.txt.

    From damaged or truncated XML, the complete entries are read. DTD entities are not expanded and nothing outside the
    document is opened. Memory does not grow with the document, and time grows linearly.

    Args:
        body: the response body; gzip is decompressed, up to `MAX_BYTES`.
        content_type: its Content-Type header; may be empty.
        url: its URL, the base of relative URLs.

    Returns:
        Pages and sitemaps in the order of the document, at most `MAX_ENTRIES` of each; never the document itself.

    Raises:
        Rejected: ``listing_unreadable``, if this is not a sitemap.
    """
    body = unpacked(body, url)
    if urlsplit(url).path == "/robots.txt":
        return _robots(body, url)
    if not body.lstrip(EDGES).startswith(b"<") and not _is_wide(body):
        return _text(body, url)
    return _xml(body, content_type, url)


def is_sitemap(body: bytes, url: str) -> bool:
    """Whether a decompressed document begins like a sitemap, for `parse_sitemap`; else it may be a feed."""
    start = body[:4096].lstrip(EDGES).lower()
    if urlsplit(url).path == "/robots.txt" or start.startswith((b"http://", b"https://")):
        return True
    return re.search(rb"<(?:\w+:)?(?:urlset|sitemapindex)[\s>]", start.replace(b"\0", b"")) is not None


def unpacked(body: bytes, url: str) -> bytes:
    """Decompress a gzip document with all its members, even gzip inside gzip; return any other document unchanged.

    Returns:
        At most `MAX_BYTES`; for a damaged document, the part before the damage.

    Raises:
        Rejected: ``listing_unreadable``, if nothing can be decompressed.
    """
    for _ in range(_GZIP_LAYERS):
        if not body.startswith(_GZIP):
            break
        body = _gunzip(body, url)
    return body[:MAX_BYTES]


def _gunzip(body: bytes, url: str) -> bytes:
    plain, position = bytearray(), 0
    try:
        while body.startswith(_GZIP, position) and len(plain) < MAX_BYTES:
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof and len(plain) < MAX_BYTES:
                # In pieces, so that the part before the damage is kept.
                piece = stream.unconsumed_tail
                if not piece:
                    piece = body[position : position + _PIECE]
                    position += len(piece)
                found = stream.decompress(piece, min(_PIECE, MAX_BYTES - len(plain)))
                plain += found
                if not piece and not found:
                    return bytes(plain)
            position -= len(stream.unused_data)
    except zlib.error as error:
        if not plain:
            raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is not valid gzip: {error}.") from error
    return bytes(plain)


def _is_wide(body: bytes) -> bool:
    """Whether a document begins like XML in UTF-16."""
    return body.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"))


def _robots(body: bytes, url: str) -> Sitemap:
    addresses = (match[1] for line in _lines(body) if (match := _ROBOTS_LINE.match(line)))
    found = [entry for address in islice(addresses, MAX_ENTRIES) for entry in _entry({"loc": address}, url)]
    if not found:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} lists no sitemap; configure the URL of the sitemap.")
    return Sitemap(sitemaps=tuple(found))


def _text(body: bytes, url: str) -> Sitemap:
    """Read one URL per line; reject a document in which most lines are not URLs."""
    addresses, count = [], 0
    for line in map(str.strip, _lines(body)):
        count += bool(line)
        if line.lower().startswith(("http://", "https://")):
            addresses.append(line)
            if len(addresses) >= MAX_ENTRIES:
                break
    if not addresses or len(addresses) < count / 2:
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is not a sitemap: it is neither XML nor one URL per line.")
    return Sitemap(entries=tuple(entry for address in addresses for entry in _entry({"loc": address}, url)))


def _lines(body: bytes) -> Iterator[str]:
    """Decode the lines that are not empty, one at a time; a line longer than any URL is split."""
    for match in _LINE.finditer(body, 3 if body.startswith(b"\xef\xbb\xbf") else 0):
        yield match[0].decode("utf-8", "replace")


def _xml(body: bytes, content_type: str, url: str) -> Sitemap:
    reader = _Reader(url)
    parser = etree.XMLParser(
        target=reader,
        recover=True,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    for piece in escaped(body) if not _is_wide(body) else pieces(body):
        try:
            parser.feed(piece)
        except etree.XMLSyntaxError:
            # The parser fails, for instance on too deep nesting; the entries before the error are kept.
            break
        if reader.is_other or min(map(len, (reader.entries, reader.sitemaps))) >= MAX_ENTRIES:
            break
    # The parser is never closed: that would end elements that the document does not end.
    if reader.root not in ("urlset", "sitemapindex"):
        kind = f" ({content_type})" if content_type else ""
        raise Rejected(Reason.LISTING_UNREADABLE, f"{url} is not a sitemap{kind}: it has no urlset or sitemapindex.")
    return Sitemap(tuple(reader.entries), tuple(reader.sitemaps))


class _Reader:
    """Target of the parser: collects entries and keeps no tree, so memory does not grow with the document."""

    _FIELDS = MappingProxyType(
        {
            ("loc",): "loc",
            ("lastmod",): "lastmod",
            ("news", "title"): "title",
            ("news", "publication_date"): "publication_date",
            ("news", "publication", "language"): "language",
        }
    )

    def __init__(self, url: str) -> None:
        self._url = url
        self.root = ""
        self.entries: list[SitemapEntry] = []
        self.sitemaps: list[SitemapEntry] = []
        self._path: list[str] = []
        """Names of the open elements below an entry."""
        self._entry: dict[str, str] | None = None
        self._kind = ""
        self._texts: list[str] = []
        self._field: str | None = None
        self._size = 0

    @property
    def is_other(self) -> bool:
        """Whether the root element belongs to another kind of document."""
        return self.root not in ("", "urlset", "sitemapindex")

    def start(self, tag: object, _attributes: object, /) -> None:
        name = _name(tag)
        self.root = self.root or name
        if name in ("url", "sitemap"):
            # An entry whose end tag is damaged ends where the next one begins.
            self._keep_entry()
            self._entry, self._kind, self._path = {}, name, []
        elif self._entry is not None:
            self._path.append(name)
            field = self._FIELDS.get(tuple(self._path[:4]))
            if field is not None and field not in self._entry and len(self._path) < 4:
                self._field, self._texts, self._size = field, [], 0

    def data(self, text: object, /) -> None:
        if self._field is not None and self._size < _MAX_WORDS:
            words = str(text)[:_MAX_WORDS]
            self._texts.append(words)
            self._size += len(words)

    def end(self, tag: object, /) -> None:
        name = _name(tag)
        if name in ("url", "sitemap") and self._entry is not None:
            self._keep_entry()
        elif self._entry is not None and self._path:
            if self._FIELDS.get(tuple(self._path[:4])) == self._field:
                self._keep_field()
            self._path.pop()

    def _keep_entry(self) -> None:
        if self._entry is None:
            return
        self._keep_field()
        found = self.entries if self._kind == "url" else self.sitemaps
        if len(found) < MAX_ENTRIES:
            found += _entry(self._entry, self._url)
        self._entry = None

    def _keep_field(self) -> None:
        if self._field is not None and self._entry is not None:
            self._entry[self._field] = " ".join("".join(self._texts).split())
        self._field = None

    def comment(self, _text: object, /) -> None:
        """Ignore a comment."""

    def close(self) -> None:
        """Called by the parser at the end of a document."""


def _entry(fields: Mapping[str, str], base: str) -> Iterator[SitemapEntry]:
    """Create the entry, unless its URL is not valid or is that of the document."""
    loc = fields.get("loc", "")
    try:
        url = canonical_url(resolve(base, loc))
        if not loc or url == canonical_url(base):
            return
    except Rejected:
        return
    yield SitemapEntry(
        url,
        lastmod=parse_feed_date(fields.get("lastmod", "")),
        title=fields.get("title") or None,
        published_at=parse_feed_date(fields.get("publication_date", "")),
        language=fields.get("language") or None,
    )


def _name(tag: object) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(tag, str) else ""
