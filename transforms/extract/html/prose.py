"""Remove names from running text, so that extractors do not discard it because of them.

Extractors drop elements whose class, id or style contains a word such as ``related``, ``share`` or ``border``. Such a
word says nothing about a paragraph of sentences or about words inside one, so their names are removed here.
"""

import re

from lxml.html import HtmlElement

from transforms.text.near_duplicates import UNSPACED

BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form h1"
    " h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split()
)
INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark nobr q s samp small span strike strong"
    " sub sup time tt u var wbr".split()
)
SENTENCE_ENDS = (".", "!", "?", "”", '"', "»", "…", "。", "！", "？", "」")
_HOLDERS = ("p", "div", "li", "blockquote", "dd", "td", "h2", "h3", "h4", "h5", "h6")
_NAMED = frozenset({"p", "div", "li"})
"""Block elements that lose their own names too if they contain running text."""
_KEPT = frozenset({"a", "b", "br", "code", "del", "em", "i", "q", "strong", "sub", "sup"})
"""Inline elements with a meaning; others are replaced by their content."""
_HIDDEN = re.compile(
    r"(?:^|[\s_-])(?:hidden|hide|sr-only|visually-?hidden|screen-?reader|invisible|noprint|print-only)(?:$|[\s_-])",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"(?:\b(?:photos?|photographs?|picture|image|foto|bild|source|credit|crédit)\b(?: (?:by|credit|von))?\s*:? .{2,60}"
    r"|\b(?:getty images|afp|ap|reuters|epa|dpa|shutterstock|imago|istock)\W{0,2})$",
    re.IGNORECASE,
)
_LETTER_WORD = re.compile(r"\w*[^\W\d_]\w*")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_MIN_WORDS, _MIN_CHARS, _MIN_SENTENCE_WORDS = 15, 60, 4
_MAX_LINKED, _MAX_LINKED_SENTENCE = 0.3, 0.5


def protect_prose(tree: HtmlElement) -> None:
    """Remove names and styles from paragraphs of running text and from the inline elements inside them.

    A paragraph is running text if it has fifteen words, or a sentence of 60 characters, and few links. Inline elements
    also lose their names inside a shorter sentence, and inside a heading with words on both sides of them.
    Elements that a style sheet hides, such as ``sr-only``, keep their names.

    Args:
        tree: the page; it is changed in place.
    """
    for block in list(tree.iter(*_HOLDERS)):
        if any(inner.tag in BLOCKS for inner in block.iterdescendants()):
            continue
        text = " ".join(block.text_content().split())
        if not text:
            continue
        linked = linked_share(block)
        if block.tag[0] == "h":
            _unwrap([inner for inner in block.iterdescendants() if _is_between_words(inner, block)])
        elif is_running(text) and linked < _MAX_LINKED:
            if block.tag in _NAMED:
                _unname(block)
            _unwrap(list(block.iterdescendants()))
        elif linked < _MAX_LINKED_SENTENCE and text.endswith(SENTENCE_ENDS) and _words(text) >= _MIN_SENTENCE_WORDS:
            _unwrap([inner for inner in block.iterdescendants() if _is_part(inner, text)])


def is_running(text: str) -> bool:
    """Whether a paragraph is running text: a sentence of 60 characters, or fifteen words without a picture credit."""
    is_sentence = text.endswith(SENTENCE_ENDS)
    return (is_sentence and len(text) >= _MIN_CHARS) or (_words(text) >= _MIN_WORDS and not _CREDIT.search(text))


def linked_share(element: HtmlElement) -> float:
    """Return the share of an element's text inside links, from 0 to 1."""
    whole = len("".join(element.text_content().split()))
    links = sum(len("".join(link.text_content().split())) for link in element.iter("a"))
    return links / whole if whole else 0.0


def _words(text: str) -> int:
    return max(len(_LETTER_WORD.findall(text)), len(_UNSPACED.findall(text)) // 2)


def _is_part(element: HtmlElement, text: str) -> bool:
    """Whether an element contains only a part of a sentence."""
    return len(" ".join(element.text_content().split())) < len(text)


def _is_between_words(element: HtmlElement, block: HtmlElement) -> bool:
    own = "".join(element.itertext())
    if not own.strip():
        return False
    before, _, after = "".join(block.itertext()).partition(own)
    return bool(before.strip() and after.strip())


def _unwrap(elements: list[HtmlElement]) -> None:
    for element in elements:
        if element.tag not in INLINE or _HIDDEN.search(f"{element.get('class', '')} {element.get('id', '')}"):
            continue
        if element.tag in _KEPT:
            _unname(element)
        else:
            element.drop_tag()


def _unname(element: HtmlElement) -> None:
    href = element.get("href")
    element.attrib.clear()
    if href is not None:
        element.set("href", href)
