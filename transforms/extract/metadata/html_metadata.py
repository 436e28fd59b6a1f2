"""Read metadata from meta tags and visible elements, with lower priority than JSON-LD."""

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from transforms.extract.metadata.jsonld import plain
from transforms.text.dates import Moment, parse_moment

_ASIDE = re.compile(
    r"\b(?:related|teasers?|recommend\w*|recommended|sidebar|comments?|latest|most-?read|trending|promos?|promotions?|newsletter|popular|widget|also-?read)\b"
)
_ASIDE_TAGS = frozenset({"aside", "footer", "nav"})
_MODIFIED_HINT = re.compile(r"modif|updat|edited|aktualis|actualiz|chang")
_URL_DATE = re.compile(r"/((?:19|20)\d{2})[/-]?(0[1-9]|1[0-2])[/-]?(0[1-9]|[12]\d|3[01])(?:[/_.-]|$)")


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


def url_date(url: str) -> Moment | None:
    """Return the day in a URL path such as ``/2014/04/22/``."""
    match = _URL_DATE.search(url)
    return parse_moment("-".join(match.groups())) if match else None
