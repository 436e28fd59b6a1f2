"""Decode tag scores into the best tag sequence and marginal tag probabilities (Viterbi, forward-backward)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tagging:
    """The decoded tags of several rows; values after the last word of a row are meaningless."""

    tags: NDArray[np.int64]
    """[rows, words]: the best tags."""
    probability: Floats
    """[rows, words]: the marginal probability of each best tag, 0 to 1."""
    marginals: Floats
    """[rows, words, tags]: the marginal probability of every tag, 0 to 1."""


def bio_transitions(tags: int) -> Floats:
    """Return transition scores that allow an I tag only after the B or I tag of its label.

    Args:
        tags: the number of tags, in the order O, B, I, B, I ...

    Returns:
        [from, to] log scores: 0 for an allowed transition, -10,000 for another.
    """
    transitions = np.zeros((tags, tags), np.float32)
    for inside in range(2, tags, 2):
        transitions[:, inside] = -1e4
        transitions[inside - 1, inside] = transitions[inside, inside] = 0.0
    return transitions


def decode_tags(scores: Floats, transitions: Floats, counts: NDArray[np.int64]) -> Tagging:
    """Decode rows of different lengths together, with a linear-chain CRF (Lafferty et al. 2001).

    The best tags come from the Viterbi algorithm, the marginal probabilities from forward-backward. A row never begins
    with an I tag.

    Args:
        scores: [rows, words, tags] unnormalised log scores; the tags are O, B, I, B, I ...
        transitions: [from, to] log scores.
        counts: [rows] number of words in each row; later scores are ignored.

    Returns:
        Best tags and marginal probabilities of all rows.
    """
    # The layout is [words, tags, rows], so that each step is a few operations over rows adjacent in memory.
    rows, length, tags = scores.shape
    inside = np.arange(length)[:, None] < counts
    scores = np.where(inside[:, None], np.ascontiguousarray(scores.transpose(1, 2, 0)), 0.0).astype(np.float32)
    steps, weights = transitions[..., None], np.exp(transitions)[..., None]
    best = np.empty((length, tags, rows), np.float32)
    forward = np.empty_like(best)
    best[0] = scores[0]
    best[0, 2::2] -= 1e4
    forward[0] = best[0]
    for at in range(1, length):
        active, emitted = inside[at], scores[at]
        best[at] = np.where(active, (best[at - 1][:, None] + steps).max(0) + emitted, best[at - 1])
        forward[at] = np.where(active, _log_sum_exp(forward[at - 1], weights) + emitted, forward[at - 1])
    return Tagging(*_backward(scores, transitions, inside, best, forward))


def _backward(
    scores: Floats, transitions: Floats, inside: NDArray[np.bool_], best: Floats, forward: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    length, tags, rows = scores.shape
    transposed = np.ascontiguousarray(transitions.T)
    weights = np.exp(transposed)[..., None]
    tag = best[-1].argmax(0)
    path = np.zeros((length, rows), np.int64)
    marginals = np.empty((length, tags, rows), np.float32)
    backward: Floats = np.zeros((tags, rows), np.float32)
    for at in range(length - 1, -1, -1):
        path[at] = tag
        marginals[at] = forward[at] + backward
        if at:
            active = inside[at]
            tag = np.where(active, (best[at - 1] + transposed[tag].T).argmax(0), tag)
            backward = np.where(active, _log_sum_exp(scores[at] + backward, weights), backward)
    marginals = np.ascontiguousarray(marginals.transpose(2, 0, 1))
    np.exp(marginals - marginals.max(2, keepdims=True), out=marginals)
    marginals /= marginals.sum(2, keepdims=True)
    tagged = np.ascontiguousarray(path.T)
    return tagged, np.take_along_axis(marginals, tagged[..., None], 2)[..., 0], marginals


def _log_sum_exp(values: Floats, weights: Floats) -> Floats:
    """Return log-sum-exp of ``values`` under ``weights``, up to a constant per row.

    Without the constant, numbers stay small in long texts. A matrix product is not used, because its rounding depends
    on the number of rows, and the tags of a text must depend on that text alone.

    Args:
        values: [from, rows] log probabilities, unnormalised.
        weights: [from, to, 1] transition weights, not logarithms.

    Returns:
        [to, rows] log probabilities, unnormalised.
    """
    sums = (np.exp(values - values.max(0))[:, None] * weights).sum(0)
    logs: Floats = np.log(np.maximum(sums, _LEAST))
    return logs


_LEAST = np.finfo(np.float32).tiny


def spans_of(tags: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Convert a row of tags into spans.

    Args:
        tags: [words]; label ``n`` has the B tag ``1 + 2n`` and the I tag ``2 + 2n``.

    Returns:
        ``(start, stop, label)`` for each span, in words, end exclusive.
    """
    found: list[tuple[int, int, int]] = []
    for at in np.flatnonzero(tags).tolist():
        tag = int(tags[at])
        label = (tag - 1) // 2
        if tag % 2 == 0 and found and found[-1][1] == at and found[-1][2] == label:
            found[-1] = (found[-1][0], at + 1, label)
        else:
            found.append((at, at + 1, label))
    return found
