"""Read the title of an article from the visible headline and the titles in the page's head."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from lxml.html import HtmlElement

from transforms.extract.metadata.html_metadata import is_beside_article, text_of
from transforms.extract.metadata.jsonld import JsonLd, plain
from transforms.text.near_duplicates import UNSPACED

_TITLE = ("og:title", "parsely-title", "dc.title", "dcterms.title", "citation_title", "sailthru.title", "twitter:title")
_SEPARATOR = r"\s*(?:\s[-–—:·•/»«]\s|\s*[|‖｜│∣丨]\s*|\s[－_]|(?<=[^\x00-\x7f])[－_](?=\S))\s*"
_FIRST_PART = re.compile(rf"^([^|]{{2,60}}?){_SEPARATOR}(.{{8,}})$")
_LAST_PART = re.compile(rf"^(.{{4,}}){_SEPARATOR}([^|]{{2,60}})$")
_SUFFIX = re.compile(rf"{_SEPARATOR}.*")
_TIGHT = re.compile(r"(?<=\S\S\S\S)\s*[:：|｜_＿\-–—]\s*$")
_MARKUP = re.compile(r"</?(?:b|i|em|strong|span|br|sup|sub|q|a)\b[^<>]*>", re.IGNORECASE)
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_HOME = re.compile(r"(?:https?://[^/?#]+)?/?(?:index\.\w+)?", re.IGNORECASE)
_MIN_SHARED, _LEAST_SHARE = 3, 0.6
_MAX_SUFFIX, _MIN_SITE = 40, 4


def headline_of(tree: HtmlElement, titles: Sequence[str] = ()) -> str:
    """Return the visible headline of a page; empty if it has none.

    This is the ``h1`` most similar to a declared title, else an ``h2`` equal to one, else the first ``h1`` in the
    article, else the first ``h1``. A heading that links to the home page and is part of a title is the site's name.

    Args:
        tree: the page.
        titles: the titles in the head of the page.
    """
    shown = [
        (element, text)
        for element in tree.iter("h1")
        if (text := text_of(element)) and not (_is_of_site(element) and _is_part_of(text, titles))
    ]
    best = max(shown, key=lambda each: _likeness(each[1], titles), default=None)
    if best and (other := _other_heading(tree, best[1], titles)):
        return other
    if best and _likeness(best[1], titles) > 0:
        return _headline_part(*best, titles)
    keys = {part for title in titles for part in (title_key(title), *_part_keys(title))}
    for element in tree.iter("h2"):
        if len(tokens := _tokens(text := text_of(element))) >= _MIN_SHARED and "".join(tokens) in keys:
            return text if not is_beside_article(element) and element.find(".//a") is None else ""
    own = (text for element, text in shown if _is_of_article(element))
    return next(own, shown[0][1] if shown else "")


def shown_titles(tree: HtmlElement, meta: dict[str, list[str]]) -> list[str]:
    """Return the titles in the head of a page: from meta tags, then from the title element."""
    declared = [meta[name][0] for name in _TITLE if name in meta][:1]
    return [*declared, *(text for element in tree.iterfind(".//head/title") if (text := text_of(element)))]


def title_of(data: JsonLd, meta: dict[str, list[str]], tree: HtmlElement, headline: str, sites: Sequence[str]) -> str:
    """Return the article's title.

    This is the headline in the JSON-LD, else the visible headline if a title in the head is similar, else the first
    title in the head.

    Args:
        data: the JSON-LD of the page.
        meta: its meta tags.
        tree: the page.
        headline: its visible headline, from `headline_of`.
        sites: the names of the site, which are not titles.

    Returns:
        The title without the name of the site, empty only if the page has neither a headline nor a title.
    """
    declared = data.text(data.article.get("headline")) or data.text(data.article.get("name"))
    titles = [plain(_MARKUP.sub("", title)) for title in (declared, *shown_titles(tree, meta)) if title]
    names = {key for site in sites if len(key := title_key(site)) > 1}
    if any(is_like(headline, title) for title in titles):
        names.discard(title_key(headline))  # a tag for the site's name that contains the headline by mistake
    elif any(_ends_with_name(title, headline) for title in titles):
        names.add(title_key(headline))
    cut = [strip_site(title, sites, headline, names) for title in titles]
    cut = [title for title in cut if title_key(title) not in names]
    if headline and title_key(headline) not in names:
        if not declared and any(is_like(headline, title) for title in cut):
            return next((title for title in cut if title_key(title) == title_key(headline)), headline)
        is_topic = not declared and cut and len(_tokens(cut[0])) == 1 and len(_tokens(headline)) >= _MIN_SHARED
        cut.insert(0 if is_topic else 2 if declared else 1, headline)
    best = next(iter(cut), "")
    if best.endswith(("...", "…")):
        start = best.rstrip(".… ")
        best = next((title for title in cut if title.startswith(start) and len(title) > len(best)), best)
    return best


def strip_site(title: str, sites: Sequence[str], headline: str = "", keys: set[str] | None = None) -> str:
    """Remove the name of the site from the end or start of a title.

    Args:
        title: such as ``Old mill turns again | Brindle News``.
        sites: the names of the site.
        headline: the page's visible headline; if the title is the headline with a short suffix, the suffix is removed.
        keys: the `title_key` of the names to remove; default: those of ``sites``.
    """
    rest = title[len(headline) :]
    is_headline = headline and rest and title[: len(headline)].casefold() == headline.casefold()
    is_name = len(rest) <= _MAX_SUFFIX or len(_tokens(headline)) > 1
    if is_headline and is_name and _SUFFIX.fullmatch(rest):
        return headline
    if keys is None:
        keys = {key for site in sites if len(key := title_key(site)) > 1}
    while (match := _LAST_PART.match(title)) and title_key(match[2]) in keys:
        title = match[1].rstrip()
    for site in sites:  # before a known name, a separator needs no spaces
        ends_with = len(site) >= _MIN_SITE and title.casefold().endswith(site.casefold())
        if ends_with and (match := _TIGHT.search(title, 0, len(title) - len(site))):
            title = title[: match.start()]
    first = _FIRST_PART.match(title)
    return first[2] if first and title_key(first[1]) in keys else title


def title_key(name: str) -> str:
    """Fold a name for comparison: letters and digits in lower case, without ``www`` and ``the`` at the start."""
    folded = "".join(letter for letter in name.casefold() if letter.isalnum())
    return folded.removeprefix("www").removeprefix("the")


def is_like(headline: str, title: str) -> bool:
    """Whether a headline and a title are similar: most words of the shorter one are in the other."""
    return _likeness(headline, [title]) > 0


def _likeness(headline: str, titles: Sequence[str]) -> float:
    """Return the largest share of common words of a headline and a title; 0 if no title is similar."""
    own = Counter(_tokens(headline))
    best = 0.0
    for title in titles:
        other = Counter(_tokens(title))
        shared, least = sum((own & other).values()), min(own.total(), other.total())
        is_same = own == other or (shared >= _MIN_SHARED and shared >= least * _LEAST_SHARE)
        # A title of one or two words, such as a topic, that the headline contains.
        is_within = 0 < other.total() < _MIN_SHARED <= own.total() and shared == other.total()
        if is_same or is_within:
            best = max(best, 2 * shared / (own.total() + other.total()))
    return best


def _headline_part(element: HtmlElement, text: str, titles: Sequence[str]) -> str:
    """Return the part of a headline that occurs in a title, without a kicker or subtitle in the same element."""
    keys = [title_key(title) for title in titles]
    if any(title_key(text) in key for key in keys):
        return text
    for part in (*(text_of(inner) for inner in element), *(" ".join(piece.split()) for piece in element.itertext())):
        if len(_tokens(part)) >= _MIN_SHARED and any(title_key(part) in key for key in keys):
            return part
    return text


def _other_heading(tree: HtmlElement, text: str, titles: Sequence[str]) -> str:
    """Return the heading below an ``h1`` with the site's name, if a title consists of the name and that heading."""
    rests = {
        title_key(match[2])
        for title in titles
        if (match := _FIRST_PART.match(title)) and title_key(match[1]) == title_key(text) and len(match[2]) > len(text)
    }
    headings = ((each, text_of(each)) for each in tree.iter("h2", "h3") if rests)
    found = (shown for each, shown in headings if title_key(shown) in rests and not is_beside_article(each))
    return next(found, "")


def site_headings(tree: HtmlElement) -> list[str]:
    """Return the headings that link to the home page: the names of the site."""
    return [text for element in tree.iter("h1", "h2") if _is_of_site(element) and (text := text_of(element))]


def _ends_with_name(title: str, headline: str) -> bool:
    """Whether a title ends with a visible heading that is shorter than the rest, as the name of the site is."""
    match = _LAST_PART.match(title)
    return match is not None and title_key(match[2]) == title_key(headline) and len(match[2]) < len(match[1])


def _part_keys(title: str) -> Iterator[str]:
    if match := _LAST_PART.match(title):
        yield title_key(match[1])


def _is_of_site(element: HtmlElement) -> bool:
    """Whether a heading links to the home page."""
    links = [*element.iter("a"), *element.iterancestors("a")]
    return any(_HOME.fullmatch((link.get("href") or "#").strip()) for link in links)


def _is_part_of(text: str, titles: Sequence[str]) -> bool:
    key = title_key(text)
    return any(key in whole and key != whole for title in titles if (whole := title_key(title)))


def _is_of_article(element: HtmlElement) -> bool:
    return element.get("itemprop") == "headline" or any(up.tag == "article" for up in element.iterancestors())


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())
