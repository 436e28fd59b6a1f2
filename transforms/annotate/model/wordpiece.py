"""Words into what the model reads: word pieces, letter case, quote state, windows.

Words are cut at every punctuation mark, as BERT's own tokeniser does, so a name can begin or end at any mark. Quote
marks and apostrophes of all styles give the same piece, and what the eye does not see (accents, soft hyphens, zero
width) changes no piece: these forms need not be learnt.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from transforms.annotate.nlp.parsed_text import ParsedText

MAX_PIECES = 12
"""A word of more pieces (an address, a line of code) is cut off there."""
WINDOW = 192
"""Pieces that the model sees at once, its special ones among them; it was trained on no longer windows."""
CASES = 22
STATES = 7
OUTSIDE, OPEN, CLOSE, SHORT, MIDDLE, LONG, UNCLOSED = range(STATES)
"""Where a word stands: outside of quote marks, a mark, in a closed run of 1-3, 4-8, 9 or more words, in an open one."""

_INVISIBLE = "\u00ad\u200b-\u200f\u2060\ufeff"
_MARKS = "\u0300-\u036f"
_WORD = re.compile(rf"``|''|[^\W_](?:[^\W_]|[{_MARKS}{_INVISIBLE}](?!\s))*|[^\w\s{_INVISIBLE}]|_")
_DROPPED = re.compile(rf"[{_INVISIBLE}]")
_SAME = str.maketrans(
    dict.fromkeys("“”„‟«»‹›＂「」『』", '"') | dict.fromkeys("‘’‚‛´`", "'") | dict.fromkeys("‐‑‒", "-") | {"…": "."}
)

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text as arrays, one place a word: offsets, paragraph, quote state, and where its pieces begin."""

    starts: Ints
    ends: Ints
    paragraph: Ints
    sentence: Ints
    states: Ints
    first: Ints
    """One more than there are words: word ``w`` has the pieces ``first[w]`` up to ``first[w + 1]``."""
    piece_ids: Ints
    cases: Ints

    def __len__(self) -> int:
        return len(self.starts)


class Vocabulary:
    """WordPiece (Wu et al. 2016), as BERT has it, over single words; each distinct word is cut once and remembered."""

    def __init__(self, piece_ids: Iterable[str]) -> None:
        self._ids: Mapping[str, int] = {piece: number for number, piece in enumerate(piece_ids)}
        self.unknown, self.cls, self.sep = (self._ids[name] for name in ("[UNK]", "[CLS]", "[SEP]"))
        self._known: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def cut(self, word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pieces and case classes of a word as it stands."""
        found = self._known.get(word)
        if found is None:
            if len(self._known) > 200_000:
                self._known.clear()
            ids = self._cut(plain(word)) or (self.unknown,)
            case = 2 * _case(word)
            found = self._known[word] = (ids, (case,) + (case + 1,) * (len(ids) - 1))
        return found

    def _cut(self, word: str) -> tuple[int, ...]:
        ids: list[int] = []
        at = 0
        while at < len(word) and len(ids) < MAX_PIECES:
            for stop in range(min(len(word), at + 24), at, -1):
                found = self._ids.get(word[at:stop] if at == 0 else "##" + word[at:stop])
                if found is not None:
                    break
            else:
                return (self.unknown,)
            ids.append(found)
            at = stop
        return tuple(ids)


def plain(word: str) -> str:
    """A word without case, accents, and marks that differ in style alone."""
    if word in ("``", "''"):
        return '"'
    low = word.lower()
    if low.isascii() and low != "`":
        return low
    bare = unicodedata.normalize("NFD", _DROPPED.sub("", low).translate(_SAME))
    return "".join(letter for letter in bare if unicodedata.category(letter) != "Mn")


def _case(word: str) -> int:
    """One of eleven shapes of a word's letters."""
    if not word[0].isalnum():
        return 0
    if word.isdigit():
        return 1
    if any(letter.isdigit() for letter in word):
        return 2 if word[0].isdigit() else 3
    if word.islower():
        return 4
    if word.isupper():
        return 5 if len(word) == 1 else 6
    if word[0].isupper():
        return 7 if word[1:].islower() else 8
    return 9 if word != word.lower() else 10


def encode(parsed: ParsedText, vocabulary: Vocabulary) -> Words:
    """The words of a text that was taken apart. Linear in its length."""
    starts: list[int] = []
    ends: list[int] = []
    paragraph: list[int] = []
    sentence: list[int] = []
    cut: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for number, part in enumerate(parsed.sentences):
        before = len(starts)
        for match in _WORD.finditer(parsed.text, part.start, part.end):
            start, end = match.span()
            starts.append(start)
            ends.append(end)
            cut.append(vocabulary.cut(match[0]))
        paragraph.extend([part.paragraph] * (len(starts) - before))
        sentence.extend([number] * (len(starts) - before))
    first = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(np.fromiter((len(ids) for ids, _ in cut), np.int32, len(cut)), out=first[1:])
    begin = np.array(starts, np.int32)
    return Words(
        starts=begin,
        ends=np.array(ends, np.int32),
        paragraph=np.array(paragraph, np.int32),
        sentence=np.array(sentence, np.int32),
        states=_states(parsed, begin),
        first=first,
        piece_ids=np.fromiter(chain.from_iterable(ids for ids, _ in cut), np.int32, first[-1]),
        cases=np.fromiter(chain.from_iterable(cases for _, cases in cut), np.int32, first[-1]),
    )


def _states(parsed: ParsedText, starts: Ints) -> Ints:
    states = np.zeros(len(starts), np.int32)
    edges = [(quoted.outer_start, quoted.start, quoted.end, quoted.outer_end) for quoted in parsed.quoted_spans]
    places = np.searchsorted(starts, np.array(edges, np.int32).reshape(-1, 4))
    for quoted, (outer, start, end, stop) in zip(parsed.quoted_spans, places.tolist(), strict=True):
        states[outer:start], states[end:stop] = OPEN, CLOSE
        if not quoted.closed and not quoted.continues:
            states[start:end] = UNCLOSED
        else:
            count = end - start if quoted.closed else 99
            states[start:end] = SHORT if count <= 3 else MIDDLE if count <= 8 else LONG
    return states


def windows(words: Words, size: int = WINDOW) -> Iterator[tuple[int, int]]:
    """Cut a text's words into windows: whole paragraphs where they fit, else whole sentences, else what fits.

    Args:
        words: the text's words.
        size: how many pieces a window may have, one to begin it and one behind each paragraph counted.

    Yields:
        Ranges of words, end exclusive, that cover all of them in order.
    """
    if not len(words):
        return
    ends = _ends(words.paragraph)
    begin, used = 0, 1
    at = 0
    for stop in ends:
        need = int(words.first[stop] - words.first[at]) + 1
        if used + need <= size:
            used += need
        else:
            if 1 + need <= size and at > begin:
                yield begin, at
                begin, used = at, 1 + need
            else:
                for part in _parts(words, at, stop, size):
                    need = int(words.first[part[1]] - words.first[part[0]]) + 1
                    if used + need > size and part[0] > begin:
                        yield begin, part[0]
                        begin, used = part[0], 1
                    used += need - 1
                used += 1
        at = stop
    yield begin, len(words)


def _parts(words: Words, at: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """A paragraph's sentences; one that fits into no window is cut where that is full."""
    begin = at
    for offset in _ends(words.sentence[at:stop]):
        end = at + offset
        while words.first[end] - words.first[begin] > size - 2:
            full = int(np.searchsorted(words.first, words.first[begin] + size - 2, side="right")) - 1
            yield begin, full
            begin = full
        yield begin, end
        begin = end


def _ends(numbers: Ints) -> list[int]:
    """Where runs of equal numbers end."""
    return [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]


def inputs(words: Words, span: tuple[int, int], vocabulary: Vocabulary) -> tuple[Ints, Ints, Ints, Ints]:
    """What the model reads of a window.

    Returns:
        Piece ids, case classes and quote states, each one a piece, and for each word the place of its first piece.
    """
    start, stop = span
    low, high = int(words.first[start]), int(words.first[stop])
    counts = np.diff(words.first[start : stop + 1])
    breaks = np.array(_ends(words.paragraph[start:stop]), np.int32)
    after = np.zeros(stop - start, np.int32)
    after[breaks[:-1]] = 1
    shift = np.cumsum(after) + 1
    places = np.arange(high - low, dtype=np.int32) + np.repeat(shift, counts)
    length = high - low + len(breaks) + 1
    ids = np.full(length, vocabulary.sep, np.int32)
    cases, states = np.zeros(length, np.int32), np.zeros(length, np.int32)
    ids[0] = vocabulary.cls
    ids[places] = words.piece_ids[low:high]
    cases[places] = words.cases[low:high]
    states[places] = np.repeat(words.states[start:stop], counts)
    return ids, cases, states, places[words.first[start:stop] - low]
