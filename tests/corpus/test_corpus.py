"""The corpus: valid markup, the promised variety, and no text in common."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from corpus.read import CorpusError, held_out_ids, parse_markup, read_article
from corpus.statistics import overlaps

FOLDER = Path(__file__).parents[2] / "corpus"


@pytest.fixture(scope="module")
def articles() -> list[dict[str, Any]]:
    return [read_article(path) for path in sorted((FOLDER / "en").glob("*.txt"))]


def test_every_span_is_in_the_text(articles: list[dict[str, Any]]) -> None:
    for article in articles:
        spans = [span for entity in article["entities"] for span in entity["mentions"]]
        spans += [span for quote in article["quotes"] for part in ("content", "cue", "source") for span in quote[part]]
        assert all(article["text"][start:end] == words for start, end, words in spans)


def test_variety(articles: list[dict[str, Any]]) -> None:
    assert len(articles) >= 300
    assert min(Counter(feature for a in articles for feature in a["features"]).values()) >= 40
    assert len(Counter(a["kind"] for a in articles)) >= 27
    held_out = held_out_ids(FOLDER)
    assert 0.1 <= sum(a["id"] in held_out for a in articles) / len(articles) <= 0.15


def test_articles_share_no_text(articles: list[dict[str, Any]]) -> None:
    assert overlaps(articles) == []


def test_markup_becomes_offsets() -> None:
    text, elements = parse_markup('<p n="Ana Reis">Reis</p> <c i="1">said</c> no')
    assert text == "Reis said no"
    assert [(e.tag, e.start, e.end) for e in elements] == [("p", 0, 4), ("c", 5, 9)]


@pytest.mark.parametrize("marked", ["<p>a", "<p>a</o>", "<b>a</b>", '<p i="1">a</p>', "a < b"])
def test_invalid_markup_is_refused(marked: str) -> None:
    with pytest.raises(CorpusError):
        parse_markup(marked)
