"""Tag scores to tags: the best path under transitions, and the share of all paths that each tag has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tagging:
    """[rows, words] best tags and the marginal probability of each; [rows, words, tags] all marginals."""

    tags: NDArray[np.int64]
    probability: Floats
    marginals: Floats


def inside_only(tags: int) -> Floats:
    """[from, to] scores of tags O, B, I, B, I ... that keep an I behind its own B or I."""
    moves = np.zeros((tags, tags), np.float32)
    for inside in range(2, tags, 2):
        moves[:, inside] = -1e4
        moves[inside - 1, inside] = moves[inside, inside] = 0.0
    return moves


def best_path(scores: Floats, moves: Floats, counts: NDArray[np.int64]) -> Tagging:
    """Viterbi and forward-backward for rows of different lengths at once.

    Args:
        scores: [rows, words, tags]; tags are O, B, I, B, I ...
        moves: [from, to] transition scores; no row begins with an I.
        counts: the words of each row; what lies behind is ignored.

    Returns:
        The tagging; behind a row's words it means nothing.
    """
    # [words, tags, rows]: each step is a few operations over all rows, and these lie side by side in memory.
    rows, length, tags = scores.shape
    inside = np.arange(length)[:, None] < counts
    scores = np.where(inside[:, None], np.ascontiguousarray(scores.transpose(1, 2, 0)), 0.0).astype(np.float32)
    steps, weights = moves[..., None], np.exp(moves)[..., None]
    best = np.empty((length, tags, rows), np.float32)
    forward = np.empty_like(best)
    best[0] = scores[0]
    best[0, 2::2] -= 1e4
    forward[0] = best[0]
    for at in range(1, length):
        on, own = inside[at], scores[at]
        best[at] = np.where(on, (best[at - 1][:, None] + steps).max(0) + own, best[at - 1])
        forward[at] = np.where(on, _log_sum_exp(forward[at - 1], weights) + own, forward[at - 1])
    return Tagging(*_backward(scores, moves, inside, best, forward))


def _backward(
    scores: Floats, moves: Floats, inside: NDArray[np.bool_], best: Floats, forward: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    length, tags, rows = scores.shape
    into = np.ascontiguousarray(moves.T)
    weights = np.exp(into)[..., None]
    tag = best[-1].argmax(0)
    path = np.zeros((length, rows), np.int64)
    marginals = np.empty((length, tags, rows), np.float32)
    behind: Floats = np.zeros((tags, rows), np.float32)
    for at in range(length - 1, -1, -1):
        path[at] = tag
        marginals[at] = forward[at] + behind
        if at:
            on = inside[at]
            tag = np.where(on, (best[at - 1] + into[tag].T).argmax(0), tag)
            behind = np.where(on, _log_sum_exp(scores[at] + behind, weights), behind)
    marginals = np.ascontiguousarray(marginals.transpose(2, 0, 1))
    np.exp(marginals - marginals.max(2, keepdims=True), out=marginals)
    marginals /= marginals.sum(2, keepdims=True)
    tagged = np.ascontiguousarray(path.T)
    return tagged, np.take_along_axis(marginals, tagged[..., None], 2)[..., 0], marginals


def _log_sum_exp(values: Floats, weights: Floats) -> Floats:
    """The logarithm of what values, logarithms themselves, come to under weights, but for what a row has in common.

    So numbers stay small however long the text. No matrix product: that rounds a row by how many others there are, and
    a text's tags hang on that text alone.

    Args:
        values: [from, rows].
        weights: [from, to, 1].
    """
    sums = (np.exp(values - values.max(0))[:, None] * weights).sum(0)
    logs: Floats = np.log(np.maximum(sums, _LEAST))
    return logs


_LEAST = np.finfo(np.float32).tiny


def spans_of(tags: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """``(start, stop, label)`` of each span in a row of tags; label ``n`` has the tags ``1 + 2n`` and ``2 + 2n``."""
    found: list[tuple[int, int, int]] = []
    for at in np.flatnonzero(tags).tolist():
        tag = int(tags[at])
        label = (tag - 1) // 2
        if tag % 2 == 0 and found and found[-1][1] == at and found[-1][2] == label:
            found[-1] = (found[-1][0], at + 1, label)
        else:
            found.append((at, at + 1, label))
    return found
