"""The texts by which stories are known, found by hashes that they share with another: some 700 bytes of memory each."""

import tempfile
import weakref
from array import array
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from transforms.text.near_duplicates import SKETCH

INDEXED = 32
"""The smallest hashes of an original's sketch, by which it is found."""
COMMON = 100
"""A hash of more originals than this is a phrase that sites set under each article, and finds nothing any more."""
_FRESH = 1_024 * INDEXED
"""Hashes that are looked up in a dictionary, before they become a sorted array of twelve bytes each."""
_MERGED = 1 << 18
"""Two such arrays become one while the shorter is smaller than this: a merge needs three times their memory."""


class SketchIndex:
    """SketchIndex by number, in the order in which they came."""

    def __init__(self) -> None:
        self.story_ids: list[str] = []
        self.article_ids: list[str] = []
        """Their pages; empty where that is the page of a copy."""
        self.numbers: dict[str, int] = {}
        """story_id -> number"""
        self._sizes = bytearray()
        self._sketches = tempfile.TemporaryFile(prefix="onrecord-")  # noqa: SIM115 - ends with this object
        weakref.finalize(self, self._sketches.close)
        self._fresh: dict[int, list[int]] = {}
        self._fresh_size = 0
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []

    def add(self, story_id: str, article_id: str, sketch: "array[int]") -> int:
        """Takes an original, and gives its number; of one story that is known already, the number that it has."""
        if story_id in self.numbers:
            return self.numbers[story_id]
        number = self.numbers[story_id] = len(self.story_ids)
        self.story_ids.append(story_id)
        self.article_ids.append(article_id)
        self._sizes.append(len(sketch))
        self._sketches.seek(number * SKETCH * sketch.itemsize)
        self._sketches.write(sketch.tobytes())
        for value in sketch[:INDEXED]:
            self._fresh.setdefault(value, []).append(number)
        self._fresh_size += min(len(sketch), INDEXED)
        if self._fresh_size >= _FRESH:
            self._settle()
        return number

    def sketch(self, number: int) -> "array[int]":
        """An original's sketch."""
        found: array[int] = array("Q")
        self._sketches.seek(number * SKETCH * found.itemsize)
        found.frombytes(self._sketches.read(self._sizes[number] * found.itemsize))
        return found

    def sharing(self, own: "array[int]") -> Counter[int]:
        """The originals that have hashes of a sketch among those that they are found by, and how many."""
        values = np.frombuffer(own, np.uint64)
        fresh = [self._fresh.get(value, ()) for value in own]
        sizes = np.fromiter(map(len, fresh), np.int64, len(fresh))
        spans = []
        for hashes, numbers in self._runs:
            first, end = np.searchsorted(hashes, values), np.searchsorted(hashes, values, side="right")
            sizes += end - first
            spans.append((numbers, first, end))
        shared: Counter[int] = Counter()
        for at in np.flatnonzero((sizes > 0) & (sizes <= COMMON)).tolist():
            shared.update(fresh[at])
            for numbers, first, end in spans:
                shared.update(numbers[first[at] : end[at]].tolist())
        return shared

    def _settle(self) -> None:
        pairs = [(value, number) for value, numbers in self._fresh.items() for number in numbers]
        self._fresh, self._fresh_size = {}, 0
        run = _sorted(np.array([v for v, _ in pairs], np.uint64), np.array([n for _, n in pairs], np.uint32))
        while self._runs and len(self._runs[-1][0]) <= min(len(run[0]), _MERGED):
            before = self._runs.pop()
            run = _sorted(np.concatenate([before[0], run[0]]), np.concatenate([before[1], run[1]]))
        self._runs.append(run)


def _sorted(hashes: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], numbers[order]
