"""Builders of valid records, and the cases."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from transforms.schema.records import Article, Fetch, content_hash, stable_id

NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=timezone.utc)


def load_cases(name: str) -> list[dict[str, Any]]:
    """Load ``tests/cases/<name>.jsonl``: small inputs with expected results, from public bug reports."""
    text = Path(__file__).parents[1].joinpath("cases", f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def make_article(n: int, text: str | None = None, **fields: object) -> Article:
    """The n-th article; by default with its own text."""
    body = text if text is not None else f"Article number {n}."
    article_id = stable_id("article", str(n))
    known: dict[str, object] = {
        "article_id": article_id,
        "version_id": stable_id(article_id, content_hash(body)),
        "url": f"http://site{n % 3}.example/{n}",
        "domain": f"site{n % 3}.example",
        "text": body,
        "word_count": len(body.split()),
        "text_hash": content_hash(body),
        "extractor": "test",
        "extractor_version": "1",
        "fetched_at": NOW,
    }
    return Article(**{**known, **fields})  # type: ignore[arg-type]


def make_fetch(n: int, **fields: object) -> Fetch:
    """The fetch row of the n-th URL; by default with outcome ok."""
    known: dict[str, object] = {
        "url": f"http://site{n % 3}.example/{n}",
        "article_id": stable_id("article", str(n)),
        "domain": f"site{n % 3}.example",
        "outcome": "ok",
        "source": "urls",
        "fetched_at": NOW,
    }
    return Fetch(**{**known, **fields})  # type: ignore[arg-type]
