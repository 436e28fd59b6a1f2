"""Read metadata from meta tags and visible elements, with lower priority than JSON-LD."""

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from transforms.extract.metadata.jsonld import plain
from transforms.text.dates import Moment, parse_moment, parse_visible_date

_ASIDE = re.compile(
    r"\b(?:related|teasers?|recommend\w*|recommended|sidebar|comments?|latest|most-?read|trending|promos?|promotions?|newsletter|popular|widget|also-?read)\b"
)
_ASIDE_TAGS = frozenset({"aside", "footer", "nav"})
_DATE_HINT = re.compile(r"date|time|publi|datum|fecha|veroeff|posted|dato|pubdate|created")
_MODIFIED_HINT = re.compile(r"modif|updat|edited|aktualis|actualiz|chang")
_DATE_TAGS = ("p", "span", "div", "time", "li", "small", "abbr", "em", "i")
_MAX_DATE_LINE = 120
_MAX_BYLINE = 200
_URL_DATE = re.compile(r"/((?:19|20)\d{2})[/-]?(0[1-9]|1[0-2])[/-]?(0[1-9]|[12]\d|3[01])(?:[/_.-]|$)")
_BYLINE_CLASSES = (
    re.compile(r"(?:^|[\s_-])(?:author|byline|writer|reporter)[\s_-]*name", re.IGNORECASE),
    re.compile(r"(?:^|[\s_-])(?:article-?|post-?|entry-?|story-?)?authors?(?:[\s_-]|$)", re.IGNORECASE),
    re.compile(
        r"(?:^|[\s_-])by-?line|(?:^|[\s_-])(?:dc-creator|autor\w*|auteurs?)(?:[\s_-]|$)|(?<!follow)author(?!iz|it|is)(?!\w*(?:bio|box|img|image|avatar))",
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
_LABEL = re.compile(r"\s*(?:By|Von|Par|Por|Door|Av|Af|Written|Geschr|Verf|Écrit|Escr|Scritto|Te[xks]|Words|Aut)")
_MAX_LABELLED = 120
_AUTHOR_LINK = re.compile(r"/(?:authors?|autor(?:in|en|es|i)?|auteurs?|journalists?|byline)/", re.IGNORECASE)


def meta_tags(tree: HtmlElement) -> dict[str, list[str]]:
    """Return the contents of all meta tags by lower-case name, property or itemprop, in document order."""
    found: dict[str, list[str]] = {}
    for element in tree.iter("meta"):
        content = plain(element.get("content") or "")
        if content:
            for attribute in ("property", "name", "itemprop"):
                if key := element.get(attribute):
                    found.setdefault(key.strip().lower(), []).append(content)
    return found


def text_of(element: HtmlElement) -> str:
    """Return the text of an element on one line, with spaces between its parts."""
    return plain(" ".join(part for part in element.itertext() if isinstance(part, str)))


def bylines(tree: HtmlElement) -> list[str]:
    """Return the visible bylines of the article, from the most reliable mark-up of the page, without those of teasers.

    Without mark-up, it is the first short line that begins with "By", "Autor:" or similar and continues with names, or
    a right-aligned line with only a name, like a signature.
    """
    marked: list[list[HtmlElement]] = [[], [], [], [], [], []]
    for element in tree.iter(
        "a", "span", "div", "p", "li", "address", "strong", "em", "small", "section", "cite", "h4", "h5", "h6"
    ):
        if "author" in (element.get("rel") or "").split():
            marked[1].append(element)
        if element.get("itemprop") == "author":
            marked[0].append(element)
        names = f"{element.get('class') or ''} {element.get('id') or ''}"
        for rank, pattern in enumerate(_BYLINE_CLASSES, 2):
            if len(names) > 1 and pattern.search(names):
                marked[rank].append(element)
                break
        if element.tag == "a" and _AUTHOR_LINK.search(element.get("href") or ""):
            marked[5].append(element)
    for elements in marked:
        if lines := _first_group(elements):
            return lines
    return _labelled_byline(tree)


def _labelled_byline(tree: HtmlElement) -> list[str]:
    for element in tree.iter("p", "div", "span", "li", "td", "small", "em", "i", "address", "h4", "h5", "h6"):
        lead = element.text if (element.text or "").strip() or not len(element) else element[0].text
        if not lead or not _LABEL.match(lead):
            continue
        text = text_of(element)
        match = _LABELLED.match(text) if len(text) <= _MAX_LABELLED else None
        if match and not is_beside_article(element):
            return [match[1]]
    for element in tree.iter("p", "div"):
        if _SET_RIGHT.search(element.get("style") or "") or element.get("align") == "right":
            text = text_of(element)
            if _SIGNED.fullmatch(text) and not is_beside_article(element):
                return [text]
    return []


def _first_group(elements: list[HtmlElement]) -> list[str]:
    """Return the text of the first byline and of others in the same block."""
    lines: list[str] = []
    block: HtmlElement | None = None
    for element in elements:
        if (element.get("href") or "").startswith("mailto:") or is_beside_article(element):
            continue
        named = [inner for inner in element.iter() if inner is not element and inner.get("itemprop") == "name"]
        texts = [text_of(inner) for inner in named] or [text_of(element)]
        parent = element.getparent()
        up = parent.getparent() if parent is not None and parent.tag in ("span", "li", "a") else parent
        if block is not None and up is not block and parent is not block:
            break
        usable = [text for text in texts if 2 < len(text) <= _MAX_BYLINE]
        if usable:
            block = up
            lines.extend(usable)
    return lines


def is_beside_article(element: HtmlElement) -> bool:
    """Whether an element is in a part of the page about other pages; such a part has no headline."""
    for up in (element, *element.iterancestors()):
        if up.tag in _ASIDE_TAGS:
            return True
        if up.tag not in ("body", "html") and _ASIDE.search((up.get("class") or "").lower()):
            return next(up.iter("h1"), None) is None
    return False


def marked_dates(tree: HtmlElement, *, modified: bool = False) -> Iterator[Moment]:
    """Yield dates in machine-readable elements (microdata, hAtom, ``<time>``), most reliable first."""
    wanted = {"datemodified", "updated"} if modified else {"datepublished", "published"}
    rest: list[Moment] = []
    for element in tree.iter("time", "span", "div", "p", "abbr", "meta"):
        marks = f"{element.get('itemprop') or ''} {element.get('class') or ''}".lower()
        value = element.get("datetime") or element.get("content") or element.get("title") or ""
        if not value or is_beside_article(element):
            continue
        moment = parse_moment(value)
        if moment is None:
            continue
        if wanted & set(marks.split()) or (not modified and element.get("pubdate") is not None):
            yield moment
        elif element.tag == "time" and bool(_MODIFIED_HINT.search(marks)) == modified:
            rest.append(moment)
    if not modified or len(rest) == 1:
        yield from rest[:1]


def visible_date(tree: HtmlElement, language: str) -> Moment | None:
    """Return the date in a visible line with a class or id for dates."""
    month_first = language.lower() in ("en-us", "en_us", "en-ph")
    for element in tree.iter(*_DATE_TAGS):
        marks = f"{element.get('class') or ''} {element.get('id') or ''} {element.get('itemprop') or ''}".lower()
        if not (element.tag == "time" or _DATE_HINT.search(marks) or marks.strip() in ("meta", "byline", "dateline")):
            continue
        text = text_of(element)
        if len(text) > _MAX_DATE_LINE or _MODIFIED_HINT.search(marks) or is_beside_article(element):
            continue
        moment = parse_visible_date(text, month_first=month_first)
        if moment:
            return moment
    return None


def url_date(url: str) -> Moment | None:
    """Return the day in a URL path such as ``/2014/04/22/``."""
    match = _URL_DATE.search(url)
    return parse_moment("-".join(match.groups())) if match else None
