"""Minimum accuracy of annotation on the development sets, so that a change cannot reduce it unnoticed.

A minimum is one point below the measured value; lowering one needs a reason in its commit. The development sets are not
in the repository, so these tests are skipped without them; tests/transforms/annotate/test_cases.py and tests/site check
our own cases and pages.
"""

import pytest

from benchmarks.entities import f1, ours
from benchmarks.quotes import SHARED, Measurement, measure
from training.data import entity_documents

needs_sets = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason="the development sets are not beside the checkout"
)

QUOTES = {
    ("content_match", "f1"): 0.790,
    ("attributed", "f1"): 0.720,
    ("cue", "f1"): 0.716,
    ("words", "f1"): 0.896,
    ("recall_direct", "match"): 0.964,
    ("recall_direct", "attributed"): 0.907,
    ("recall_mixed", "match"): 0.897,
    ("recall_mixed", "attributed"): 0.830,
    ("recall_indirect", "match"): 0.706,
    ("recall_indirect", "attributed"): 0.632,
}
NAMES = {"uner_ewt": 0.744, "gum": 0.785, "docred": 0.882, "wikigold": 0.786, "btc": 0.652}


@pytest.fixture(scope="module")
def quotes() -> Measurement:
    return measure(SHARED)


@needs_sets
@pytest.mark.parametrize("figure", QUOTES, ids="-".join)
def test_quotes_on_the_development_set(quotes: Measurement, figure: tuple[str, str]) -> None:
    assert quotes.score[figure[0]][figure[1]] >= QUOTES[figure]


@needs_sets
def test_confident_quotes_are_correct(quotes: Measurement) -> None:
    assert quotes.confident >= 400
    assert quotes.confident_correct / quotes.confident >= 0.95


@needs_sets
@pytest.mark.parametrize("name", NAMES)
def test_names_on_the_development_sets(name: str) -> None:
    documents = entity_documents(SHARED / "data/ner", name, "dev")
    assert f1(documents, ours(documents)[0]) >= NAMES[name]
