"""Measure accuracy of names and pronouns, and compare with spaCy's small model: python -m benchmarks.entities [SHARED]

Reads the development sets (`data/ner`, `data/coref`) of the folder SHARED (default: ../shared). If they are absent, it
prints a message and exits with 0. spaCy runs in `.venv-peers` (`make peers`) on the same texts.
"""

import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.quotes import SHARED
from training.data import Document, entity_documents, spans_of
from transforms.annotate import Annotator, Text, resolve_pronouns

PEER = Path(__file__).parent.parent / ".venv-peers/bin/python"
SETS = ("uner_ewt", "gum", "docred", "wikigold", "btc")
CLASSES = ("PERSON", "ORG", "LOC")
BATCH_SIZE = 64

Found = list[set[tuple[int, int, str]]]


def ours(documents: list[Document]) -> tuple[Found, float]:
    """Return our names per document, and the CPU seconds of the annotation, including quotations."""
    annotator = Annotator()
    start = time.process_time()
    annotations = [
        annotation
        for at in range(0, len(documents), BATCH_SIZE)
        for annotation in annotator.annotate(
            [Text(document.text, "en") for document in documents[at : at + BATCH_SIZE]]
        )
    ]
    seconds = time.process_time() - start
    return [
        {(mention.start, mention.end, entity.type) for entity in found.entities for mention in entity.mentions}
        for found in annotations
    ], seconds


def spacy_names(documents: list[Document]) -> tuple[Found, float] | None:
    """Return the names by spaCy and its CPU seconds; None if its environment is not installed."""
    if not PEER.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        texts, names = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        rows = [json.dumps({"id": number, "text": document.text}) for number, document in enumerate(documents)]
        texts.write_text("\n".join(rows), encoding="utf-8")
        subprocess.run([PEER, "-m", "benchmarks.spacy_peer", texts, names], check=True)
        *found, total = map(json.loads, names.read_text(encoding="utf-8").splitlines())
    return [{(a, b, label) for a, b, label in row["names"]} for row in found], total["seconds"]


def f1(documents: list[Document], found: Found) -> float:
    """Return the micro F1 of exact spans over the three classes."""
    hits = predicted = gold = 0
    for document, names_found in zip(documents, found, strict=True):
        expected = {span for span in spans_of(document.tokens) if span[2] in CLASSES}
        ours = {span for span in names_found if span[2] in CLASSES}
        hits, predicted, gold = hits + len(ours & expected), predicted + len(ours), gold + len(expected)
    return 2 * hits / max(1, predicted + gold)


def names(shared: Path) -> None:
    """Print F1 per set and words per CPU second, of Onrecord and of spaCy."""
    scores: dict[str, list[float]] = {"onrecord": [], "spaCy": []}
    seconds = dict.fromkeys(scores, 0.0)
    words = 0
    for name in SETS:
        documents = entity_documents(shared / "data/ner", name, "dev")
        words += sum(len(document.text.split()) for document in documents)
        row = f"{name:10}"
        for system, result in (("onrecord", ours(documents)), ("spaCy", spacy_names(documents))):
            if result is not None:
                scores[system].append(f1(documents, result[0]))
                seconds[system] += result[1]
                row += f"  {system} {100 * scores[system][-1]:.1f}"
        print(row)
    for system, values in scores.items():
        if values:
            speed = words / seconds[system]
            print(f"mean, {system}: {100 * sum(values) / len(values):.2f}; {speed:,.0f} words per CPU second")
    if not scores["spaCy"]:
        print("spaCy is not installed; to compare with it, run: make peers")


def pronouns(shared: Path) -> None:
    """Print the accuracy of he and she after two or more names of persons."""
    with gzip.open(shared / "data/coref/gum_pronouns.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    resolved: dict[str, dict[tuple[int, int], str]] = {}
    for text in {row["text"] for row in rows}:
        resolved[text] = {(found["start"], found["end"]): found["name"] for found in resolve_pronouns(text)}
    counted = [
        row
        for row in rows
        if row["pronoun"].lower() in ("he", "she") and row["names_before"] and row["n_persons_before"] >= 2
    ]
    correct = 0
    for row in counted:
        found = resolved[row["text"]].get(tuple(row["pronoun_span"]), "").casefold()
        known = {name.casefold() for name in (*row["gold_names"], row["entity"])}
        correct += bool(found) and (found in known or found.split()[-1] in {name.split()[-1] for name in known})
    print(f"he and she after two or more names of persons: {correct / len(counted):.3f} of {len(counted)} correct")


def main() -> None:
    """Print the results."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    if not (shared / "data/ner").is_dir():
        print(f"{shared} has no development sets: nothing to measure.")
        return
    names(shared)
    pronouns(shared)


if __name__ == "__main__":
    main()
