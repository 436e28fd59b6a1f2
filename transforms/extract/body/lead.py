"""Find the lead of an article: the paragraphs between its headline and the extracted text."""

import re
from collections.abc import Iterator, Sequence

from lxml.html import HtmlElement

from transforms.extract.body.boilerplate import rule_for
from transforms.extract.body.main_text import Block
from transforms.extract.html.prose import BLOCKS, SENTENCE_ENDS, is_running, linked_share
from transforms.extract.metadata.html_metadata import is_beside_article, text_of

_LEADS = re.compile(
    r"(?:^|[\s_-])(?:article|story|post|entry|page|news|content)?[\s_-]*(?:leads?|lede|lead[\s_-]?(?:text|in|paragraph)|standfirst|dek|deck"
    r"|intro(?:duction|text)?|sub-?(?:title|head(?:line|ing)?|deck)|summary|abstract|excerpt|chapeau|chapo|vorspann|anleser"
    r"|entradilla|bajada|copete|sottotitolo|occhiello|ingress|manchet|perex|zajawka|teaser-?text|description)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NO_LEADS = re.compile(
    r"caption|credit|copyright|photo|image|img|picture|gallery|figure|media|video|byline|author|promo|newsletter|subscri"
    r"|related|share|social|comment|cookie|breadcrumb|(?:^|[\s_-])(?:ad|ads|advert\w*|tags?|meta|nav|menu|toc|popup)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NO_LEAD_TAGS = frozenset({"figure", "figcaption", "form", "button", "table", "ul", "ol", "li", "a", "noscript"})
_INNERMOST = ("h1", "h2", "h3", "h4", "p", "div", "section", "header", "blockquote", "li", "td")
_MIN_WORDS, _MAX_CHARS, _MAX_LINKED = 6, 1_200, 0.3
_MAX_BETWEEN, _MAX_LEADS = 30, 3
_SAME, _LONG = 40, 80
_NO_WORD = re.compile(r"[\W_]+")


def lead_blocks(tree: HtmlElement, blocks: Sequence[Block], headline: str, description: str) -> list[Block]:
    """Find the paragraphs between the headline and the extracted text that belong to the article.

    A paragraph is a lead if its class or that of a parent element marks it as one, if it repeats the page's
    description, or if it is running text next to the headline or the text. Captions, bylines, lists, forms and text
    outside the article are not leads.

    Args:
        tree: the page as `prepare` leaves it.
        blocks: the extracted lines.
        headline: the headline in the body of the page.
        description: the description in the page's metadata; may be empty.

    Returns:
        The leads that are missing in ``blocks``, in page order; empty if no headline precedes the text.
    """
    if not blocks or not headline:
        return []
    elements = _from_headline_to_text(tree, blocks, headline)
    known = _key(" ".join(block.text for block in blocks))
    summary = _key(description.rstrip(".… "))
    found: list[Block] = []
    for element in elements[1:-1]:
        text = text_of(element)
        if (
            len(text.split()) >= _MIN_WORDS
            and len(text) <= _MAX_CHARS
            and _key(text) not in known
            and not rule_for(text)
            and _is_lead(element, text, summary, (elements[0], elements[-1]))
        ):
            found.append(Block(text, "paragraph"))
    return found[:_MAX_LEADS]


def _from_headline_to_text(tree: HtmlElement, blocks: Sequence[Block], headline: str) -> list[HtmlElement]:
    """Return the innermost blocks from the headline to the first line of text, inclusive; empty if one is missing."""
    wanted = _key(headline)
    texts = [key for block in blocks[:2] if (key := _key(block.text)) != wanted]
    first = texts[0][:_SAME] if texts else ""
    found: list[HtmlElement] = []
    for element in tree.iter(*_INNERMOST) if first else ():
        key = _key(text_of(element)) if all(inner.tag not in BLOCKS for inner in element) else ""
        if key == wanted and element.tag in ("h1", "h2"):
            found = []
        if key and (found or (key == wanted and element.tag in ("h1", "h2"))):
            found.append(element)
            if len(found) > 1 and key.startswith(first):
                return found
            if len(found) > _MAX_BETWEEN:
                return []
    return []


def _is_lead(element: HtmlElement, text: str, summary: str, ends: tuple[HtmlElement, HtmlElement]) -> bool:
    if linked_share(element) > _MAX_LINKED or is_beside_article(element):
        return False
    boxes = list(_boxes(element, ends))
    names = [f"{box.get('class') or ''} {box.get('id') or ''} {box.get('itemprop') or ''}" for box in boxes]
    if any(box.tag in _NO_LEAD_TAGS for box in boxes) or any(_NO_LEADS.search(name) for name in names):
        return False
    key = _key(text)
    if len(summary) >= _SAME and (key.startswith(summary) or summary.startswith(key[:_LONG])):
        return True
    if any(_LEADS.search(name) for name in names[:2]):
        return True
    has_picture = any(next(box.iter("img", "picture", "video", "iframe"), None) is not None for box in boxes)
    is_near = len(boxes) == 1 or _is_in_head(element, ends)
    return is_near and not has_picture and is_running(text) and text.endswith(SENTENCE_ENDS)


def _is_in_head(element: HtmlElement, ends: tuple[HtmlElement, HtmlElement]) -> bool:
    """Whether an element and the headline share a parent element that does not contain the text."""
    head = {*ends[0].iterancestors()} - {*ends[1].iterancestors()}
    return any(up in head for up in element.iterancestors())


def _boxes(element: HtmlElement, ends: tuple[HtmlElement, HtmlElement]) -> Iterator[HtmlElement]:
    """Return the element and its ancestors that contain neither the headline nor the first line of the text."""
    around = {*ends[0].iterancestors(), *ends[1].iterancestors()}
    yield element
    for up in element.iterancestors():
        if up in around:
            return
        yield up


def _key(text: str) -> str:
    return _NO_WORD.sub("", text.casefold())
