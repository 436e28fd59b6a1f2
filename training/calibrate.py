"""The weights of transforms/annotate/quotes/confidence.py: python -m training.calibrate --data DATA [--rules]

Logistic regression, from what the model and the rules know of each quotation of PolNeAR's development set to whether
its content matches a gold one and its source too (../shared/eval/score_quotes.py, one to one). Prints the table, and by
five-fold cross-validation over documents how often quotations above a threshold are right.
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
    """The quotations of a document as the product finds them."""
    parsed = parse_text(document.text)
    tagged = None if by_rules else tagger().tag([parsed])[0]
    entities = find_entities(document.text, parsed=parsed, tagged=tagged)
    return find_candidates(parsed, entities, tagged)


def right_ones(scorer: ModuleType, document: Document, candidates: list[QuoteCandidate]) -> list[bool]:
    """Whether each candidate is right, in content and source."""
    gold = [(_lists(quote.content), _lists(quote.source)) for quote in document.quotes or ()]
    found = [
        (_lists(candidate.spans), _lists([candidate.speaker.span] if candidate.speaker.span else []))
        for candidate in candidates
    ]
    return judged(scorer, document.text, gold, found)


def _lists(spans: Iterable[Span]) -> list[list[int]]:
    return [list(span) for span in spans]


def fitted(table: Floats, right: Floats) -> Floats:
    """Weights of a ridge logistic regression, by Newton's method; the first column is not held back."""
    weights: Floats = np.zeros(table.shape[1])
    held = RIDGE * np.diag(np.r_[0.0, np.ones(len(weights) - 1)])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (likely - right) + held @ weights
        bend = (table * (likely * (1 - likely))[:, None]).T @ table + held + 1e-9 * np.eye(len(weights))
        weights -= np.linalg.solve(bend, slope)
    return weights


def main() -> None:
    """Prints the table and its calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rules", action="store_true", help="for quotations that rules alone find")
    args = parser.parse_args()
    scorer = load(args.data.parent / "eval/score_quotes.py")
    rows, right, folds = [], [], []
    for number, document in enumerate(quote_documents(args.data / "quotes/polnear.dev.jsonl.gz")):
        candidates = candidates_of(document, args.rules)
        rows += [[features(candidate).get(name, 0.0) for name in NAMES] for candidate in candidates]
        right += right_ones(scorer, document, candidates)
        folds += [number % FOLDS] * len(candidates)
    table, truth, fold = np.array(rows), np.array(right, float), np.array(folds)
    likely = np.zeros(len(truth))
    for n in range(FOLDS):
        likely[fold == n] = 1 / (1 + np.exp(-table[fold == n] @ fitted(table[fold != n], truth[fold != n])))
    for least in (0.95, 0.9, 0.8, 0.7, 0.5):
        over = likely >= least
        if over.any():
            print(f"confidence >= {least}: {over.sum()} of {len(truth)} quotations, {truth[over].mean():.3f} right")
    for name, weight in zip(NAMES, fitted(table, truth), strict=True):
        print(f'    "{name}": {weight:.2f},')


if __name__ == "__main__":
    main()
