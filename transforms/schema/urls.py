"""Parse URLs: canonical form, id, host and registrable domain.

Syntax and normalisation follow RFC 3986 (section 6.2.2), host names UTS 46, numeric hosts the WHATWG URL standard: any
spelling that a browser resolves to 127.0.0.1 becomes 127.0.0.1.
"""

import html
import ipaddress
import re
import socket
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import idna

from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import UrlRequest, stable_id

if TYPE_CHECKING:
    from tldextract import TLDExtract

MAX_LENGTH = 8_000
"""Maximum length of a canonical URL in characters (RFC 9110, section 4.1, requires servers to accept this)."""

TRACKING_PREFIXES = ("utm_",)
TRACKING_KEYS = frozenset(
    {
        "__twitter_impression",
        "_hsenc",
        "_hsmi",
        "_openstat",
        "dclid",
        "fbclid",
        "gad_source",
        "gbraid",
        "gclid",
        "gclsrc",
        "igshid",
        "li_fat_id",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "msclkid",
        "oly_anon_id",
        "oly_enc_id",
        "srsltid",
        "ttclid",
        "twclid",
        "vero_id",
        "wbraid",
        "yclid",
        "ysclid",
    }
)
"""Query keys that identify the visit, not the page; case-insensitive."""

SESSION_KEYS = frozenset({"cfid", "cftoken", "jsessionid", "phpsessid"})
"""Query keys of server sessions: the page does not depend on them; case-insensitive."""
_SESSION_PREFIX = "aspsessionid"
_SESSION_PATH = re.compile(r";(?:jsessionid|phpsessid)=[^/;]*", re.IGNORECASE)

_DEFAULT_PORTS = {"http": 80, "https": 443}
# White space, C0 controls, and invisible characters that editors leave around a URL.
_EDGES = "".join(map(chr, range(33))) + "\x7f\x85\xa0\u200b\u200c\u200d\u2028\u2029\u2060\ufeff"
# U+FFFD replaces bytes that are not UTF-8, so the original URL is lost.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_ENTITY = re.compile(r"&(?:amp|apos|quot|lt|gt|#[0-9]{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/%")
_QUERY_SAFE = _PATH_SAFE | frozenset(b"?")
_USER_INFO = re.compile(r"([/\\]{2})[^/\\?#\s]+@")
_SECRET_QUERY = re.compile(
    r"([?&](?:[\w.-]*(?:api[_-]?key|token|secret|passw(?:or)?d|signature|auth)|key|sig|pwd)=)[^&#\s'\"]+", re.IGNORECASE
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    credentials: bool
    host: str
    port: int | None
    path: str
    query: str

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def url(self, query: str) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}" + (f"?{query}" if query else "")


def canonical_url(raw: str) -> str:
    """Return the canonical form of a URL, which is requested and stored, without tracking parameters and session ids.

    Args:
        raw: a URL as written in a list, a feed or a page.

    Returns:
        An absolute http or https URL in ASCII: no fragment, no default port, no dot segments, host in lower case and
        IDNA, percent-encoding only where it is needed. The query keeps its order.

    Raises:
        Rejected: ``invalid_url``, when this is not an http or https URL with a host, or it has a user name, control
            characters or more than `MAX_LENGTH` characters.
    """
    parts = _checked(raw)
    parts = replace(parts, path=_SESSION_PATH.sub("", parts.path) or "/")
    return parts.url("&".join(p for p in parts.query.split("&") if p and not _is_redundant(p)))


def normal_url(raw: str) -> str:
    """Return the URL like `canonical_url`, but with the whole query: in a redirect any parameter may matter.

    Raises:
        Rejected: ``invalid_url``, as for `canonical_url`.
    """
    parts = _checked(raw)
    return parts.url(parts.query)


def url_id(canonical: str) -> str:
    """Return the ``article_id`` of a URL; scheme, a leading ``www.`` and the order of query keys do not matter.

    Args:
        canonical: a result of `canonical_url`; for any other string the id is derived from its characters.
    """
    try:
        parts = _checked(canonical)
    except Rejected:
        return stable_id("raw", canonical)
    # The values of one key keep their order, which may be significant.
    query = sorted(parts.query.split("&"), key=lambda pair: pair.partition("=")[0])
    port = "" if parts.port is None else str(parts.port)
    return stable_id("url", site_of(canonical), port, parts.path, "&".join(query))


def host_of(url: str) -> str:
    """Return ``host`` or ``host:port`` of a URL, the key of politeness; empty if the URL is not valid."""
    try:
        return _split(url).netloc
    except Rejected:
        return ""


def site_of(url: str) -> str:
    """Return the host without port and leading ``www.``, equal for equal `url_id`; empty if the URL is not valid."""
    try:
        host = _split(url).host
    except Rejected:
        return ""
    bare = host.removeprefix("www.")
    return bare if "." in bare else host


def domain_of(url: str) -> str:
    """Return the registrable domain of a URL's host, by the public suffix list that tldextract ships (no look-up).

    Returns:
        For instance ``example.co.uk``; the last two labels where the suffix is unknown, an IP address or a single label
        unchanged, and an empty string when the URL is not valid.
    """
    try:
        return _registrable(_split(url).host)
    except Rejected:
        return ""


def resolve(base: str, href: str) -> str:
    """Resolve a link on a page to an absolute URL (RFC 3986, section 5), not yet canonical.

    Raises:
        Rejected: ``invalid_url``, if the result is not a URL.
    """
    try:
        return urljoin(base, href.strip(_EDGES))
    except ValueError as error:
        raise Rejected(Reason.INVALID_URL, f"{_shown(href)} is not a valid link: {error}.") from error


def request_of(raw: str, source: str, title: str | None = None, published_at: datetime | None = None) -> UrlRequest:
    """Create the request for a URL.

    Never raises: an invalid URL keeps its text as ``url`` (as far as UTF-8 can encode it), and the fetch stage rejects
    it, so that every input has a row.

    Args:
        raw: the URL.
        source: its origin, such as ``urls`` or ``feed``.
        title: the title that the source states.
        published_at: the time of publication that the source states, in UTC.
    """
    try:
        url = canonical_url(raw)
    except Rejected:
        # A password in it must not reach a table.
        url = without_secrets(raw.strip(_EDGES).encode("utf-8", "replace").decode())
    article_id = url_id(url)
    if source == "listing":
        # A feed may list its own URL as an article: two requests, each with a row.
        article_id = stable_id("listing", article_id)
    return UrlRequest(url=url, article_id=article_id, source=source, title=title, published_at=published_at)


def without_secrets(text: str) -> str:
    """Mask user names, passwords and keys of the URLs in a text with ***.

    Args:
        text: a URL or a text with URLs. Keys are recognised by their names, such as ``api_key`` and ``token``.
    """
    return _SECRET_QUERY.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))


def _is_redundant(pair: str) -> bool:
    key = pair.partition("=")[0].lower()
    return key in TRACKING_KEYS or key in SESSION_KEYS or key.startswith((*TRACKING_PREFIXES, _SESSION_PREFIX))


def _checked(raw: str) -> _Parts:
    parts = _split(_unescaped(raw))
    if parts.credentials:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} contains a user name or password, which is not allowed.")
    if len(parts.url(parts.query)) > MAX_LENGTH:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} is longer than {MAX_LENGTH:,} characters.")
    return parts


def _unescaped(raw: str) -> str:
    """Unescape HTML entities, also escaped twice; only those with a semicolon, since ``&copy=1`` is a parameter."""
    for _ in range(3):
        unescaped = _ENTITY.sub(lambda match: html.unescape(match[0].lower()), raw)
        if unescaped == raw:
            break
        raw = unescaped
    return raw


@lru_cache(maxsize=4096)
def _split(raw: str) -> _Parts:
    text = raw.strip(_EDGES)
    if _FORBIDDEN.search(text):
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} contains control characters or invalid text.")
    if len(text) > 4 * MAX_LENGTH:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} is longer than {MAX_LENGTH:,} characters.")
    head, mark, tail = _partition(text)
    try:
        split = urlsplit(head.replace("\\", "/") + mark + tail)
        name, port = split.hostname, split.port
    except ValueError as error:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} is not a valid URL: {error}.") from error
    if split.scheme not in _DEFAULT_PORTS or not name:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} is not an http or https URL with a host.")
    if port == 0:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has port 0; ports begin at 1.")
    return _Parts(
        scheme=split.scheme,
        credentials="@" in split.netloc,
        host=_host(name, raw),
        port=None if port == _DEFAULT_PORTS[split.scheme] else port,
        path=_without_dots(_encoded(split.path, _PATH_SAFE) or "/"),
        query=_encoded(split.query, _QUERY_SAFE),
    )


def _partition(text: str) -> tuple[str, str, str]:
    """Split a URL before its query or fragment: left of it a backslash is a slash, as in browsers."""
    end = next((i for i, c in enumerate(text) if c in "?#"), len(text))
    return text[:end], text[end : end + 1], text[end + 1 :]


def _host(name: str, raw: str) -> str:
    if ":" in name:
        try:
            return str(ipaddress.IPv6Address(name if "%" not in name else ""))
        except ValueError:
            raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has a host that is not a valid IPv6 address.") from None
    host = _ascii(unquote(name), raw).removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has a host name that is not allowed (RFC 1123).")
    if not _NUMBER.fullmatch(labels[-1]):
        return host
    try:
        # inet_aton accepts what browsers accept: octal, hexadecimal, fewer than four parts.
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has a host that is not a valid IPv4 address.") from None


def _ascii(name: str, raw: str) -> str:
    if name.isascii():
        return name.lower()
    if len(name) > 253:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has a host name of more than 253 characters.")
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except UnicodeError:
        pass
    try:
        # IDNA 2003 allows more names, such as those with symbols.
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise Rejected(Reason.INVALID_URL, f"{_shown(raw)} has a host name that is not allowed (UTS 46).") from None


def _encoded(text: str, safe: frozenset[int]) -> str:
    """Normalise percent-encoding: upper case, only where required."""
    if text.isalnum() and text.isascii():
        return text

    def escape(match: "re.Match[bytes]") -> bytes:
        byte = int(match[1], 16)
        return bytes([byte]) if byte in _UNRESERVED else match[0].upper()

    data = _ESCAPE.sub(escape, re.sub(rb"%(?![0-9A-Fa-f]{2})", b"%25", text.encode("utf-8")))
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in data)


def _without_dots(path: str) -> str:
    """Remove dot segments (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


@cache
def _suffixes() -> "TLDExtract":
    # Imported late: it imports an HTTP client, which takes a tenth of a second.
    import tldextract

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())


@lru_cache(maxsize=65536)
def _registrable(host: str) -> str:
    if ":" in host:
        return host
    found = _suffixes()(host)
    if found.suffix and found.domain:
        return f"{found.domain}.{found.suffix}"
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return ".".join(host.split(".")[-2:])


def _shown(raw: str) -> str:
    text = without_secrets(raw.encode("utf-8", "replace").decode())
    return repr(text if len(text) <= 120 else text[:117] + "...")
