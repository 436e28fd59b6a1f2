"""What a site says against text and data mining, and where a page's head sends its readers.

Read are the TDM Reservation Protocol of a W3C community group (header, meta tag, well-known file) and the ``noai`` of
X-Robots-Tag and of robots meta tags. ``noindex`` is about search engines and ``noimageai`` about pictures: neither
counts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import etree

WELL_KNOWN = "/.well-known/tdmrep.json"
MAX_BYTES = 500 * 1024
"""The largest well-known file that is read."""

_HEAD_BYTES = 2**16
_MAX_REFRESH_SECONDS = 10
_HINT = re.compile(rb"noai|tdm-reservation|http-equiv", re.IGNORECASE)
# Parts of an X-Robots-Tag in which a colon does not end a robot's name.
_WITH_VALUE = frozenset({"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"})
_REFRESH = re.compile(r"\s*(\d{1,6})[\d.]*\s*[;,]?\s*(?:url\s*=)?(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Head:
    """What a page's head says: whether it is reserved (None: nothing), and the address that it sends its readers to."""

    reserved: bool | None = None
    refresh: str | None = None


def reserved_by_headers(headers: Mapping[str, str], token: str) -> bool | None:
    """Whether an answer's headers reserve it; None when they say nothing.

    Args:
        headers: names in any letter case; one that came twice is there twice.
        token: our product name, since an X-Robots-Tag may speak to one robot alone.
    """
    said: bool | None = None
    for name, value in headers.items():
        if name.lower() == "x-robots-tag" and _says_noai(value, token):
            return True
        if name.lower() == "tdm-reservation" and value.strip() in ("0", "1"):
            said = said or value.strip() == "1"
    return said


def read_head(body: bytes, token: str) -> Head:
    """Reads the meta tags at the beginning of an HTML page.

    Args:
        body: the page; its first 64 KiB are looked at.
        token: our product name: a robots meta tag may bear it in place of ``robots``.
    """
    data = body[:_HEAD_BYTES]
    # Most pages have nothing of it, and parsing them here would cost more than fetching them.
    if not _HINT.search(data):
        return Head()
    try:
        tree = etree.fromstring(data, etree.HTMLParser(encoding="utf-8", recover=True, no_network=True))
    except etree.LxmlError:
        return Head()
    said: bool | None = None
    refresh: str | None = None
    for meta in tree.iter("meta") if tree is not None else ():
        name, content = (meta.get("name") or "").strip().lower(), meta.get("content") or ""
        if name in ("robots", token) and "noai" in _tokens(content):
            said = True
        elif name == "tdm-reservation" and content.strip() in ("0", "1"):
            said = said or content.strip() == "1"
        elif refresh is None and (meta.get("http-equiv") or "").strip().lower() == "refresh":
            refresh = _target(content) if next(meta.iterancestors("noscript"), None) is None else None
    return Head(said, refresh)


class Reservations:
    """A host's well-known file: which of its pages are reserved."""

    def __init__(self, rules: list[tuple[str, bool]]) -> None:
        self._rules = rules

    @classmethod
    def parse(cls, body: bytes) -> "Reservations":
        """Reads ``tdmrep.json``; what is no rule in it, or no JSON at all, says nothing."""
        try:
            listed = json.loads(body)
        except (ValueError, RecursionError):
            return cls([])
        rules = [rule for rule in listed if isinstance(rule, dict)] if isinstance(listed, list) else []
        return cls(
            [
                (rule["location"], str(rule["tdm-reservation"]) == "1")
                for rule in rules
                if isinstance(rule.get("location"), str) and str(rule.get("tdm-reservation")) in ("0", "1")
            ]
        )

    def reserved(self, url: str) -> bool | None:
        """What the first rule whose location matches a URL says; None when none does."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return next((reserved for location, reserved in self._rules if _matches(location, path)), None)


def _says_noai(value: str, token: str) -> bool:
    for_us = True
    for part in value.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in _WITH_VALUE:
            for_us = name.strip() == token
            part = rest
        if for_us and part.strip() == "noai":
            return True
    return False


def _tokens(value: str) -> set[str]:
    return {part.strip().lower() for part in value.split(",")}


def _target(content: str) -> str | None:
    match = _REFRESH.fullmatch(content[:8_192])
    # A longer wait is for readers who stay: the page reloads, or leads back to the front page.
    if match is None or int(match[1]) > _MAX_REFRESH_SECONDS:
        return None
    return match[2].strip().strip("'\"").strip() or None


def _matches(pattern: str, path: str) -> bool:
    """Whether a path begins with a pattern as robots.txt has them: ``*`` for anything, ``$`` for the end."""
    first, *parts = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not pattern.endswith("$"):
        parts.append("")
    elif not parts:
        return at == len(path)
    *middle, last = parts
    for part in middle:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return path.endswith(last) and len(path) - len(last) >= at
