"""Print one article in the terminal, with its names and quotes in colour."""

import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from transforms.annotate import annotate
from transforms.extract import extract_article
from transforms.fetch import FetchConfig, fetch_pages
from transforms.schema.errors import OnrecordError
from transforms.schema.failures import Rejected
from transforms.schema.records import Article, Page, Quote, content_hash, stable_id
from transforms.schema.urls import request_of
from transforms.text.quotations import as_shown

STYLES = {"PERSON": "bold cyan", "ORG": "bold magenta", "LOC": "bold green", "NORP": "green", "MISC": "dim"}
QUOTE, CUE, SOURCE = "yellow", "italic bright_blue", "underline"


class ShowError(OnrecordError):
    """The page cannot be shown; the message is one sentence with the cause."""


def load_article(location: str) -> Article:
    """Load an article from a URL, an HTML or text file, or standard input (``-``).

    Raises:
        ShowError: the page cannot be fetched or read, or is not an article.
    """
    try:
        if location.startswith(("http://", "https://")):
            (result,) = fetch_pages([request_of(location, "urls")], FetchConfig())
            if not isinstance(result, Page):
                raise ShowError(f"{location}: {result.failure.message if result.failure else result.fetch.reason}")
            return extract_article(result.body, location, content_type=result.content_type)
        data = sys.stdin.buffer.read() if location == "-" else Path(location).read_bytes()
        if data.lstrip()[:1] == b"<":
            return extract_article(data, "")
        return _plain_article(data.decode("utf-8", "replace"))
    except OSError as error:
        raise ShowError(f"{location} cannot be read: {error.strerror or error}") from error
    except Rejected as error:
        raise ShowError(f"{location}: {error.message}") from error


def _plain_article(text: str) -> Article:
    text_hash = content_hash(text)
    return Article(
        article_id="",
        version_id=stable_id("", text_hash),
        url="",
        domain="",
        text=text,
        word_count=len(text.split()),
        text_hash=text_hash,
        extractor="plain",
        extractor_version="",
    )


def print_article(console: Console, article: Article) -> None:
    """Print an article with entities by type and quotes with cue and source, then each quote with its speaker."""
    found = annotate(article.text, language=article.language, title=article.title)
    if article.title:
        console.print(Text(article.title, style="bold"))
    facts = [", ".join(article.authors), str(article.published_at or ""), article.language or "", article.domain]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    text = Text(article.text)
    for quote in found.quotes:
        for spans, style in ((quote.spans, QUOTE), (quote.cue_spans, CUE), (quote.speaker_spans, SOURCE)):
            for start, end in spans:
                text.stylize(style, start, end)
    for entity in found.entities:
        for mention in entity.mentions:
            text.stylize(STYLES[entity.type], mention.start, mention.end)
    console.print(text)
    console.print()
    legend = Text("  ".join(STYLES))
    for name, style in STYLES.items():
        legend.highlight_words([name], style)
    console.print(legend, Text("quote", QUOTE), Text("cue", CUE), Text("source", SOURCE))
    for quote in found.quotes:
        console.print(_line(quote))


def _line(quote: Quote) -> Text:
    speaker = quote.speaker_name or quote.speaker or "unknown speaker"
    role = f", {quote.speaker_role}" if quote.speaker_role else ""
    confidence = f", {quote.confidence:.2f}" if quote.confidence is not None else ""
    line = Text(f"{speaker}{role}", style="bold")
    line.append(f" ({quote.kind}, {quote.speaker_method}{confidence}): ", style="dim")
    line.append(as_shown(quote.text, quote.kind), style=QUOTE)
    return line
