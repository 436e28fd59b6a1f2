"""Extract articles from JSON records, for ``onrecord extract``."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from transforms.extract.article import article_of, read_html
from transforms.extract.config import DEFAULTS, ExtractConfig
from transforms.extract.html.normalize import parse_html
from transforms.extract.metadata.reader import Metadata, read_metadata
from transforms.extract.sandbox import in_sandbox
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Article
from transforms.text.dates import Moment, parse_moment


def extract_line(record: Mapping[str, Any], config: ExtractConfig = DEFAULTS) -> dict[str, Any]:
    """Extract the article of one page in a JSON object.

    Args:
        record: ``id``, ``url``, and ``html`` (text) or ``body_base64`` (bytes) with ``content_type``; ``fetched_at``
            (ISO 8601). Only the page is required.
        config: the limits.

    Returns:
        ``id``, ``text`` and the fields of an article, with times as ISO 8601 in the time zone of the page, else in UTC
        (``published`` is a date if the page gives no time). A rejected page has an empty text, ``reason``, ``message``
        and the metadata that was found.
    """
    fetched = parse_moment(str(record.get("fetched_at") or ""))
    fetched_at = fetched.at if fetched else None
    result: dict[str, Any] = {"id": record.get("id"), "text": ""}
    try:
        html, is_heavy = read_html(_page(record), str(record.get("content_type") or ""), config)
        work = partial(_fields, html, str(record.get("url") or ""), config, fetched_at)
        return result | (in_sandbox(work, config) if is_heavy else work())
    except Rejected as rejection:
        return result | _rejection_fields(rejection)


def _fields(html: str, url: str, config: ExtractConfig, fetched_at: datetime | None) -> dict[str, Any]:
    tree = parse_html(html)
    metadata = read_metadata(tree, url, fetched_at)
    found = _metadata_fields(metadata)
    try:
        return found | _article_fields(article_of(tree, metadata, url, config=config, fetched_at=fetched_at))
    except Rejected as rejection:
        return found | _rejection_fields(rejection)


def _rejection_fields(rejection: Rejected) -> dict[str, Any]:
    return {"reason": rejection.reason.value, "message": rejection.message}


def _page(record: Mapping[str, Any]) -> bytes | str:
    if isinstance(record.get("html"), str):
        return str(record["html"])
    encoded = record.get("body_base64")
    if not isinstance(encoded, str):
        raise Rejected(Reason.UNPARSABLE, "the record has no page: add its text as html or its bytes as body_base64")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Rejected(Reason.UNPARSABLE, f"body_base64 is not valid base64: {error}") from error


def _metadata_fields(metadata: Metadata) -> dict[str, Any]:
    published, modified = metadata.published, metadata.modified
    return {
        "title": metadata.title,
        "authors": list(metadata.authors),
        "byline_org": list(metadata.byline_org),
        "published": _iso(published) if published else None,
        "published_day": published.local.date().isoformat() if published else None,
        "published_precision": published.precision if published else None,
        "modified": _iso(modified) if modified else None,
        "canonical_url": metadata.canonical_url,
        "site_name": metadata.site_name,
        "is_paywalled": metadata.is_paywalled,
        "is_live_blog": metadata.is_live_blog,
        "tdm_reserved": metadata.tdm_reserved,
        "description": metadata.description,
        "section": metadata.section,
        "tags": list(metadata.tags),
        "image_url": metadata.image_url,
    }


def _article_fields(article: Article) -> dict[str, Any]:
    return {
        "text": article.text,
        "language": article.language,
        "word_count": article.word_count,
        "article_id": article.article_id,
        "version_id": article.version_id,
        "url": article.url,
        "domain": article.domain,
        "extractor": article.extractor,
        "extractor_version": article.extractor_version,
    }


def _iso(moment: Moment) -> str:
    return moment.local.date().isoformat() if moment.precision == "day" else moment.local.isoformat()
