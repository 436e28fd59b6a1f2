"""Records of your own pages and texts, for pipelines whose input is neither fetched nor extracted here."""

from datetime import datetime, timezone

from transforms.schema.records import Article, Fetch, Page, content_hash, stable_id
from transforms.schema.urls import domain_of, request_of


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
    """A page that you hold, for `ExtractArticles`.

    Args:
        url: its address; it makes the article's id.
        body: the page's bytes, or its text.
        content_type: the Content-Type header, for the charset of bytes.
        fetched_at: when it was fetched, in UTC; now, where you do not say.
        title: what the source of the address says of the title, used where the page says nothing.
        published_at: the same of the time, in UTC.
        source: what named the address.
    """
    if isinstance(body, str):
        body, content_type = body.encode("utf-8", "replace"), f"{content_type.partition(';')[0]}; charset=utf-8"
    request = request_of(url, source, title, published_at)
    fetch = Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome="ok",
        body_hash=content_hash(body),
        bytes=len(body),
        source=source,
        fetched_at=fetched_at or datetime.now(timezone.utc),
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
    """A text that you hold, for `Annotate`.

    Args:
        text: paragraphs with an empty line between.
        url: its address; without one the text itself makes the article's id.
        title: its headline.
        language: ISO 639-1 code; found in the text where you do not say.
        published_at: when it was published, in UTC.
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
