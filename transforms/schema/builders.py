"""Build records: fetch rows, and pages and articles from your own data, for pipelines that do not fetch or extract."""

from datetime import datetime, timezone
from typing import Any

from transforms.schema.failures import Reason
from transforms.schema.records import Article, Fetch, Outcome, Page, UrlRequest, content_hash, stable_id
from transforms.schema.urls import domain_of, request_of, without_secrets


def fetch_row(
    request: UrlRequest, outcome: Outcome, reason: Reason | None = None, *, fetched_at: datetime, **fields: Any
) -> Fetch:
    """Create the fetch row of a request; all fetch rows are created here.

    Args:
        request: the request. The URL of a feed comes from the configuration and may contain a key, which is masked.
        outcome: the outcome.
        reason: the reason, if the outcome is not ok.
        fetched_at: time of the outcome, in UTC.
        fields: further fields of `Fetch`.
    """
    return Fetch(
        url=without_secrets(request.url) if request.source == "listing" else request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome=outcome,
        reason=reason.value if reason else None,
        retriable=reason is not None and reason.retriable,
        source=request.source,
        fetched_at=fetched_at,
        ack_handle=request.ack_handle,
        **fields,
    )


def own_page(
    url: str,
    body: bytes | str,
    *,
    content_type: str = "text/html",
    fetched_at: datetime | None = None,
    title: str | None = None,
    published_at: datetime | None = None,
    source: str = "urls",
) -> Page:
    """Create a `Page` from a page that you already have, for `ExtractArticles`.

    Args:
        url: URL of the page; determines the article id.
        body: the page as bytes or text.
        content_type: the Content-Type header, for the charset of bytes.
        fetched_at: time of the fetch in UTC; default: now.
        title: title from another source, used if the page has none.
        published_at: time of publication from another source, in UTC, used if the page has none.
        source: origin of the URL.
    """
    if isinstance(body, str):
        body, content_type = body.encode("utf-8", "replace"), f"{content_type.partition(';')[0]}; charset=utf-8"
    request = request_of(url, source, title, published_at)
    fetch = fetch_row(
        request,
        "ok",
        fetched_at=fetched_at or datetime.now(timezone.utc),
        body_hash=content_hash(body),
        bytes=len(body),
    )
    return Page(request=request, fetch=fetch, body=body, content_type=content_type)


def own_article(
    text: str,
    url: str = "",
    *,
    title: str | None = None,
    language: str | None = None,
    published_at: datetime | None = None,
) -> Article:
    """Create an `Article` from a text that you already have, for `Annotate`.

    Args:
        text: paragraphs separated by an empty line.
        url: URL of the text; if empty, the article id is derived from the text.
        title: the headline.
        language: ISO 639-1 code; default: detected from the text.
        published_at: time of publication, in UTC.
    """
    text_hash = content_hash(text)
    request = request_of(url, "urls")
    article_id = request.article_id if url else stable_id("text", text_hash)
    return Article(
        article_id=article_id,
        version_id=stable_id(article_id, text_hash),
        url=request.url,
        domain=domain_of(request.url),
        title=title,
        published_at=published_at,
        language=language,
        text=text,
        word_count=len(text.split()),
        text_hash=text_hash,
        extractor="given",
        extractor_version="",
    )
