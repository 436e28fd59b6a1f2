"""Calculate the calibrated probability that a quotation and its speaker are correct."""

import math

from transforms.annotate.quotes.assembler import QuoteCandidate

MIN_PROBABILITY, MAX_PROBABILITY = 0.01, 0.999
"""Bounds for clipping the model's probabilities before log odds are calculated."""

# Weights of a logistic regression on the PolNeAR development set, as printed by training/calibrate.py. The intercept of
# the model ("intercept") is lowered by 0.23, so that 95 of 100 quotations with confidence 0.9 are correct.
MODEL_WEIGHTS: dict[str, float] = {
    "intercept": -0.2,
    "surname": -0.09,
    "pronoun": 0.05,
    "role": 0.18,
    "carried_over": 0.05,
    "label": -0.24,
    "none": -0.07,
    "mixed": -0.05,
    "indirect": -0.60,
    "entity": 0.50,
    "content": 0.33,
    "source": 0.18,
    "by_rules": -1.42,
}
RULE_WEIGHTS: dict[str, float] = {
    "intercept": 0.19,
    "surname": 0.67,
    "pronoun": 0.88,
    "role": 0.81,
    "carried_over": -1.62,
    "label": 0.19,
    "none": -2.17,
    "mixed": -0.54,
    "indirect": -0.64,
    "entity": 1.15,
}


def features(candidate: QuoteCandidate) -> dict[str, float]:
    """Return the features of the logistic regression, named as in `MODEL_WEIGHTS`; a missing feature is 0.

    ``content`` and ``source`` are the log odds of the model's probabilities; ``by_rules`` is 1 for a candidate of the
    rules, which has no such probabilities.
    """
    found = {"intercept": 1.0, candidate.speaker.method: 1.0, candidate.kind: 1.0}
    found["entity"] = float(candidate.speaker.entity is not None)
    if candidate.probabilities is None:
        return found | {"by_rules": 1.0}
    return found | dict(zip(("content", "source"), map(_log_odds, candidate.probabilities), strict=True))


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, MIN_PROBABILITY), MAX_PROBABILITY)
    return math.log(clipped / (1 - clipped))


def confidence(candidate: QuoteCandidate, weights: dict[str, float] = MODEL_WEIGHTS) -> float:
    """Return the calibrated probability that a quotation and its speaker are correct, rounded to two decimals.

    Args:
        candidate: the quotation.
        weights: `MODEL_WEIGHTS`, or `RULE_WEIGHTS` if the text was annotated without the model.
    """
    score = sum(weights.get(name, 0.0) * value for name, value in features(candidate).items())
    return round(1 / (1 + math.exp(-score)), 2)
