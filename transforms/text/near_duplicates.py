"""Find near-duplicate texts by sketches of their word shingles.

A shingle is three consecutive words, without letter case and punctuation. A text's `sketch` is the smallest hashes of
its shingles (Broder, "On the resemblance and containment of documents", 1997), the same on every machine. From two
sketches follows the share of a text that is in another one, even if that text is several times as long.
"""

import re
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

SKETCH = 64
"""Maximum number of hashes in a sketch; a text with fewer shingles has a hash for each of them."""

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Character ranges of scripts without spaces between words, for a class in a regular expression."""
_SIZE = 3
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


def sketch(text: str) -> "array[int]":
    """Return the `SKETCH` smallest hashes of a text's distinct shingles, in ascending order."""
    return array("Q", (int.from_bytes(each, "big") for each in sorted(_shingles(text))[:SKETCH]))


def to_column(found: "array[int]") -> tuple[int, ...]:
    """Convert a `sketch` to signed numbers, for the column ``articles.sketch``."""
    return tuple(array("q", found.tobytes()))


def from_column(numbers: Iterable[int]) -> "array[int]":
    """Convert the column ``articles.sketch`` back to a `sketch`, the inverse of `to_column`."""
    return array("Q", array("q", numbers).tobytes())


def likeness(one: "array[int]", other: "array[int]") -> tuple[float, float]:
    """Return the share of the shorter of two texts that is in the longer one, and the ratio of their lengths.

    Args:
        one: a `sketch`.
        other: a `sketch`.

    Returns:
        The share of the shorter text's shingles that both texts contain, and the length of the shorter text divided by
        that of the longer one. Both are 0 to 1, exact for texts of up to `SKETCH` shingles, else an estimate.
    """
    # Both sketches are complete up to the smaller of their last hashes, so these hashes are an unbiased sample.
    last = min((each[-1] for each in (one, other) if len(each) == SKETCH), default=(1 << 64) - 1)
    first, second = ({value for value in each if value <= last} for each in (one, other))
    shorter, longer = sorted((len(first), len(second)))
    return (len(first & second) / shorter, shorter / longer) if shorter else (0.0, 0.0)


@lru_cache(maxsize=1)
def _shingles(text: str) -> frozenset[bytes]:
    return frozenset(blake2b(each.encode("utf-8", "surrogatepass"), digest_size=8).digest() for each in _phrases(text))


def _phrases(text: str) -> Iterator[str]:
    words = _WORD.findall(text.casefold())
    if words and len(words) < _SIZE:
        yield " ".join(words)
    yield from map(" ".join, zip(*(words[start:] for start in range(_SIZE)), strict=False))
