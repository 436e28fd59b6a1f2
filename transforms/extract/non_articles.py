"""Detect pages that are not articles: section fronts, consent walls, bot checks, error pages with status 200."""

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
_MIN_TEASERS = 5
_WORDS_PER_TEASER = 15
_MAX_VIDEO_WORDS = 120
_ROOT = re.compile(r"https?://[^/?#]+/?", re.IGNORECASE)


def wall_of(tree: HtmlElement, metadata: Metadata) -> str:
    """Return why a page is not an article, as one sentence; empty if it may be one.

    Pages that declare an article or a date always pass, and long pages are not taken for walls, so an article about
    cookies is kept.
    """
    if metadata.is_article or metadata.published is not None:
        return ""
    if metadata.is_index:
        return "the page declares a list of pages"
    titles = " | ".join([metadata.title or "", *(text_of(title) for title in tree.iterfind(".//head/title"))])
    text = _visible_text(tree)
    if len(text) > _MAX_WALL_CHARS:
        return ""
    if _ERROR_TITLE.search(metadata.title or ""):
        return "the page is an error page with status 200"
    if _BOT_WALL.search(titles) or (len(text) < _MAX_WALL_CHARS // 5 and _BOT_WALL.search(text)):
        return "the page is a bot check"
    if _CONSENT_TITLE.search(titles) and any(
        _CONSENT_BUTTON.search(text_of(b)) for b in tree.iter("button", "a", "input")
    ):
        return "the page is a consent wall"
    return ""


def kind_of(metadata: Metadata, url: str, teasers: int, words: int) -> str:
    """Return why a page with a short text is not an article, as one sentence; empty if it may be one.

    A section front has many teasers, little text, and declares neither an article nor a date; on a site's front page a
    date is ignored, because it belongs to a teaser. A video page has a few lines below its video.

    Args:
        metadata: metadata of the page.
        url: its URL.
        teasers: result of `count_teasers`.
        words: number of words of the extracted text.
    """
    if metadata.is_article:
        return ""
    if metadata.is_video and words < _MAX_VIDEO_WORDS:
        return "the page is a video with a few lines of text"
    is_dated = metadata.published is not None and not _ROOT.fullmatch(url)
    if not is_dated and teasers >= _MIN_TEASERS and words < _WORDS_PER_TEASER * teasers:
        return "the page is mostly headlines that link to other pages"
    return ""


def count_teasers(tree: HtmlElement) -> int:
    """Count the headings of a page that contain a link or are inside one; each URL counts once."""
    links = {
        link.get("href")
        for heading in tree.iter("h2", "h3", "h4")
        for link in (*heading.iter("a"), *heading.iterancestors("a"))
    }
    return len(links - {None})


def _visible_text(tree: HtmlElement) -> str:
    body = tree.find("body")
    parts = (
        (element.text or "") + (element.tail or "")
        for element in (body.iter() if body is not None else ())
        if element.tag not in ("script", "style", "noscript")
    )
    return " ".join(" ".join(parts).split())
