"""Convert documents into labelled windows, and windows into batches."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import LABELS, Document, Span
from training.network import BUCKET_EDGES, BUCKETS, ENTITY_TAGS
from transforms.annotate.model.wordpiece import Ints, Vocabulary, Words, encode, inputs, windows
from transforms.annotate.nlp.parsed_text import parse_text

ENTITY_NUMBER = {label: number for number, label in enumerate(LABELS)}


@dataclass(slots=True)
class LabelledCue:
    """A cue in a window, by its first and last word."""

    first: int
    last: int
    roles: NDArray[np.int64]
    """[words]: 0 for neither, 1 for content, 2 for source of this cue."""


@dataclass(slots=True)
class Example:
    """A labelled window of a document."""

    ids: Ints
    cases: Ints
    states: Ints
    firsts: Ints
    paragraph: Ints
    allowed: NDArray[np.bool_] | None = None
    """[words, ENTITY_TAGS]: whether the gold annotations allow the tag."""
    tags: NDArray[np.int64] | None = None
    """[words]: quotation tags."""
    cues: list[LabelledCue] = field(default_factory=list)


def examples(document: Document, vocabulary: Vocabulary, sizes: tuple[int, ...], rng: random.Random) -> list[Example]:
    """Return the labelled windows of a document.

    Args:
        document: the document.
        vocabulary: the vocabulary of the model.
        sizes: maximum sizes of windows in word pieces; one of them is chosen at random.
        rng: source of randomness.
    """
    words = encode(parse_text(document.text), vocabulary)
    allowed = _allowed(document, words) if document.entities is not None else None
    tags, owners = _quote_tags(document, words) if document.quotes is not None else (None, None)
    found = []
    for span in windows(words, rng.choice(sizes)):
        start, stop = span
        ids, cases, states, firsts = inputs(words, span, vocabulary)
        example = Example(ids, cases, states, firsts, words.paragraph[start:stop])
        if allowed is not None:
            example.allowed = allowed[start:stop].copy()
            _begin_with_b(example.allowed)
        if tags is not None and owners is not None:
            example.tags = tags[start:stop].copy()
            if example.tags[0] in (2, 4, 6):
                example.tags[0] -= 1
            example.cues = _cues(example.tags, owners[start:stop])
        found.append(example)
    return found


def _begin_with_b(allowed: NDArray[np.bool_]) -> None:
    """Give the first word of a window the tag B if a name continues from the window before."""
    inside = allowed[0, 2::2]
    if not allowed[0, 0]:
        allowed[0, 1::2] |= inside
    allowed[0, 2::2] = False


def _word_ranges(words: Words, spans: Iterable[Span]) -> Iterator[tuple[int, int]]:
    for start, end in spans:
        first = int(np.searchsorted(words.starts, start))
        stop = int(np.searchsorted(words.ends, end, side="right"))
        if first < stop:
            yield first, stop


def _allowed(document: Document, words: Words) -> NDArray[np.bool_]:
    allowed = np.zeros((len(words), ENTITY_TAGS), bool)
    allowed[:, 0] = True
    for label in document.open_labels:
        allowed[:, 1 + 2 * ENTITY_NUMBER[label] : 3 + 2 * ENTITY_NUMBER[label]] = True
    for start, end, label in document.entities or ():
        first = int(np.searchsorted(words.starts, start))
        stop = int(np.searchsorted(words.starts, end))
        for place in range(first, stop):
            allowed[place] = False
            allowed[place, 1 + 2 * ENTITY_NUMBER[label] + (place > first)] = True
    return allowed


def _quote_tags(document: Document, words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each word its tag and the index of its quotation, -1 for none."""
    tags = np.zeros(len(words), np.int64)
    owners = np.full(len(words), -1, np.int64)
    for number, quote in enumerate(document.quotes or ()):
        for part, spans in enumerate((quote.content, quote.cue, quote.source)):
            for first, stop in _word_ranges(words, spans):
                tags[first:stop] = 2 + 2 * part
                tags[first] = 1 + 2 * part
                owners[first:stop] = number
    for place in range(1, len(tags)):
        # A span that overlaps another loses its beginning, so the rest needs a B tag.
        inside = tags[place] in (2, 4, 6)
        if inside and tags[place - 1] not in (tags[place], tags[place] - 1):
            tags[place] -= 1
    return tags, owners


def _cues(tags: NDArray[np.int64], owners: NDArray[np.int64]) -> list[LabelledCue]:
    is_cue = (tags == 3) | (tags == 4)
    found = []
    for number in dict.fromkeys(owners[is_cue].tolist()):
        places = np.flatnonzero(is_cue & (owners == number))
        mine = owners == number
        roles = np.where(mine & ((tags == 1) | (tags == 2)), 1, np.where(mine & (tags >= 5), 2, 0))
        found.append(LabelledCue(int(places[0]), int(places[-1]), roles))
    return found


class Batch(NamedTuple):
    """Padded windows of similar lengths; tensors have the shape [windows, pieces] or [windows, words]."""

    ids: Tensor
    cases: Tensor
    states: Tensor
    mask: Tensor
    firsts: Tensor
    word_mask: Tensor
    paragraph: Tensor
    allowed: Tensor | None
    tags: Tensor | None
    cues: list[tuple[int, LabelledCue]]


def batches(found: list[Example], pieces: int, rng: random.Random) -> list[list[Example]]:
    """Group windows of similar lengths, in random order.

    Args:
        found: the windows; the list is shuffled.
        pieces: maximum number of padded word pieces in a group of several windows.
        rng: source of randomness.
    """
    rng.shuffle(found)
    groups: list[list[Example]] = []
    chunk = 4096
    for at in range(0, len(found), chunk):
        part = sorted(found[at : at + chunk], key=lambda e: len(e.ids))
        group: list[Example] = []
        for example in part:
            if group and len(example.ids) * (len(group) + 1) > pieces:
                groups.append(group)
                group = []
            group.append(example)
        if group:
            groups.append(group)
    rng.shuffle(groups)
    return groups


def _padded(rows: list[NDArray[np.int32]], length: int) -> Tensor:
    out = np.zeros((len(rows), length), np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(out)


def collate(group: list[Example]) -> Batch:
    """Return a padded batch of windows."""
    pieces = max(len(e.ids) for e in group)
    count = max(len(e.firsts) for e in group)
    lengths = torch.tensor([len(e.ids) for e in group])
    counts = torch.tensor([len(e.firsts) for e in group])
    allowed = tags = None
    if group[0].allowed is not None:
        table = np.ones((len(group), count, ENTITY_TAGS), bool)
        for row, example in zip(table, group, strict=True):
            row[: len(example.firsts)] = example.allowed
        allowed = torch.from_numpy(table)
    if group[0].tags is not None:
        tags = _padded([e.tags for e in group if e.tags is not None], count)  # type: ignore[misc]
    return Batch(
        ids=_padded([e.ids for e in group], pieces),
        cases=_padded([e.cases for e in group], pieces),
        states=_padded([e.states for e in group], pieces),
        mask=torch.arange(pieces)[None] < lengths[:, None],
        firsts=_padded([e.firsts for e in group], count),
        word_mask=torch.arange(count)[None] < counts[:, None],
        paragraph=_padded([e.paragraph for e in group], count),
        allowed=allowed,
        tags=tags,
        cues=[(number, cue) for number, example in enumerate(group) for cue in example.cues],
    )


def buckets(distance: Tensor) -> Tensor:
    """Map signed distances in words to indices of distance buckets."""
    far = torch.bucketize(distance.abs(), torch.tensor(BUCKET_EDGES), right=True)
    return torch.where(distance < 0, BUCKETS // 2 - far, BUCKETS // 2 + far).clamp(0, BUCKETS - 1)
