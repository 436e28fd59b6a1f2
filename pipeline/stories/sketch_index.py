"""Index the originals of stories by the hashes of their sketches, with about 700 bytes of memory each."""

import tempfile
import weakref
from array import array
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from transforms.text.near_duplicates import SKETCH

INDEXED = 32
"""Number of indexed hashes per original: the smallest of its sketch."""
COMMON = 100
"""Maximum number of originals with one hash; beyond it, the hash is a phrase on all pages of a site and is ignored."""
_RECENT = 1_024 * INDEXED
"""Number of hashes kept in a dictionary before they are moved to a sorted array with twelve bytes each."""
_MERGED = 1 << 18
"""Arrays are merged while the shorter one is smaller than this, since a merge needs three times their memory."""


class SketchIndex:
    """Originals with their sketches, numbered in the order of insertion."""

    def __init__(self) -> None:
        self.story_ids: list[str] = []
        self.article_ids: list[str] = []
        """The page of each original; empty if only a copy is known."""
        self.numbers: dict[str, int] = {}
        """story_id -> number"""
        self._sizes = bytearray()
        self._sketches = tempfile.TemporaryFile(prefix="onrecord-")  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._sketches.close)
        self._recent: dict[int, list[int]] = {}
        self._recent_size = 0
        self._arrays: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []

    def add(self, story_id: str, article_id: str, sketch: "array[int]") -> int:
        """Add an original, unless its story is in the index already; returns the number of the story's original."""
        if story_id in self.numbers:
            return self.numbers[story_id]
        number = self.numbers[story_id] = len(self.story_ids)
        self.story_ids.append(story_id)
        self.article_ids.append(article_id)
        self._sizes.append(len(sketch))
        self._sketches.seek(number * SKETCH * sketch.itemsize)
        self._sketches.write(sketch.tobytes())
        for value in sketch[:INDEXED]:
            self._recent.setdefault(value, []).append(number)
        self._recent_size += min(len(sketch), INDEXED)
        if self._recent_size >= _RECENT:
            self._move_to_array()
        return number

    def sketch(self, number: int) -> "array[int]":
        """The sketch of an original."""
        found: array[int] = array("Q")
        self._sketches.seek(number * SKETCH * found.itemsize)
        found.frombytes(self._sketches.read(self._sizes[number] * found.itemsize))
        return found

    def sharing(self, own: "array[int]") -> Counter[int]:
        """The originals that share indexed hashes with a sketch, and the number of shared hashes."""
        values = np.frombuffer(own, np.uint64)
        recent = [self._recent.get(value, ()) for value in own]
        sizes = np.fromiter(map(len, recent), np.int64, len(recent))
        spans = []
        for hashes, numbers in self._arrays:
            first, end = np.searchsorted(hashes, values), np.searchsorted(hashes, values, side="right")
            sizes += end - first
            spans.append((numbers, first, end))
        shared: Counter[int] = Counter()
        for at in np.flatnonzero((sizes > 0) & (sizes <= COMMON)).tolist():
            shared.update(recent[at])
            for numbers, first, end in spans:
                shared.update(numbers[first[at] : end[at]].tolist())
        return shared

    def _move_to_array(self) -> None:
        pairs = [(value, number) for value, numbers in self._recent.items() for number in numbers]
        self._recent, self._recent_size = {}, 0
        merged = _sorted(np.array([v for v, _ in pairs], np.uint64), np.array([n for _, n in pairs], np.uint32))
        while self._arrays and len(self._arrays[-1][0]) <= min(len(merged[0]), _MERGED):
            before = self._arrays.pop()
            merged = _sorted(np.concatenate([before[0], merged[0]]), np.concatenate([before[1], merged[1]]))
        self._arrays.append(merged)


def _sorted(hashes: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], numbers[order]
