"""Augment training texts with variation found on the web: quotation marks, letter case, spaces, unknown names.

Styles of quotation marks and apostrophes, accents, no-break spaces, soft hyphens and zero-width characters need no
augmentation: they do not change the input of the model (`transforms.annotate.model.wordpiece`).
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from training.data import Document, Quotation, Span
from transforms.annotate.nlp.quotation_marks import find_quoted_spans, split_paragraphs

Edit = tuple[int, int, str]

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+[\"”’']?|\n|$)")
_GLUED = re.compile(r"(?<=[a-z][.!?])(?:(?<=.)|(?<=[\"”])) (?=[A-Z“\"])")
_COMMA = re.compile(r"(?<=\w),(?= )")
_STOP = re.compile(r"(?<=\w)\.(?=\n|$)")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def edited(document: Document, edits: Iterable[Edit]) -> Document:
    """Replace parts of the text of a document, and move all its spans accordingly.

    Args:
        document: any document.
        edits: ``(start, end, text)`` with a replacement, without overlap and not empty.
    """
    edits = sorted(edits)
    lengths = np.ones(len(document.text), np.int64)
    parts, at = [], 0
    for start, end, new in edits:
        lengths[start:end] = 0
        lengths[start] = len(new)
        parts += [document.text[at:start], new]
        at = end
    places = np.concatenate([[0], np.cumsum(lengths)])

    def moved(spans: Iterable[Span]) -> list[Span]:
        found = [(int(places[a]), int(places[b])) for a, b in spans]
        return [(a, b) for a, b in found if a < b]

    entities, quotes = document.entities, document.quotes
    if entities is not None:
        kept = [(int(places[a]), int(places[b]), label) for a, b, label in entities]
        entities = [entity for entity in kept if entity[0] < entity[1]]
    if quotes is not None:
        quotes = [Quotation(moved(q.content), moved(q.cue), moved(q.source)) for q in quotes]
    return replace(document, text="".join([*parts, document.text[at:]]), entities=entities, quotes=quotes, tokens=[])


def recased(document: Document, rng: random.Random, probability: float = 0.03) -> Document:
    """Write some sentences in upper case, and some in title case."""
    edits: list[Edit] = []
    for match in _SENTENCE.finditer(document.text):
        draw = rng.random()
        if draw < 2 * probability:
            old = match.group()
            new = old.upper() if draw < probability else re.sub(r"\b[a-z]", lambda m: m.group().upper(), old)
            if len(new) == len(old):
                edits.append((*match.span(), new))
    return edited(document, edits) if edits else document


def unspaced(document: Document, rng: random.Random) -> Document:
    """Remove the space after some full stops."""
    return edited(document, [(*m.span(), "") for m in _GLUED.finditer(document.text) if rng.random() < 0.3])


def unpunctuated(document: Document, rng: random.Random) -> Document:
    """Remove some commas, and some full stops at line ends."""
    matches = [*_COMMA.finditer(document.text), *_STOP.finditer(document.text)]
    return edited(document, [(*m.span(), "") for m in matches if rng.random() < 0.3])


_STYLES = (('"', '"'), ("“", "”"), ("«", "»"), ("„", "“"), ("‘", "’"), ("'", "'"), ("''", "''"), ("``", "''"))


def with_other_marks(document: Document, rng: random.Random) -> Document:
    """Replace all quotation marks by another style, and sometimes remove those at the ends of paragraphs."""
    paragraphs = split_paragraphs(document.text)
    quoted_spans = find_quoted_spans(document.text, paragraphs)
    opener, closer = rng.choice(_STYLES)
    remove = rng.random() < 0.15
    edits: list[Edit] = []
    for quoted in quoted_spans:
        single = len(opener) == 1 and opener in "‘'"
        if quoted.outer_start == quoted.start or (
            single and "'" in document.text[quoted.start : quoted.end].replace("’", "'")
        ):
            continue
        edits.append((quoted.outer_start, quoted.start, opener))
        if quoted.end < quoted.outer_end:
            end = paragraphs[quoted.paragraph][1]
            edits.append((quoted.end, quoted.outer_end, "" if remove and quoted.outer_end >= end - 1 else closer))
    return edited(document, edits) if edits else document


class Names:
    """Replace the words of persons' names, each by the same word throughout a document.

    Args:
        documents: documents with entities, from which the names are taken.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        given: set[str] = set()
        family: set[str] = set()
        for document in documents:
            for start, end, label in document.entities or ():
                words = document.text[start:end].split()
                if label == "PERSON" and 2 <= len(words) <= 3 and all(w[0].isupper() and len(w) > 2 for w in words):
                    given.add(words[0])
                    family.add(words[-1])
        self._given, self._family = sorted(given), sorted(family)

    def swapped(self, document: Document, rng: random.Random) -> Document:
        """Return the document with other names of persons."""
        chosen: dict[str, str] = {}
        edits: list[Edit] = []
        last_words = {
            words[-1]
            for a, b, label in document.entities or ()
            if label == "PERSON" and (words := document.text[a:b].split())
        }
        for start, end, label in document.entities or ():
            if label != "PERSON":
                continue
            for match in _LETTERS.finditer(document.text, start, end):
                word = match.group()
                if len(word) < 3 or not word.istitle():
                    continue
                pool = self._family if word in last_words else self._given
                edits.append((*match.span(), chosen.setdefault(word, rng.choice(pool))))
        return edited(document, edits) if edits else document


def augmented(document: Document, rng: random.Random, names: Names | None = None) -> Document:
    """Augment a document at random; more than half of the documents stay unchanged."""
    if names is not None and rng.random() < 0.25:
        document = names.swapped(document, rng)
    steps: list[tuple[float, Callable[[Document, random.Random], Document]]] = [
        (0.12, with_other_marks),
        (0.06, unspaced),
        (0.06, unpunctuated),
        (1.0, recased),
    ]
    for probability, step in steps:
        if rng.random() < probability:
            document = step(document, rng)
    return document
