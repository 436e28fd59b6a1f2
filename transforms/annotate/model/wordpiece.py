"""Encode texts for the network: word pieces, letter case, quotation state, windows.

Every punctuation mark is a word, as in BERT's tokenizer, so that an entity can begin or end at any mark. All styles of
quotation marks and apostrophes give the same word piece. Accents, soft hyphens and zero-width characters are removed.
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
"""Maximum number of word pieces per word; the rest of a longer word (a URL, a line of code) is dropped."""
WINDOW = 192
"""Maximum number of word pieces in a window, including special tokens; the longest window used in training."""
CASES = 22
"""Number of letter-case classes: eleven shapes, each for first and for later pieces of a word."""
STATES = 7
"""Number of quotation states."""
OUTSIDE, OPEN, CLOSE, SHORT, MIDDLE, LONG, UNCLOSED = range(STATES)
"""Quotation state of a word: outside; opening or closing mark; inside 1-3, 4-8, 9 or more words; not closed."""

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
    """The words of a text as arrays of shape [words], except ``first``, ``piece_ids`` and ``cases``."""

    starts: Ints
    """Offsets in code points."""
    ends: Ints
    """Offsets in code points, exclusive."""
    paragraph: Ints
    sentence: Ints
    states: Ints
    """Quotation states."""
    first: Ints
    """[words + 1]: word ``w`` has the pieces from ``first[w]`` to ``first[w + 1]``, exclusive."""
    piece_ids: Ints
    """[pieces]: word pieces, as indices into the vocabulary."""
    cases: Ints
    """[pieces]: letter-case classes."""

    def __len__(self) -> int:
        return len(self.starts)


class Vocabulary:
    """Split words into word pieces (WordPiece, Wu et al. 2016, in BERT's version), with a cache of words.

    Args:
        pieces: the vocabulary, in the order of its indices.
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self._ids: Mapping[str, int] = {piece: number for number, piece in enumerate(pieces)}
        self.unknown, self.cls, self.sep = (self._ids[name] for name in ("[UNK]", "[CLS]", "[SEP]"))
        self._cache: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def split(self, word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the piece ids and the letter-case classes of a word, one of each per piece."""
        found = self._cache.get(word)
        if found is None:
            if len(self._cache) > 200_000:
                self._cache.clear()
            ids = self._split(normalize_word(word)) or (self.unknown,)
            case = 2 * _case(word)
            found = self._cache[word] = (ids, (case,) + (case + 1,) * (len(ids) - 1))
        return found

    def _split(self, word: str) -> tuple[int, ...]:
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


def normalize_word(word: str) -> str:
    """Return a word in lower case, without accents, and with one style of quotation marks, hyphens and dots."""
    if word in ("``", "''"):
        return '"'
    low = word.lower()
    if low.isascii() and low != "`":
        return low
    bare = unicodedata.normalize("NFD", _DROPPED.sub("", low).translate(_SAME))
    return "".join(letter for letter in bare if unicodedata.category(letter) != "Mn")


def _case(word: str) -> int:
    """Return the letter-case class of a word, 0 to 10."""
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
    """Encode a parsed text. Time is linear in its length."""
    starts: list[int] = []
    ends: list[int] = []
    paragraph: list[int] = []
    sentence: list[int] = []
    pieces: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for number, parsed_sentence in enumerate(parsed.sentences):
        before = len(starts)
        for match in _WORD.finditer(parsed.text, parsed_sentence.start, parsed_sentence.end):
            start, end = match.span()
            starts.append(start)
            ends.append(end)
            pieces.append(vocabulary.split(match[0]))
        paragraph.extend([parsed_sentence.paragraph] * (len(starts) - before))
        sentence.extend([number] * (len(starts) - before))
    first = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(np.fromiter((len(ids) for ids, _ in pieces), np.int32, len(pieces)), out=first[1:])
    begin = np.array(starts, np.int32)
    return Words(
        starts=begin,
        ends=np.array(ends, np.int32),
        paragraph=np.array(paragraph, np.int32),
        sentence=np.array(sentence, np.int32),
        states=_states(parsed, begin),
        first=first,
        piece_ids=np.fromiter(chain.from_iterable(ids for ids, _ in pieces), np.int32, first[-1]),
        cases=np.fromiter(chain.from_iterable(cases for _, cases in pieces), np.int32, first[-1]),
    )


def _states(parsed: ParsedText, starts: Ints) -> Ints:
    states = np.zeros(len(starts), np.int32)
    offsets = [(quoted.outer_start, quoted.start, quoted.end, quoted.outer_end) for quoted in parsed.quoted_spans]
    boundaries = np.searchsorted(starts, np.array(offsets, np.int32).reshape(-1, 4))
    for quoted, (outer, start, end, stop) in zip(parsed.quoted_spans, boundaries.tolist(), strict=True):
        states[outer:start], states[end:stop] = OPEN, CLOSE
        if not quoted.closed and not quoted.continues:
            states[start:end] = UNCLOSED
        else:
            count = end - start if quoted.closed else 99
            states[start:end] = SHORT if count <= 3 else MIDDLE if count <= 8 else LONG
    return states


def windows(words: Words, size: int = WINDOW) -> Iterator[tuple[int, int]]:
    """Divide the words of a text into windows: at paragraphs if they fit, else at sentences, else at words.

    Args:
        words: the words of the text.
        size: maximum number of pieces in a window, including one at the start and one after each paragraph.

    Yields:
        Ranges of words, end exclusive, that cover all words in order.
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
                for first, end in _sentence_ranges(words, at, stop, size):
                    need = int(words.first[end] - words.first[first]) + 1
                    if used + need > size and first > begin:
                        yield begin, first
                        begin, used = first, 1
                    used += need - 1
                used += 1
        at = stop
    yield begin, len(words)


def _sentence_ranges(words: Words, at: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the sentences of a paragraph; one that is too long for a window is divided."""
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
    """Return the ends, exclusive, of the sequences of equal numbers."""
    return [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]


def inputs(words: Words, window: tuple[int, int], vocabulary: Vocabulary) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the input of the network for one window.

    Args:
        words: the words of the text.
        window: first word of the window, and the word after its last one.
        vocabulary: the vocabulary of the model.

    Returns:
        Piece ids, letter-case classes and quotation states, each [pieces], and [words] positions of the first pieces.
    """
    start, stop = window
    low, high = int(words.first[start]), int(words.first[stop])
    counts = np.diff(words.first[start : stop + 1])
    breaks = np.array(_ends(words.paragraph[start:stop]), np.int32)
    after = np.zeros(stop - start, np.int32)
    after[breaks[:-1]] = 1
    shift = np.cumsum(after) + 1
    positions = np.arange(high - low, dtype=np.int32) + np.repeat(shift, counts)
    length = high - low + len(breaks) + 1
    ids = np.full(length, vocabulary.sep, np.int32)
    cases, states = np.zeros(length, np.int32), np.zeros(length, np.int32)
    ids[0] = vocabulary.cls
    ids[positions] = words.piece_ids[low:high]
    cases[positions] = words.cases[low:high]
    states[positions] = np.repeat(words.states[start:stop], counts)
    return ids, cases, states, positions[words.first[start:stop] - low]
