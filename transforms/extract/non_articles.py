"""Pages that are no article: section fronts, consent walls, bot walls, error pages served as 200."""

import re

from lxml.html import HtmlElement

from transforms.extract.metadata.html_metadata import text_of
from transforms.extract.metadata.reader import Metadata

_CONSENT_TITLE = re.compile(
    r"\b(?:cookies?|consent|privacy (?:choices|settings|preferences)|before you continue|datenschutz\w*|einwilligung"
    r"|consentement|confidentialit\w+|consentimiento|privacidad|consenso|toestemming|samtycke|samtykke)\b",
    re.IGNORECASE,
)
_CONSENT_BUTTON = re.compile(
    r"^(?:i )?(?:agree|accept)\b|^accept(?: all)?|^(?:alle )?(?:akzeptieren|zustimmen)|^(?:tout )?accepter|^j'accepte"
    r"|^aceptar|^aceitar|^accetta|^akkoord|^accepteren|^godkänn|^godta|^akceptuj|^zgadzam",
    re.IGNORECASE,
)
_BOT_WALL = re.compile(
    r"\b(?:are you a (?:robot|human)|verify(?:ing)? (?:that )?you are (?:a )?human"
    r"|access (?:to this page has been )?denied"
    r"|pardon our interruption|attention required|just a moment|enable javascript(?: and cookies)? to continue)\b",
    re.IGNORECASE,
)
_ERROR_TITLE = re.compile(
    r"^(?:error )?(?:404|410|403|500|502|503)\b|\b(?:page|article|story) (?:was )?not found\b|\bseite nicht gefunden\b"
    r"|\bpage (?:introuvable|non trouvée)\b|\bpágina no encontrada\b|\bpágina não encontrada\b|\bpagina non trovata\b"
    r"|\bpagina niet gevonden\b|\bsidan (?:hittades inte|kunde inte hittas)\b|\bside ikke fundet\b",
    re.IGNORECASE,
)
_MAX_WALL_CHARS = 2_500
_LEAST_TEASERS = 5
_WORDS_A_TEASER = 15
_WORDS_OF_A_VIDEO = 120
_ROOT = re.compile(r"https?://[^/?#]+/?", re.IGNORECASE)


def wall_of(tree: HtmlElement, metadata: Metadata) -> str:
    """Why a page is no article, in one sentence; empty when it may be one.

    Pages that call themselves an article or name a date are not judged, nor as walls those that are long, so an
    article about cookies stays one.
    """
    if metadata.is_article or metadata.published is not None:
        return ""
    if metadata.is_index:
        return "the page says that it is a list of pages"
    titles = " | ".join([metadata.title or "", *(text_of(title) for title in tree.iterfind(".//head/title"))])
    text = _shown(tree)
    if len(text) > _MAX_WALL_CHARS:
        return ""
    if _ERROR_TITLE.search(metadata.title or ""):
        return "the page is an error page sent as a page"
    if _BOT_WALL.search(titles) or (len(text) < _MAX_WALL_CHARS // 5 and _BOT_WALL.search(text)):
        return "the page is a check for robots"
    if _CONSENT_TITLE.search(titles) and any(
        _CONSENT_BUTTON.search(text_of(b)) for b in tree.iter("button", "a", "input")
    ):
        return "the page asks for consent and holds no article"
    return ""


def kind_of(metadata: Metadata, url: str, teasers: int, words: int) -> str:
    """What a page is whose text is short for an article, in one sentence; empty when it may be an article.

    A section front has many teasers, little text, and no word of its own that it is an article; a date is such a word,
    save on a site's front page, where it is a teaser's. A video page has a few lines below its video.

    Args:
        metadata: the page's.
        url: its address.
        teasers: its `count_teasers`.
        words: words of the text that was found.
    """
    if metadata.is_article:
        return ""
    if metadata.is_video and words < _WORDS_OF_A_VIDEO:
        return "the page is a video with a few lines of text"
    is_dated = metadata.published is not None and not _ROOT.fullmatch(url)
    if not is_dated and teasers >= _LEAST_TEASERS and words < _WORDS_A_TEASER * teasers:
        return "the page is mostly headlines that link to other pages"
    return ""


def count_teasers(tree: HtmlElement) -> int:
    """How many headings of a page are links, or stand in one; each address counts once."""
    links = {
        link.get("href")
        for heading in tree.iter("h2", "h3", "h4")
        for link in (*heading.iter("a"), *heading.iterancestors("a"))
    }
    return len(links - {None})


def _shown(tree: HtmlElement) -> str:
    body = tree.find("body")
    parts = (
        (element.text or "") + (element.tail or "")
        for element in (body.iter() if body is not None else ())
        if element.tag not in ("script", "style", "noscript")
    )
    return " ".join(" ".join(parts).split())
