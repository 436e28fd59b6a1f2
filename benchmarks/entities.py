"""Names and pronouns against gold, spaCy's small model beside: python -m benchmarks.entities [SHARED]

Needs the development sets (`data/ner`, `data/coref`) of the folder SHARED, ../shared unless given; where they are
absent it says so and exits with 0. spaCy runs in `.venv-peers` (`make peers`) over the same texts in the same run.
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
BATCH = 64

Found = list[set[tuple[int, int, str]]]


def ours(documents: list[Document]) -> tuple[Found, float]:
    """Our names a document, and the CPU seconds of the whole annotation, quotations too."""
    annotator = Annotator()
    start = time.process_time()
    annotations = [
        annotation
        for at in range(0, len(documents), BATCH)
        for annotation in annotator.annotate([Text(document.text, "en") for document in documents[at : at + BATCH]])
    ]
    seconds = time.process_time() - start
    return [
        {(mention.start, mention.end, entity.type) for entity in found.entities for mention in entity.mentions}
        for found in annotations
    ], seconds


def spacys(documents: list[Document]) -> tuple[Found, float] | None:
    """spaCy's; None where its environment is missing."""
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
    """Micro F1 of exact spans over the three classes."""
    hits = predicted = gold = 0
    for document, mine in zip(documents, found, strict=True):
        true = {span for span in spans_of(document.tokens) if span[2] in CLASSES}
        mine = {span for span in mine if span[2] in CLASSES}
        hits, predicted, gold = hits + len(mine & true), predicted + len(mine), gold + len(true)
    return 2 * hits / max(1, predicted + gold)


def names(shared: Path) -> None:
    """Prints F1 a set and words a CPU second, ours and spaCy's."""
    scores: dict[str, list[float]] = {"onrecord": [], "spaCy": []}
    seconds = dict.fromkeys(scores, 0.0)
    words = 0
    for name in SETS:
        documents = entity_documents(shared / "data/ner", name, "dev")
        words += sum(len(document.text.split()) for document in documents)
        row = f"{name:10}"
        for who, result in (("onrecord", ours(documents)), ("spaCy", spacys(documents))):
            if result is not None:
                scores[who].append(f1(documents, result[0]))
                seconds[who] += result[1]
                row += f"  {who} {100 * scores[who][-1]:.1f}"
        print(row)
    for who, values in scores.items():
        if values:
            speed = words / seconds[who]
            print(f"mean, {who}: {100 * sum(values) / len(values):.2f}; {speed:,.0f} words a CPU second")
    if not scores["spaCy"]:
        print("spaCy is not there to compare with: make peers")


def pronouns(shared: Path) -> None:
    """Prints how many of he and she go to the right person, with two or more persons named before."""
    with gzip.open(shared / "data/coref/gum_pronouns.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    answers: dict[str, dict[tuple[int, int], str]] = {}
    for text in {row["text"] for row in rows}:
        answers[text] = {(found["start"], found["end"]): found["name"] for found in resolve_pronouns(text)}
    asked = [
        row
        for row in rows
        if row["pronoun"].lower() in ("he", "she") and row["names_before"] and row["n_persons_before"] >= 2
    ]
    right = 0
    for row in asked:
        found = answers[row["text"]].get(tuple(row["pronoun_span"]), "").casefold()
        known = {name.casefold() for name in (*row["gold_names"], row["entity"])}
        right += bool(found) and (found in known or found.split()[-1] in {name.split()[-1] for name in known})
    print(f"he and she, two or more persons named before: {right / len(asked):.3f} of {len(asked)} right")


def main() -> None:
    """Prints the figures."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    if not (shared / "data/ner").is_dir():
        print(f"{shared} has no development sets: nothing to measure against.")
        return
    names(shared)
    pronouns(shared)


if __name__ == "__main__":
    main()
