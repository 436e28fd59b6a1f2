"""Extract the article of one page: the plain functions of the stage."""

from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version

from lxml.html import HtmlElement

from transforms.extract.body.boilerplate import clean_blocks
from transforms.extract.body.lead import lead_blocks
from transforms.extract.body.main_text import count_words, join_blocks, main_text, script_texts
from transforms.extract.config import DEFAULTS, ExtractConfig
from transforms.extract.html.decoding import clean_characters, decode_html
from transforms.extract.html.limits import check_page
from transforms.extract.html.normalize import parse_html, prepare
from transforms.extract.metadata.reader import Metadata, read_metadata
from transforms.extract.non_articles import count_teasers, kind_of, wall_of
from transforms.extract.sandbox import in_sandbox
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Article, Fetch, Page, UrlRequest, content_hash, stable_id
from transforms.schema.urls import canonical_url, domain_of, url_id
from transforms.text.dates import Moment
from transforms.text.language import detect_language
from transforms.text.near_duplicates import sketch, to_column

RULES_VERSION = "3"
"""Incremented by each change that yields a different text for the same page."""
EXTRACTOR_VERSION = f"onrecord-{RULES_VERSION}+trafilatura-{version('trafilatura')}"


def extract_article(
    html: bytes | str,
    url: str,
    *,
    content_type: str = "",
    config: ExtractConfig = DEFAULTS,
    fetched_at: datetime | None = None,
) -> Article:
    """Extract the article of one page: its clean text and its metadata.

    Args:
        html: the page, as bytes (decoded here) or as text.
        url: its URL; may be empty or invalid. Then the domain is empty, and the article id is derived from the string.
        content_type: the Content-Type header, for its charset.
        config: the limits.
        fetched_at: time of the fetch, in UTC; becomes ``Article.fetched_at`` and limits guessed dates.

    Returns:
        The article; ``text`` is paragraphs joined by a blank line, list items by a line break, without mark-up.

    Raises:
        Rejected: not_article, too_short, unparsable or too_large.
    """
    text, is_heavy = read_html(html, content_type, config)
    work = partial(_article, text, url, config, fetched_at)
    return in_sandbox(work, config) if is_heavy else work()


def extract_page(page: Page, config: ExtractConfig = DEFAULTS) -> Article:
    """Extract the article of a fetched page.

    A missing title or date is taken from the feed (``page.request``).

    Args:
        page: a response body with its fetch row.
        config: the limits.

    Raises:
        Rejected: as `extract_article`.
    """
    text, is_heavy = read_html(page.body, page.content_type, config)
    work = partial(_article_of_page, text, page.request, page.fetch, page.tdm_reserved, config)
    return in_sandbox(work, config) if is_heavy else work()


def read_html(html: bytes | str, content_type: str = "", config: ExtractConfig = DEFAULTS) -> tuple[str, bool]:
    """Decode a page and check its size and shape.

    Returns:
        The text, and whether it is so large or deep that the sandbox process should parse it.

    Raises:
        Rejected: unparsable or too_large.
    """
    if len(html) > config.max_html_bytes:
        raise Rejected(Reason.TOO_LARGE, f"the page is larger than {config.max_html_bytes:,} bytes (max_html_bytes)")
    text = decode_html(html, content_type) if isinstance(html, bytes) else clean_characters(html)
    if not text.strip():
        raise Rejected(Reason.UNPARSABLE, "the page is empty")
    return text, check_page(text, config)


def _article(html: str, url: str, config: ExtractConfig, fetched_at: datetime | None) -> Article:
    tree = parse_html(html)
    return article_of(tree, read_metadata(tree, url, fetched_at), url, config=config, fetched_at=fetched_at)


def _article_of_page(
    html: str, request: UrlRequest, fetch: Fetch, tdm_reserved: bool | None, config: ExtractConfig
) -> Article:
    tree = parse_html(html)
    metadata = read_metadata(tree, fetch.final_url or request.url, fetch.fetched_at)
    if metadata.published is None and request.published_at is not None:
        metadata = replace(metadata, published=Moment(request.published_at, "second"))
    if metadata.title is None:
        metadata = replace(metadata, title=request.title)
    if tdm_reserved is not None:
        metadata = replace(metadata, tdm_reserved=tdm_reserved)
    article = article_of(tree, metadata, request.url, config=config, fetched_at=fetch.fetched_at)
    return replace(article, final_url=fetch.final_url)


def article_of(
    tree: HtmlElement,
    metadata: Metadata,
    url: str,
    *,
    config: ExtractConfig = DEFAULTS,
    fetched_at: datetime | None = None,
) -> Article:
    """Extract the article of a parsed page with known metadata. Modifies the tree.

    Raises:
        Rejected: not_article or too_short.
    """
    if wall := wall_of(tree, metadata):
        raise Rejected(Reason.NOT_ARTICLE, wall)
    scripts, teasers = script_texts(tree), count_teasers(tree)
    prepare(tree)
    main = main_text(tree, metadata.article_body, scripts)
    title = metadata.title or ""
    lead = lead_blocks(tree, main.blocks, metadata.headline or title, metadata.description or "")
    blocks = clean_blocks([*lead, *main.blocks], (title, metadata.headline), metadata.authors)
    text = clean_characters(join_blocks(blocks))
    words = count_words(text)
    if kind := kind_of(metadata, url, teasers, words):
        raise Rejected(Reason.NOT_ARTICLE, kind)
    if words < max(1, config.min_words):
        raise Rejected(
            Reason.TOO_SHORT, f"the text has {words} words, but the minimum is {config.min_words} (min_words)"
        )
    address = _canonical_or_raw(url)
    article_id, text_hash = url_id(address), content_hash(text)
    published, modified = metadata.published, metadata.modified
    return Article(
        article_id=article_id,
        version_id=stable_id(article_id, text_hash),
        url=address,
        canonical_url=metadata.canonical_url,
        domain=domain_of(address),
        site_name=_clean(metadata.site_name),
        title=_clean(metadata.title),
        description=_clean(metadata.description),
        authors=metadata.authors,
        byline_org=metadata.byline_org,
        published_at=published.at if published else None,
        published_precision=published.precision if published else None,
        published_day=published.local.date() if published else None,
        modified_at=modified.at if modified else None,
        language=detect_language(text) if config.detect_language else None,
        section=_clean(metadata.section),
        tags=metadata.tags,
        image_url=metadata.image_url,
        is_paywalled=metadata.is_paywalled,
        is_live_blog=metadata.is_live_blog,
        tdm_reserved=metadata.tdm_reserved,
        text=text,
        word_count=words,
        text_hash=text_hash,
        sketch=to_column(sketch(text)),
        extractor=main.path,
        extractor_version=EXTRACTOR_VERSION,
        fetched_at=fetched_at.astimezone(timezone.utc) if fetched_at else None,
    )


def _canonical_or_raw(url: str) -> str:
    try:
        return canonical_url(url)
    except Rejected:
        return url


def _clean(value: str | None) -> str | None:
    return clean_characters(value) or None if value else None
