"""Read TDM reservations (text and data mining opt-outs) and the refresh target of a page's head.

It supports the TDM Reservation Protocol of a W3C community group (header, meta tag, well-known file) and ``noai`` in
X-Robots-Tag and robots meta tags. ``noindex`` (search engines) and ``noimageai`` (images) are ignored.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import etree

WELL_KNOWN = "/.well-known/tdmrep.json"
MAX_BYTES = 500 * 1024
"""Maximum size of the well-known file that is read."""

_HEAD_BYTES = 2**16
_MAX_REFRESH_SECONDS = 10
_HINT = re.compile(rb"noai|tdm-reservation|http-equiv", re.IGNORECASE)
# Directives of X-Robots-Tag with a value: their colon does not end a robot's name.
_WITH_VALUE = frozenset({"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"})
_REFRESH = re.compile(r"\s*(\d{1,6})[\d.]*\s*[;,]?\s*(?:url\s*=)?(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Head:
    """Statements in a page's head: whether it is reserved (None: not stated), and the target of its refresh."""

    reserved: bool | None = None
    refresh: str | None = None


def reserved_by_headers(headers: Mapping[str, str], token: str) -> bool | None:
    """Whether a response's headers reserve it; None if they do not state it.

    Args:
        headers: with names in any letter case; a repeated header occurs repeatedly.
        token: the crawler's product name, since an X-Robots-Tag may apply to one robot only.
    """
    stated: bool | None = None
    for name, value in headers.items():
        if name.lower() == "x-robots-tag" and _says_noai(value, token):
            return True
        if name.lower() == "tdm-reservation" and value.strip() in ("0", "1"):
            stated = stated or value.strip() == "1"
    return stated


def read_head(body: bytes, token: str) -> Head:
    """Read the meta tags at the beginning of an HTML page.

    Args:
        body: the page; its first 64 KiB are read.
        token: the crawler's product name, which a robots meta tag may have in place of ``robots``.
    """
    data = body[:_HEAD_BYTES]
    # Most pages have none of these tags, and parsing them here would cost more than fetching them.
    if not _HINT.search(data):
        return Head()
    try:
        tree = etree.fromstring(data, etree.HTMLParser(encoding="utf-8", recover=True, no_network=True))
    except etree.LxmlError:
        return Head()
    stated: bool | None = None
    refresh: str | None = None
    for meta in tree.iter("meta") if tree is not None else ():
        name, content = (meta.get("name") or "").strip().lower(), meta.get("content") or ""
        if name in ("robots", token) and "noai" in _tokens(content):
            stated = True
        elif name == "tdm-reservation" and content.strip() in ("0", "1"):
            stated = stated or content.strip() == "1"
        elif refresh is None and (meta.get("http-equiv") or "").strip().lower() == "refresh":
            refresh = refresh_target(content) if next(meta.iterancestors("noscript"), None) is None else None
    return Head(stated, refresh)


class Reservations:
    """Rules of a host's well-known file about reserved pages."""

    def __init__(self, rules: list[tuple[str, bool]]) -> None:
        self._rules = rules

    @classmethod
    def parse(cls, body: bytes) -> "Reservations":
        """Parse ``tdmrep.json``; invalid JSON and invalid rules are ignored."""
        try:
            entries = json.loads(body)
        except (ValueError, RecursionError):
            return cls([])
        rules = [rule for rule in entries if isinstance(rule, dict)] if isinstance(entries, list) else []
        return cls(
            [
                (rule["location"], str(rule["tdm-reservation"]) == "1")
                for rule in rules
                if isinstance(rule.get("location"), str) and str(rule.get("tdm-reservation")) in ("0", "1")
            ]
        )

    def reserved(self, url: str) -> bool | None:
        """Whether the first rule that matches a URL reserves it; None if no rule matches."""
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


def refresh_target(content: str) -> str | None:
    """Return the URL of a refresh (header or meta tag); None if it has no URL or a long wait."""
    match = _REFRESH.fullmatch(content[:8_192])
    # Pages with a longer wait reload themselves or lead back to the front page.
    if match is None or int(match[1]) > _MAX_REFRESH_SECONDS:
        return None
    return match[2].strip().strip("'\"").strip() or None


def _matches(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern as in robots.txt: ``*`` for any characters, ``$`` for the end."""
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
