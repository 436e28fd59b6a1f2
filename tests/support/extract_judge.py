"""Compare extraction results with the cases in ``tests/cases``."""

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any


def wrong_text(expected: dict[str, Any], text: str) -> list[str]:
    """List the errors of an extracted text.

    ``in``: must occur; ``out`` and ``never``: must not; ``once``: exactly once; ``separate_lines``: pairs
    that must not share a line.
    """
    if expected["outcome"] == "not_article":
        return ["an article was made of it"] if text else []
    return list(_wrong_parts(expected, text))


def wrong_metadata(expected: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """List the errors of the metadata; only fields of the case are compared."""
    return list(_wrong_fields(expected, answer))


def _wrong_parts(expected: dict[str, Any], text: str) -> Iterator[str]:
    folded = _fold(text)
    yield from (f"missing: {part}" for part in expected.get("in", ()) if _fold(part) not in folded)
    unwanted = [*expected.get("out", ()), *expected.get("never", ())]
    yield from (f"left in: {part}" for part in unwanted if _fold(part) in folded)
    yield from (f"not once: {part}" for part in expected.get("once", ()) if folded.count(_fold(part)) != 1)
    lines = [_fold(line) for line in text.split("\n")]
    for one, other in expected.get("separate_lines", ()):
        if any(_fold(one) in line and _fold(other) in line for line in lines):
            yield f"on one line: {one} / {other}"


def _wrong_fields(expected: dict[str, Any], answer: dict[str, Any]) -> Iterator[str]:
    for field in expected.keys() & {"published", "modified"}:
        if not _same_moment(expected[field], answer.get(field)):
            yield f"{field}: {answer.get(field)!r}"
    for field in expected.keys() & {"title", "canonical_url", "site_name", "is_paywalled"}:
        if answer.get(field) != expected[field]:
            yield f"{field}: {answer.get(field)!r}"
    authors = answer.get("authors") or []
    if "authors" in expected and authors != expected["authors"]:
        yield f"authors: {authors!r}"
    yield from (f"no author: {name}" for name in expected.get("not_authors", ()) if name in authors)


def _same_moment(wanted: str | None, got: str | None) -> bool:
    if wanted is None or got is None:
        return wanted is got
    return got[:10] == wanted if len(wanted) == 10 else _moment(got) == _moment(wanted)


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00ad", "").replace("\u200b", "")).strip()
