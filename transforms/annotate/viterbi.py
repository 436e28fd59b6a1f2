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
    rows, length, tags = scores.shape
    inside = np.arange(length)[None] < counts[:, None]
    scores = np.where(inside[..., None], scores, 0.0).astype(np.float32)
    forward = np.empty((length, rows, tags), np.float32)
    back = np.empty((length, rows, tags), np.int64)
    best = scores[:, 0].copy()
    best[:, 2::2] -= 1e4
    total = best.copy()
    forward[0] = total
    for at in range(1, length):
        paths = best[:, :, None] + moves
        back[at] = paths.argmax(1)
        on = inside[:, at, None]
        best = np.where(on, np.take_along_axis(paths, back[at][:, None], 1)[:, 0] + scores[:, at], best)
        total = np.where(on, _log_sum(total[:, :, None] + moves, 1) + scores[:, at], total)
        forward[at] = total
    return Tagging(*_backward(scores, moves, inside, forward, back, best))


def _backward(
    scores: Floats, moves: Floats, inside: NDArray[np.bool_], forward: Floats, back: NDArray[np.int64], best: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    rows, length, tags = scores.shape
    tag = best.argmax(1)
    path = np.zeros((rows, length), np.int64)
    marginals = np.empty((rows, length, tags), np.float32)
    behind: Floats = np.zeros((rows, tags), np.float32)
    everything = _log_sum(forward[-1], 1)[:, None]
    for at in range(length - 1, -1, -1):
        path[:, at] = tag
        marginals[:, at] = forward[at] + behind - everything
        if at:
            on = inside[:, at]
            tag = np.where(on, np.take_along_axis(back[at], tag[:, None], 1)[:, 0], tag)
            behind = np.where(on[:, None], _log_sum(moves[None] + (scores[:, at] + behind)[:, None], 2), behind)
    np.exp(np.minimum(marginals, 0.0), out=marginals)
    return path, np.take_along_axis(marginals, path[..., None], 2)[..., 0], marginals


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis, keepdims=True)
    summed: Floats = np.log(np.exp(values - most).sum(axis)) + most.squeeze(axis)
    return summed


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
