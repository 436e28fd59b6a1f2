"""Read the data sets as documents: texts with entity spans and quotations, as code point offsets."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from corpus.read import held_out_ids, read_article

LABELS = ("PERSON", "ORG", "LOC", "NORP", "MISC")
SETS = {"uner_ewt": 1.0, "gum": 1.0, "docred": 1.0, "wikigold": 1.0, "crossner": 1.0, "btc": 0.3}
"""Entity sets, and the share of each set per epoch; re3d, multiner_lk and wnut17 made the model worse."""
DEV_SETS = ("uner_ewt", "gum", "docred", "wikigold", "crossner", "btc", "wnut17")
_MERGED = {"FACILITY": "LOC", "EVENT": "MISC", "PRODUCT": "MISC", "WORK_OF_ART": "MISC"}

Span = tuple[int, int]


@dataclass(slots=True)
class Quotation:
    """One attribution. Each part can have several spans; source and cue can be empty."""

    content: list[Span]
    cue: list[Span]
    source: list[Span]


@dataclass(slots=True)
class Document:
    """A text and its gold annotations."""

    text: str
    entities: list[tuple[int, int, str]] | None = None
    open_labels: frozenset[str] = frozenset()
    """Labels that the set does not annotate completely, so that an untagged word can have one of them."""
    quotes: list[Quotation] | None = None
    name: str = ""
    tokens: list[tuple[Span, str]] = field(default_factory=list)
    """The span and the gold tag of each token, for evaluation."""


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a gzip file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def entity_documents(folder: Path, name: str, split: str, rng: random.Random | None = None) -> list[Document]:
    """Return the documents of an entity set.

    Args:
        folder: the folder of the sets.
        name: the name of the set.
        split: ``train`` or ``dev``.
        rng: source of random line breaks between sentences; None to join sentences with spaces.
    """
    about = json.loads((folder / "sets.json").read_text(encoding="utf-8"))[name]
    exhaustive = {_MERGED.get(label, label) for label in about["exhaustive"]}
    partial = {_MERGED.get(label, label) for label in about["partial"]}
    unsure = frozenset(label for label in LABELS if label not in exhaustive or label in partial)
    rows = read_lines(folder / f"{name}.{split}.jsonl.gz")
    # These sets consist of single posts, not of documents.
    alone = name in ("btc", "wnut17")
    found = []
    for document, sentences in groupby(rows, key=lambda row: row["doc"]):
        rows_of_document = list(sentences)
        parts = [rows_of_document] if not alone else [[row] for row in rows_of_document]
        if alone and rng is not None:
            flat = [part[0] for part in parts]
            rng.shuffle(flat)
            parts = [flat[i : i + 4] for i in range(0, len(flat), 4)]
        for part in parts:
            lines = 0.0 if rng is None else 1.0 if alone else rng.choice((0.1, 0.4, 1.0))
            found.append(_joined(part, document, unsure, lines, rng))
    return found


def _joined(
    rows: list[dict[str, Any]], name: str, unsure: frozenset[str], lines: float, rng: random.Random | None
) -> Document:
    text, tokens = "", []
    for row in rows:
        if text:
            text += "\n" if rng is not None and rng.random() < lines else " "
        spaces = row.get("space_after") or guessed_spaces(row["tokens"])
        for token, tag, space in zip(row["tokens"], row["tags"], spaces, strict=True):
            tokens.append(((len(text), len(text) + len(token)), tag))
            text += token + (" " if space else "")
        text = text.rstrip(" ")
    return Document(text, spans_of(tokens), unsure, name=name, tokens=tokens)


def spans_of(tokens: list[tuple[Span, str]]) -> list[tuple[int, int, str]]:
    """Return the spans of tagged tokens, with merged labels."""
    found: list[tuple[int, int, str]] = []
    for (start, end), tag in tokens:
        if tag == "O":
            continue
        label = _MERGED.get(tag[2:], tag[2:])
        if tag[0] == "I" and found and found[-1][2] == label:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
    return found


_NO_SPACE_BEFORE = re.compile(r"[.,;:!?%)\]}]|'s|'|n't|'(?:re|ve|ll|d|m|t)|…|\.\.\.", re.IGNORECASE)


def guessed_spaces(tokens: list[str]) -> list[bool]:
    """Guess whether a space follows each token, for sets without this information."""
    spaces = [True] * len(tokens)
    inside = {'"': False, "'": False}
    for index, token in enumerate(tokens):
        glued = index > 0 and _NO_SPACE_BEFORE.fullmatch(token) is not None
        if token in ("(", "[", "{", "$", "£", "“", "‘", "``", "-", "–", "/") and token not in ("-", "–"):
            spaces[index] = False
        if token in ("-", "/") and index > 0:
            spaces[index - 1] = spaces[index] = False
        if token == '"':
            inside[token] = not inside[token]
            spaces[index] = not inside[token]
            glued = not inside[token]
        elif token in ("”", "’", "''"):
            glued = True
        if glued and index:
            spaces[index - 1] = False
    return spaces


def quote_documents(path: Path) -> list[Document]:
    """Return the documents of PolNeAR."""
    return [
        Document(
            row["text"],
            quotes=[
                Quotation(*([(a, b) for a, b in quote[part]] for part in ("content", "cue", "source")))
                for quote in row["quotes"]
            ],
            name=row["id"],
        )
        for row in read_lines(path)
    ]


def corpus_documents(folder: Path, part: str = "train") -> list[Document]:
    """Read the documents of our own corpus, with entities and quotations.

    Attitudes (believes, hopes) count as quotations here, as in PolNeAR.

    Args:
        folder: a language's folder, such as ``corpus/en``.
        part: ``train`` or ``test``.
    """
    held_out = held_out_ids(folder.parent)
    found = []
    for path in sorted(folder.glob("*.txt")):
        if (path.stem in held_out) != (part == "test"):
            continue
        article = read_article(path)
        spans = [(m[0], m[1], e["type"]) for e in article["entities"] for m in e["mentions"]]
        quotes = [
            Quotation(*([(a, b) for a, b, _ in quote[key]] for key in ("content", "cue", "source")))
            for quote in article["quotes"]
        ]
        found.append(Document(article["text"], sorted(spans), frozenset({"MISC"}), quotes=quotes, name=article["id"]))
    return found
