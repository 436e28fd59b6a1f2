"""Viterbi decoding and marginal probabilities."""

from itertools import pairwise

import numpy as np
import pytest

from transforms.annotate.model.viterbi import bio_transitions, decode_tags

TRANSITIONS = bio_transitions(5)


def _scores(rows: int, words: int, tags: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(words).normal(scale=6, size=(rows, words, tags)).astype(np.float32)


def test_marginals_of_a_long_row() -> None:
    scores = _scores(1, 190)[0].astype(np.float64)
    before, after = np.zeros_like(scores), np.zeros_like(scores)
    before[0] = scores[0] - np.array([0, 0, 1e4, 0, 1e4])
    for at in range(1, len(scores)):
        before[at] = np.logaddexp.reduce(before[at - 1][:, None] + TRANSITIONS, 0) + scores[at]
    for at in range(len(scores) - 2, -1, -1):
        after[at] = np.logaddexp.reduce(TRANSITIONS + scores[at + 1] + after[at + 1], 1)
    expected = np.exp(before + after - np.logaddexp.reduce(before[-1]))
    found = decode_tags(_scores(1, 190), TRANSITIONS, np.array([190]))
    assert found.marginals[0] == pytest.approx(expected, abs=1e-5)


def test_best_path() -> None:
    scores = _scores(1, 4)
    paths = [p for p in np.ndindex(5, 5, 5, 5) if p[0] not in (2, 4)]
    totals = [
        sum(float(scores[0, at, tag]) for at, tag in enumerate(path))
        + sum(float(TRANSITIONS[one, next_]) for one, next_ in pairwise(path))
        for path in paths
    ]
    found = decode_tags(scores, TRANSITIONS, np.array([4]))
    assert tuple(found.tags[0].tolist()) == paths[int(np.argmax(totals))]


@pytest.mark.parametrize("tags", [7, 11])
def test_rows_do_not_affect_each_other(tags: int) -> None:
    scores, counts, transitions = _scores(40, 60, tags), np.arange(21, 61), bio_transitions(tags)
    scores[:, 21:][np.arange(21, 60)[None] >= counts[:, None]] = np.nan  # after the end of the row
    together = decode_tags(scores, transitions, counts)
    for row, count in enumerate(counts):
        alone = decode_tags(scores[row : row + 1, :count], transitions, counts[row : row + 1])
        assert (alone.tags[0] == together.tags[row, :count]).all()
        assert (alone.marginals[0] == together.marginals[row, :count]).all()
