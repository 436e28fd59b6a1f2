"""Find the publication date in the visible lines of a page."""

import re
from collections.abc import Iterator
from itertools import chain

from lxml.html import HtmlElement

from transforms.extract.html.prose import BLOCKS, SENTENCE_ENDS, is_running, linked_share
from transforms.extract.metadata.html_metadata import is_beside_article, text_of
from transforms.extract.metadata.titles import title_key
from transforms.text.dates import Moment, parse_visible_date

_MARKED = re.compile(
    r"date|time|publi|datum|fecha|veroeff|posted|dato|pubdate|created|^\W*(?:meta|byline|dateline)\W*$"
)
_MODIFIED = re.compile(r"modif|updat|edited|aktualis|actualiz|chang")
_MASTHEAD = re.compile(r"\b(?:masthead|top-?bar|site-?header|page-?header|navbar|header)\b", re.IGNORECASE)
_TAGS = ("p", "span", "div", "time", "li", "small", "abbr", "em", "i", "td", "h4", "h5", "h6")
_MAX_MARKED, _MAX_PLAIN = 120, 60
_BEFORE = 4
_AMERICAN = ("en-us", "en_us", "en-ph")


def visible_date(tree: HtmlElement, headline: str) -> Moment | None:
    """Return the publication date in a visible line.

    Short lines between the headline and the first paragraph come first, then those shortly before the headline, nearest
    first, then lines elsewhere with a class or id for dates. Lines in the masthead, in lists of other articles, and
    about changes do not count.

    Args:
        tree: the page.
        headline: its `headline_of`.
    """
    month_first = (tree.get("lang") or "").lower() in _AMERICAN
    before, between, after = _sections(tree, headline)
    near = chain(((each, _MAX_PLAIN) for each in between), ((each, _MAX_PLAIN) for each in reversed(before[-_BEFORE:])))
    for element, limit in chain(near, ((each, 0) for each in (*before, *after))):
        marks = f"{element.get('class') or ''} {element.get('id') or ''} {element.get('itemprop') or ''}".lower()
        is_marked = element.tag == "time" or _MARKED.search(marks) is not None
        text = text_of(element)
        if len(text) > (_MAX_MARKED if is_marked else limit) or _MODIFIED.search(marks):
            continue
        moment = parse_visible_date(text, month_first=month_first)
        if moment and not is_beside_article(element) and not (limit == 0 and _is_in_masthead(element)):
            return moment
    return None


def _sections(tree: HtmlElement, headline: str) -> tuple[list[HtmlElement], list[HtmlElement], list[HtmlElement]]:
    """The short elements before the headline, between it and the first paragraph, and after that."""
    key = title_key(headline)
    sections: tuple[list[HtmlElement], ...] = ([], [], [])
    at = 0
    for element in tree.iter("h1", "h2", *_TAGS):
        if at == 0 and element.tag in ("h1", "h2"):
            at = 1 if key and key in title_key(text_of(element)) else 0
        elif at == 1 and element.tag == "p" and is_running(text := text_of(element)) and linked_share(element) < 0.3:
            at = 2 if len(text) > _MAX_MARKED or text.endswith(SENTENCE_ENDS) else 1
        if element.tag in _TAGS and not any(inner.tag in BLOCKS for inner in element) and _has_digit(element):
            sections[at].append(element)
    if at == 0:  # no headline: the lines without one are all after it
        return [], [], sections[0]
    return sections[0], sections[1], sections[2]


def _has_digit(element: HtmlElement) -> bool:
    return any(letter.isdigit() for text in element.itertext() for letter in text[: _MAX_MARKED * 2])


def _is_in_masthead(element: HtmlElement) -> bool:
    """Whether an element is in the head of the page, which shows the date of today."""
    boxes: Iterator[HtmlElement] = (up for up in element.iterancestors() if up.tag not in ("body", "html"))
    return any(
        (up.tag == "header" or _MASTHEAD.search(f"{up.get('class') or ''} {up.get('id') or ''}"))
        and next(up.iter("h1"), None) is None
        for up in boxes
    )
