"""Fit the weights of transforms/annotate/quotes/confidence.py: python -m training.calibrate --data DATA [--rules]

The weights come from a logistic regression on the development set of PolNeAR. A quotation is correct if its content and
its source match a gold quotation one to one (../shared/eval/score_quotes.py). The command prints the weights, and the
precision above several thresholds by five-fold cross-validation over documents.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from benchmarks.quotes import judged, load
from training.data import Document, Span, quote_documents
from transforms.annotate.entities.clustering import find_entities
from transforms.annotate.model.tagger import tagger
from transforms.annotate.nlp.parsed_text import parse_text
from transforms.annotate.quotes.assembler import QuoteCandidate
from transforms.annotate.quotes.confidence import MODEL_WEIGHTS, features
from transforms.annotate.quotes.finder import find_candidates

NAMES = tuple(MODEL_WEIGHTS)
FOLDS = 5
STEPS = 50
RIDGE = 1.0

Floats = NDArray[np.float64]


def candidates_of(document: Document, by_rules: bool) -> list[QuoteCandidate]:
    """Return the quote candidates of a document, as the annotate stage finds them."""
    parsed = parse_text(document.text)
    tagged = None if by_rules else tagger().tag([parsed])[0]
    entities = find_entities(document.text, parsed=parsed, tagged=tagged)
    return find_candidates(parsed, entities, tagged)


def are_correct(scorer: ModuleType, document: Document, candidates: list[QuoteCandidate]) -> list[bool]:
    """Return for each candidate whether its content and its source are correct."""
    gold = [(_lists(quote.content), _lists(quote.source)) for quote in document.quotes or ()]
    found = [
        (_lists(candidate.spans), _lists([candidate.speaker.span] if candidate.speaker.span else []))
        for candidate in candidates
    ]
    return judged(scorer, document.text, gold, found)


def _lists(spans: Iterable[Span]) -> list[list[int]]:
    return [list(span) for span in spans]


def fit(table: Floats, correct: Floats) -> Floats:
    """Fit a ridge logistic regression by Newton's method, without a penalty on the first column.

    Args:
        table: [quotations, features].
        correct: [quotations], 0 or 1.

    Returns:
        [features] weights.
    """
    weights: Floats = np.zeros(table.shape[1])
    penalty = RIDGE * np.diag(np.r_[0.0, np.ones(len(weights) - 1)])
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-table @ weights))
        gradient = table.T @ (probability - correct) + penalty @ weights
        hessian = (table * (probability * (1 - probability))[:, None]).T @ table + penalty + 1e-9 * np.eye(len(weights))
        weights -= np.linalg.solve(hessian, gradient)
    return weights


def main() -> None:
    """Print the weights and their calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rules", action="store_true", help="for quotations found by the rules alone")
    args = parser.parse_args()
    scorer = load(args.data.parent / "eval/score_quotes.py")
    rows, correct, folds = [], [], []
    for number, document in enumerate(quote_documents(args.data / "quotes/polnear.dev.jsonl.gz")):
        candidates = candidates_of(document, args.rules)
        rows += [[features(candidate).get(name, 0.0) for name in NAMES] for candidate in candidates]
        correct += are_correct(scorer, document, candidates)
        folds += [number % FOLDS] * len(candidates)
    table, truth, fold = np.array(rows), np.array(correct, float), np.array(folds)
    probability = np.zeros(len(truth))
    for n in range(FOLDS):
        probability[fold == n] = 1 / (1 + np.exp(-table[fold == n] @ fit(table[fold != n], truth[fold != n])))
    for threshold in (0.95, 0.9, 0.8, 0.7, 0.5):
        over = probability >= threshold
        if over.any():
            print(
                f"confidence >= {threshold}: {over.sum()} of {len(truth)} quotations, {truth[over].mean():.3f} correct"
            )
    for name, weight in zip(NAMES, fit(table, truth), strict=True):
        print(f'    "{name}": {weight:.2f},')


if __name__ == "__main__":
    main()
