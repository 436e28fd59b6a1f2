"""Read the JSON-LD of a page."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from lxml.html import HtmlElement

Node = dict[str, Any]

ARTICLE_TYPES = frozenset(
    {
        "Article", "NewsArticle", "ReportageNewsArticle", "AnalysisNewsArticle", "OpinionNewsArticle",
        "BackgroundNewsArticle", "AskPublicNewsArticle", "ReviewNewsArticle", "AdvertiserContentArticle",
        "SatiricalArticle", "BlogPosting", "LiveBlogPosting", "SocialMediaPosting", "TechArticle",
        "ScholarlyArticle", "MedicalScholarlyArticle", "Report", "DiscussionForumPosting",
    }
)  # fmt: skip
_PAGE_TYPES = frozenset({"WebPage", "ItemPage"})
_INDEX_TYPES = frozenset({"CollectionPage", "SearchResultsPage", "ProfilePage", "ContactPage", "AboutPage"})
_SITE_TYPES = frozenset({"WebSite"})
_MAX_CHARS = 2_000_000
_MAX_NODES = 5_000
_COMMENTS = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)|(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)\s*;?\s*$"
)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*"?)|,(?=\s*[}\]])', re.DOTALL)
_NO_DESCENT = frozenset({"itemListElement", "relatedLink", "comment", "review", "breadcrumb", "potentialAction"})


@dataclass(frozen=True, slots=True)
class JsonLd:
    """The nodes of a page's JSON-LD."""

    article: Node = field(default_factory=dict)
    """Node of the page's own article; empty if missing."""
    page: Node = field(default_factory=dict)
    site: Node = field(default_factory=dict)
    by_id: dict[str, Node] = field(default_factory=dict)
    is_index: bool = False
    """Whether the data declares a list of pages, a profile or similar, and no article."""
    is_video: bool = False
    """Whether the data has a video."""

    def resolve(self, value: object) -> object:
        """Return the node that ``{"@id": ...}`` refers to, or the value itself."""
        if isinstance(value, dict) and set(value) <= {"@id", "@type", "name"} and "name" not in value:
            return self.by_id.get(str(value.get("@id")), value)
        return value

    def items(self, value: object) -> Iterator[object]:
        """Yield the values of a field, which may be one value or nested lists, with resolved references."""
        if isinstance(value, list):
            for each in value:
                yield from self.items(each)
        elif value is not None:
            yield self.resolve(value)

    def text(self, value: object, *keys: str) -> str:
        """Return the first text in a field: a string, or a node's first of ``keys``; empty if missing."""
        for each in self.items(value):
            if isinstance(each, str) and each.strip():
                return plain(each)
            if isinstance(each, dict):
                for key in keys:
                    if found := self.text(each.get(key)):
                        return found
        return ""


def read_jsonld(tree: HtmlElement, title: str = "", urls: frozenset[str] = frozenset()) -> JsonLd:
    """Read all JSON-LD of a page and select the node of its own article.

    Args:
        tree: the page.
        title: visible headline of the page, to distinguish its own article from teasers.
        urls: URLs of the page.
    """
    nodes: list[Node] = []
    for script in tree.iter("script"):
        if "ld+json" in (script.get("type") or "").lower() and script.text:
            for value in _parse(script.text[:_MAX_CHARS]):
                nodes.extend(_walk(value))
    by_id: dict[str, Node] = {}
    for node in nodes:
        identity = node.get("@id")
        if isinstance(identity, str) and len(node) > len(by_id.get(identity, ())):
            by_id[identity] = node
    articles = [node for node in nodes if types_of(node) & ARTICLE_TYPES]
    return JsonLd(
        article=max(articles, key=lambda node: _fit(node, title, urls), default={}),
        page=next((node for node in nodes if types_of(node) & _PAGE_TYPES), {}),
        site=next((node for node in nodes if types_of(node) & _SITE_TYPES), {}),
        by_id=by_id,
        is_index=not articles and any(types_of(node) & _INDEX_TYPES for node in nodes),
        is_video=any("VideoObject" in types_of(node) for node in nodes),
    )


def types_of(node: Node) -> set[str]:
    """Return the types of a node without the URL of the vocabulary."""
    value = node.get("@type")
    names = value if isinstance(value, list) else [value]
    return {name.rstrip("/").rpartition("/")[2].rpartition(":")[2] for name in names if isinstance(name, str)}


def plain(value: str) -> str:
    """Normalise a text to one line: decode entities (also double-encoded ones) and collapse white space."""
    text = html.unescape(html.unescape(value)) if "&" in value else value
    return " ".join(text.split())


def _fit(node: Node, title: str, urls: frozenset[str]) -> tuple[bool, bool, int]:
    own = node.get("mainEntityOfPage")
    links = [node.get("url"), node.get("@id"), own.get("@id") if isinstance(own, dict) else own]
    same_url = any(isinstance(link, str) and link.partition("#")[0].rstrip("/") in urls for link in links)
    headline = node.get("headline") or node.get("name")
    same_title = isinstance(headline, str) and bool(title) and plain(headline).casefold() == title.casefold()
    return same_title, same_url, sum(key in node for key in ("headline", "datePublished", "author", "articleBody"))


def _is_node(value: object) -> TypeGuard[Node]:
    return isinstance(value, dict)


def _walk(value: object) -> Iterator[Node]:
    """Yield all nodes of a value, breadth first, without lists of other pages."""
    queue = [value]
    for count, each in enumerate(queue):
        if count > _MAX_NODES:
            return
        if isinstance(each, list):
            queue.extend(each)
        elif _is_node(each):
            yield each
            queue.extend(
                inner for key, inner in each.items() if key not in _NO_DESCENT and isinstance(inner, (dict, list))
            )


def _parse(text: str) -> Iterator[object]:
    """Yield the JSON values of one script, possibly several. Unreadable values are left out."""
    stripped = _COMMENTS.sub("", _COMMENTS.sub("", text)).strip().rstrip(";")
    for candidate in (stripped, _TRAILING_COMMA.sub(lambda m: m[1] or "", stripped), html.unescape(stripped)):
        try:
            yield json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        return
    yield from _values(_TRAILING_COMMA.sub(lambda m: m[1] or "", stripped))


def _values(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder(strict=False)
    at = 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield value
        while at < len(text) and text[at] in " \t\r\n,;":
            at += 1
