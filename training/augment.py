"""What the web does to a text, done to the training texts: marks, capitals, spaces, unknown names.

Styles of quote marks and apostrophes, accents, no-break spaces, soft hyphens and zero width change nothing that the
model reads (`transforms.annotate.model.wordpiece`), so only what is left has to be learnt here.
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
    """The document with parts of its text replaced, and all spans where they then stand.

    Args:
        document: any document.
        edits: ``(start, end, text)``, not overlapping, not empty.
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


def recased(document: Document, rng: random.Random, share: float = 0.03) -> Document:
    """Some sentences in capitals, some with each word's first letter a capital."""
    edits: list[Edit] = []
    for match in _SENTENCE.finditer(document.text):
        draw = rng.random()
        if draw < 2 * share:
            old = match.group()
            new = old.upper() if draw < share else re.sub(r"\b[a-z]", lambda m: m.group().upper(), old)
            if len(new) == len(old):
                edits.append((*match.span(), new))
    return edited(document, edits) if edits else document


def unspaced(document: Document, rng: random.Random) -> Document:
    """The space after some full stops is lost."""
    return edited(document, [(*m.span(), "") for m in _GLUED.finditer(document.text) if rng.random() < 0.3])


def unpunctuated(document: Document, rng: random.Random) -> Document:
    """Some commas, and full stops at ends of lines, are lost."""
    places = [*_COMMA.finditer(document.text), *_STOP.finditer(document.text)]
    return edited(document, [(*m.span(), "") for m in places if rng.random() < 0.3])


_STYLES = (('"', '"'), ("“", "”"), ("«", "»"), ("„", "“"), ("‘", "’"), ("'", "'"), ("''", "''"), ("``", "''"))


def remarked(document: Document, rng: random.Random) -> Document:
    """All quote marks in another style; sometimes those at the ends of paragraphs are lost."""
    paragraphs = split_paragraphs(document.text)
    quoted_spans = find_quoted_spans(document.text, paragraphs)
    opener, closer = rng.choice(_STYLES)
    lost = rng.random() < 0.15
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
            edits.append((quoted.end, quoted.outer_end, "" if lost and quoted.outer_end >= end - 1 else closer))
    return edited(document, edits) if edits else document


class Names:
    """Swaps the words of persons' names for others, the same for the same throughout a document."""

    def __init__(self, documents: Iterable[Document]) -> None:
        given: set[str] = set()
        family: set[str] = set()
        self._places: list[str] = []
        for document in documents:
            for start, end, label in document.entities or ():
                name = document.text[start:end]
                words = name.split()
                if label == "PERSON" and 2 <= len(words) <= 3 and all(w[0].isupper() and len(w) > 2 for w in words):
                    given.add(words[0])
                    family.add(words[-1])
                elif label == "LOC" and len(words) == 1 and name.istitle() and len(name) > 3:
                    self._places.append(name)
        self._given, self._family = sorted(given), sorted(family)

    def swapped(self, document: Document, rng: random.Random) -> Document:
        """The document with other names of persons."""
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
    """A document as an epoch sees it: as it is in more than half of the cases."""
    if names is not None and rng.random() < 0.25:
        document = names.swapped(document, rng)
    steps: list[tuple[float, Callable[[Document, random.Random], Document]]] = [
        (0.12, remarked),
        (0.06, unspaced),
        (0.06, unpunctuated),
        (1.0, recased),
    ]
    for share, step in steps:
        if rng.random() < share:
            document = step(document, rng)
    return document
