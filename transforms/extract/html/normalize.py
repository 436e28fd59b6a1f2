"""Parse a page and normalise its tree for extraction: visible content in mark-up that extractors understand."""

import re

import lxml.html
from lxml.etree import ElementDefaultClassLookup, iterwalk
from lxml.html import HtmlElement

from transforms.extract.html.prose import BLOCKS, INLINE, linked_share, protect_prose
from transforms.schema.failures import Reason, Rejected

_CONTAINERS = frozenset({"div", "section", "article", "main", "td", "center", "body", "blockquote"})
_NEVER_SHOWN = frozenset({"template", "dialog"})
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|clip\s*:\s*rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)"
    r"|clip-path\s*:\s*inset\(\s*(?:50|100)%",
    re.IGNORECASE,
)
# Class and id names of consent boxes in common tools and their copies.
_CONSENT_BOX = re.compile(
    r"\b(?:onetrust|didomi|usercentrics|cybotcookiebot\w*|truste|qc-cmp2?|cmpbox|sp_message|klaro|iubenda-cs)\b"
    r"|(?:cookies?|consent|gdpr|privacy)[_-]?(?:banner|bar|box|consent|dialog|layer|law|message|modal|notice|notification"
    r"|overlay|popup|pop-up|prompt|wall)\b",
    re.IGNORECASE,
)
_HIDING = frozenset({"hidden", "style", "aria-hidden"})
_BOXES = frozenset({"div", "section", "aside", "form", "dialog"})
# One class for all elements: the default of lxml.html calls a Python function for each element.
_CLASSES = ElementDefaultClassLookup(element=HtmlElement)
_QUOTE_MARKS = {
    "de": "„“‚‘", "cs": "„“‚‘", "sk": "„“‚‘", "da": "„“‚‘", "bg": "„“‚‘", "pl": "„”‚’", "ro": "„”‚’", "hu": "„”‚’",
    "fr": "«»“”", "es": "«»“”", "it": "«»“”", "ru": "«»„“", "uk": "«»„“", "el": "«»“”", "no": "«»‘’", "nb": "«»‘’",
    "sv": "””’’", "fi": "””’’", "ja": "「」『』",
}  # fmt: skip
_DROP_CAP = re.compile(r"drop-?cap|initial", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\w[.!?]?[”’»\"]$|\w[.!?]$")
_SENTENCE_START = re.compile(r"[^\W\d_a-zß-öø-ÿ][^\W\d_]")
_ENGLISH = "“”‘’"
_MIN_RUN = 25
_MAX_LINK_CELL, _MIN_TEXT_CELL = 400, 401


def parse_html(text: str) -> HtmlElement:
    """Parse a page with lxml's HTML parser, which repairs mark-up roughly like browsers.

    Raises:
        Rejected: unparsable, if it has no element.
    """
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    parser.set_element_class_lookup(_CLASSES)
    try:
        tree = lxml.html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as error:
        raise Rejected(Reason.UNPARSABLE, f"the page is not valid HTML: {error}") from error
    return tree


def prepare(tree: HtmlElement) -> None:
    """Modify the tree so that its text is what a reader sees.

    Scripts, hidden nodes and soft hyphens are removed, ``<q>`` becomes quotation marks of the page's language, words
    of adjacent blocks are separated, and text between blocks becomes a paragraph (the anonymous boxes of CSS 2.2,
    section 9.2.1.1).
    """
    for element in list(tree.iter("script", "style", "svg")):
        if element.getparent() is not None:
            element.drop_tree()
    _drop_hidden(tree)
    _drop_link_cells(tree)
    _mark_quotes(tree)
    for element in list(tree.iter()):
        if not isinstance(element.tag, str):
            continue
        if element.tag in _CONTAINERS:
            _wrap_runs(element)
        if element.tag in BLOCKS or element.tag == "br":
            _space_around(element)
    _mend_seams(tree)
    protect_prose(tree)


def _length(element: HtmlElement) -> int:
    return sum(len(text.strip()) for text in element.itertext("p", "li", "blockquote", "span", "div", with_tail=False))


def _drop_hidden(tree: HtmlElement) -> None:
    """Remove hidden elements and consent boxes, except an element with most of the page, which a script would show."""
    hidden = [element for element in tree.iter("*") if _is_consent_box(element) or _is_hidden(element)]
    if not hidden:
        return
    whole = _length(tree)
    for element in hidden:
        if element.getparent() is not None and _length(element) * 2 <= whole:
            element.drop_tree()


def _is_hidden(element: HtmlElement) -> bool:
    if element.tag in _NEVER_SHOWN and element.get("open") is None:
        return True
    if _HIDING.isdisjoint(element.keys()) or element.tag in ("html", "body", "head"):
        return False
    if element.get("hidden", "until-found") != "until-found":
        return True
    style = element.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return True
    return element.get("aria-hidden") == "true" and element.tag in INLINE


def _is_consent_box(element: HtmlElement) -> bool:
    if element.tag not in _BOXES:
        return False
    names = f"{element.get('id', '')} {element.get('class', '')}"
    return len(names) > 1 and _CONSENT_BOX.search(names) is not None


def _drop_link_cells(tree: HtmlElement) -> None:
    """Remove the column of links beside the column of text in a layout table."""
    for row in list(tree.iter("tr")):
        cells = row.findall("td")
        lengths = [len(cell.text_content()) for cell in cells]
        if not cells or max(lengths) < _MIN_TEXT_CELL:
            continue
        for cell, length in zip(cells, lengths, strict=True):
            if length <= _MAX_LINK_CELL and linked_share(cell) == 1:
                cell.drop_tree()


def _mark_quotes(tree: HtmlElement) -> None:
    quotes = list(tree.iter("q"))
    if not quotes:
        return
    marks = _QUOTE_MARKS.get((tree.get("lang") or "").lower()[:2], _ENGLISH)
    for quote in quotes:
        is_inner = any(up.tag == "q" for up in quote.iterancestors())
        opening, closing = (marks[2], marks[3]) if is_inner else (marks[0], marks[1])
        quote.text = opening + (quote.text or "")
        if len(quote):
            quote[-1].tail = (quote[-1].tail or "") + closing
        else:
            quote.text += closing
    for quote in quotes:
        quote.drop_tag()


def _space_around(element: HtmlElement) -> None:
    """Add white space where a browser breaks the line."""
    parent = element.getparent()
    if parent is None:
        return
    if not (element.tail or " ")[0].isspace():
        element.tail = f"\n{element.tail}"
    elif not element.tail and element.getnext() is not None:
        element.tail = "\n"
    before = element.getprevious()
    if before is not None:
        if before.tail and not before.tail[-1].isspace():
            before.tail += "\n"
    elif parent.text and not parent.text[-1].isspace():
        parent.text += "\n"


def _mend_seams(tree: HtmlElement) -> None:
    """Remove soft hyphens, join drop caps with their words, and separate adjacent sentences of different elements."""
    before, is_drop_cap = " ", False
    capped: dict[str, bool] = {}
    for event, element in iterwalk(tree, events=("start", "end")):
        if event == "start":
            text = element.text
        else:
            text = element.tail
            names = element.get("class", "")
            if names not in capped:
                capped[names] = _DROP_CAP.search(names) is not None
            if capped[names] and len("".join(element.itertext()).strip()) == 1:
                is_drop_cap = True
        if not text or element.tag in ("script", "style"):
            continue
        mended = text.replace("\xad", "")
        if is_drop_cap:
            mended = mended.lstrip()
            is_drop_cap = not mended
        elif _SENTENCE_START.match(mended) and _SENTENCE_END.search(before):
            mended = f" {mended}"
        if mended != text:
            if event == "start":
                element.text = mended
            else:
                element.tail = mended
        before = mended[-3:] if mended else before


def _wrap_runs(box: HtmlElement) -> None:
    """Wrap bare text between the block elements of a parent, or between double line breaks, in a ``<p>``."""
    if not any((child.tail or "").strip() for child in box) and not (box.text or "").strip():
        return
    children = list(box)
    has_blocks = any(child.tag in BLOCKS for child in children)
    if not has_blocks and not any(_is_double_break(child) for child in children):
        return
    run = _Run(box)
    if (box.text or "").strip():
        run.text, box.text = box.text or "", None
    for child in children:
        tail = child.tail or ""
        if child.tag in INLINE:
            run.nodes.append(child)
            continue
        if child.tag == "br" and not _is_double_break(child) and not _follows_break(child):
            run.nodes.append(child)
            continue
        run.close(before=child)
        child.tail = None
        run.text = tail
    run.close(before=None)


class _Run:
    """Adjacent text and inline elements of a parent element."""

    def __init__(self, box: HtmlElement) -> None:
        self.box = box
        self.text = ""
        self.nodes: list[HtmlElement] = []

    def close(self, before: HtmlElement | None) -> None:
        """Put the nodes back into their parent: as a paragraph if their bare text is long enough, else unchanged."""
        bare = len(self.text.strip()) + sum(len((node.tail or "").strip()) for node in self.nodes)
        if bare >= _MIN_RUN:
            paragraph = self.box.makeelement("p")
            paragraph.text = self.text
            paragraph.extend(self.nodes)
            if before is None:
                self.box.append(paragraph)
            else:
                before.addprevious(paragraph)
        elif self.text:
            self._put_back(before)
        self.text, self.nodes = "", []

    def _put_back(self, before: HtmlElement | None) -> None:
        previous = self.nodes[0].getprevious() if self.nodes else (before.getprevious() if before is not None else None)
        if before is None and not self.nodes:
            previous = self.box[-1] if len(self.box) else None
        if previous is None:
            self.box.text = (self.box.text or "") + self.text
        else:
            previous.tail = (previous.tail or "") + self.text


def _is_double_break(element: HtmlElement) -> bool:
    following = element.getnext()
    return element.tag == "br" and following is not None and following.tag == "br" and not (element.tail or "").strip()


def _follows_break(element: HtmlElement) -> bool:
    before = element.getprevious()
    return before is not None and before.tag == "br" and not (before.tail or "").strip()
