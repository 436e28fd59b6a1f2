"""How sure a quotation is: the probability that its words are one quotation as found and its source is right."""

import math

from transforms.annotate.quotes.assembler import Draft

LEAST, MOST = 0.01, 0.999
"""What the model's own probabilities are held to before they count."""

# Logistic regression on PolNeAR's development set, by training/calibrate.py, which prints these tables; `always` of the
# model is held .23 lower, so that what is called 90 % sure is right in 95 of 100.
MODEL: dict[str, float] = {
    "always": -0.2,
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
    "ruled": -1.42,
}
RULES: dict[str, float] = {
    "always": 0.19,
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


def evidence(draft: Draft) -> dict[str, float]:
    """What speaks for and against a quotation, by the names of `MODEL`; what is not there is 0.

    ``content`` and ``source`` are the log odds that the model gives; ``ruled`` is 1 where it says nothing.
    """
    found = {"always": 1.0, draft.speaker.method: 1.0, draft.kind: 1.0}
    found["entity"] = float(draft.speaker.entity is not None)
    if draft.shares is None:
        return found | {"ruled": 1.0}
    return found | dict(zip(("content", "source"), map(_log_odds, draft.shares), strict=True))


def _log_odds(share: float) -> float:
    held = min(max(share, LEAST), MOST)
    return math.log(held / (1 - held))


def confidence(draft: Draft, weights: dict[str, float] = MODEL) -> float:
    """The probability that a quotation and its speaker are right, two digits.

    Args:
        draft: the quotation.
        weights: `MODEL`, or `RULES` where no model was asked.
    """
    score = sum(weights.get(name, 0.0) * value for name, value in evidence(draft).items())
    return round(1 / (1 + math.exp(-score)), 2)
