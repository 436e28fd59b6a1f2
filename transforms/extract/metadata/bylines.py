"""Find the visible bylines of an article."""

import re
from collections.abc import Iterator

from lxml import etree
from lxml.html import HtmlElement

from transforms.extract.html.prose import BLOCKS, is_running, linked_share
from transforms.extract.metadata.html_metadata import is_beside_article, text_of
from transforms.extract.metadata.jsonld import plain
from transforms.extract.metadata.titles import title_key

_MAX_BYLINE = 200
_MAX_LABELLED = 120
_MAX_TEASER = 600
_CLASSES = (
    re.compile(r"(?:^|[\s_-])(?:author|byline|writer|reporter)[\s_-]*name", re.IGNORECASE),
    re.compile(r"(?:^|[\s_-])(?:article-?|post-?|entry-?|story-?)?authors?(?:[\s_-]|$)", re.IGNORECASE),
    re.compile(
        r"(?:^|[\s_-])by-?line|(?:^|[\s_-])(?:dc-creator|autor\w*|auteurs?)(?:[\s_-]|$)|(?<=[a-z])By-?line|(?<!follow)author(?!iz|it|is)(?!\w*(?:bio|box|img|image|avatar))",
        re.IGNORECASE,
    ),
)
_NAME = r"[A-ZÀ-ÞŁŚŻ][\w.'’-]*(?: (?:(?:von|van|de|der|del|da|di|la|le|al|bin) )*[A-ZÀ-ÞŁŚŻ][\w.'’-]+){1,3}"
_LABELLED = re.compile(
    r"(?:(?:By|Von|Par|Por|Door|Av|Af|Written by|Geschrieben von|Verfasst von|Écrit par|Escrito por|Scritto da)\s*:?\s"
    r"|(?:Text|Words|Texte|Texto|Testo|Tekst)\s*:|(?:Autor(?:in|en|a|es|e|i)?|Auth?ors?|Auteure?s?)(?:/\w+)?\b\s*:?)"
    rf"\s*({_NAME}(?:(?: ?, | and | und | et | y | e | en | och | og | & ){_NAME})*)\s*(?:$|[|•·(,–—]|\d)",
)
_SIGNED = re.compile(_NAME)
_SET_RIGHT = re.compile(r"text-align\s*:\s*(?:right|end)\b")
_LABEL = re.compile(r"\s*(?:By|Von|Par|Por|Door|Av|Af|Written|Edited|Geschr|Verf|Écrit|Escr|Scritto|Te[xks]|Words|Aut)")
_AUTHOR_LINK = re.compile(r"/(?:authors?|autor(?:in|en|es|i)?|auteurs?|journalists?|byline)/", re.IGNORECASE)
_PREPOSITION = re.compile(r"(?:^|\s)(?:in|on|at|for|from|to|about|dans|en|über|bei)$", re.IGNORECASE)
_PICTURE = re.compile(r"caption|credit|photo|image|picture|gallery|copyright", re.IGNORECASE)
_PICTURE_TAGS = frozenset({"figure", "figcaption", "picture"})
_MARKED_TAGS = (
    "a", "span", "div", "p", "li", "address", "strong", "em", "small", "section", "cite", "h4", "h5", "h6", "nav", "b",
)  # fmt: skip
_HEADINGS = ("h1", "h2", "h3", "h4")


class Bylines:
    """The bylines of one page, without those of teasers and pictures.

    Args:
        tree: the page.
        headline: its `headline_of`.
    """

    def __init__(self, tree: HtmlElement, headline: str) -> None:
        self._tree = tree
        key = title_key(headline)
        heads = (each for each in tree.iter("h1", "h2") if key and key in title_key(text_of(each)))
        self._headline: HtmlElement | None = next(heads, None)
        self._around = set(self._headline.iterancestors()) if self._headline is not None else set()
        self._top = self._before_text()

    def __iter__(self) -> Iterator[tuple[list[str], bool]]:
        """Yield lists of names or bylines, and whether they are one name in an element of its own.

        The surest mark-up comes first, and the parts of a box before its lines.
        """
        marked: list[list[HtmlElement]] = [[], [], [], [], [], []]
        for element in self._tree.iter(*_MARKED_TAGS):
            if (rank := _rank(element)) is not None:
                marked[rank].append(element)
        for elements in marked:
            group = self._first_group(sorted(elements, key=lambda element: element not in self._top))
            if parts := [part for element in group for part in _parts(element)]:
                yield parts, len(parts) == 1
            if lines := [line for element in group for line in _lines(element)]:
                yield lines, False
        yield from ((names, False) for names in self._labelled())

    def _labelled(self) -> Iterator[list[str]]:
        for element in self._tree.iter("p", "div", "span", "li", "td", "small", "em", "i", "address", "h4", "h5", "h6"):
            lead = element.text if (element.text or "").strip() or not len(element) else element[0].text
            if not lead or not _LABEL.match(lead):
                continue
            for line in _lines(element) if len(text_of(element)) <= _MAX_LABELLED else ():
                if (match := _LABELLED.match(line)) and self._is_own(element):
                    yield [match[1]]
                    return
        for element in self._tree.iter("p", "div"):
            if _SET_RIGHT.search(element.get("style") or "") or element.get("align") == "right":
                text = text_of(element)
                if _SIGNED.fullmatch(text) and self._is_own(element):
                    yield [text]
                    return

    def _first_group(self, elements: list[HtmlElement]) -> list[HtmlElement]:
        """The first byline and those that stand in the same block."""
        group: list[HtmlElement] = []
        block: HtmlElement | None = None
        for element in elements:
            if (element.get("href") or "").startswith("mailto:") or not self._is_own(element):
                continue
            if group and any(up is group[-1] for up in element.iterancestors()):
                continue
            parent = element.getparent()
            up = parent.getparent() if parent is not None and parent.tag in ("span", "li", "a") else parent
            if block is not None and up is not block and parent is not block:
                break
            if 2 < len(text_of(element)) <= _MAX_BYLINE or any(_parts(element)):
                block = up
                group.append(element)
        return group

    def _before_text(self) -> set[HtmlElement]:
        """The elements between the headline and the first paragraph of the text."""
        top: set[HtmlElement] = set()
        for element in self._headline.xpath("following::*") if self._headline is not None else ():
            if element.tag == "p" and is_running(text_of(element)) and linked_share(element) < 0.3:
                return top
            top.add(element)
        return set()

    def _is_own(self, element: HtmlElement) -> bool:
        boxes = [element, *element.iterancestors()]
        names = (f"{box.get('class') or ''} {box.get('id') or ''}" for box in boxes[:2])
        if any(box.tag in _PICTURE_TAGS for box in boxes) or any(_PICTURE.search(name) for name in names):
            return False
        if is_beside_article(element) and not (element in self._top and _is_signed(element)):
            return False
        if not self._around:
            return True
        for box in boxes:
            if box in self._around:
                return True
            if box.tag in ("article", "li", "div", "section") and _is_teaser(box):
                return False
        return True


def _rank(element: HtmlElement) -> int | None:
    """How sure the mark-up of a byline is, 0 the surest; None if it is none."""
    if element.get("itemprop") == "author":
        return 0
    if "author" in (element.get("rel") or "").split():
        return 1
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    if len(names) > 1:
        for rank, pattern in enumerate(_CLASSES, 2):
            if pattern.search(names):
                return rank
    return 5 if element.tag == "a" and _AUTHOR_LINK.search(element.get("href") or "") else None


def _is_signed(element: HtmlElement) -> bool:
    own = (element, *element.iterdescendants())
    has_mark = any(each.get("itemprop") == "author" or "author" in (each.get("rel") or "").split() for each in own)
    return has_mark or _LABEL.match(text_of(element)) is not None


def _is_teaser(box: HtmlElement) -> bool:
    """Whether a box is about another page: a heading that is a link, and little text."""
    headings = (
        heading
        for heading in box.iter(*_HEADINGS)
        if heading.find(".//a") is not None or any(up.tag == "a" for up in heading.iterancestors())
    )
    return next(headings, None) is not None and len(text_of(box)) <= _MAX_TEASER


def _parts(element: HtmlElement) -> list[str]:
    """The names inside a byline that have elements of their own: marked names, else the texts of links."""
    inner = [each for each in element.iterdescendants() if isinstance(each.tag, str)]
    named = [each for each in inner if each.get("itemprop") == "name"]
    linked = [
        each
        for each in inner
        if each.tag == "a" and not (each.get("href") or "").startswith("mailto:") and not _follows_preposition(each)
    ]
    texts = [plain(each.get("content") or "") or text_of(each) for each in (named or linked)]
    return list(dict.fromkeys(text for text in texts if 2 < len(text) <= _MAX_BYLINE))


def _follows_preposition(element: HtmlElement) -> bool:
    """Whether the words before an element are such as in "by X in Y": Y is a place or a section."""
    previous, parent = element.getprevious(), element.getparent()
    before = previous.tail if previous is not None else parent.text if parent is not None else ""
    return _PREPOSITION.search((before or "").rstrip()) is not None


def _lines(element: HtmlElement) -> list[str]:
    """The lines of a byline as a browser breaks them; a box without breaks is one line."""
    lines = ("".join(pieces).split() for pieces in _broken(element))
    return [line for words in lines if 2 < len(line := " ".join(words)) <= _MAX_BYLINE]


def _broken(element: HtmlElement) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    for event, node in etree.iterwalk(element, events=("start", "end")):
        is_break = node is not element and (node.tag == "br" or node.tag in BLOCKS)
        if is_break:
            lines.append([])
        if event == "start":
            lines[-1].append(f" {node.text or ''}")
        elif node is not element:
            lines[-1].append(f" {node.tail or ''}")
    return lines
