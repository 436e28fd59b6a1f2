"""Evaluate a model on the development sets: python -m training.measure MODEL --data DATA

For entities, it prints the F1 of exact spans over PERSON, ORG and LOC for each set. For quotations, it prints the
figures of PolNeAR for the attributions of the model without rules, by ../shared/eval/score_quotes.py.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quotes import load
from training.data import DEV_SETS, Document, entity_documents, quote_documents, spans_of
from transforms.annotate.model.attribution import decode_attributions
from transforms.annotate.model.tagger import Tagged, Tagger
from transforms.annotate.nlp.parsed_text import parse_text

THREE = ("PERSON", "ORG", "LOC")


def entity_f1(tagger: Tagger, documents: list[Document]) -> tuple[float, dict[str, float]]:
    """Return the micro F1 of exact spans over the three classes, and the F1 of each class."""
    hits, found, gold = (dict.fromkeys(THREE, 0) for _ in range(3))
    for at in range(0, len(documents), 64):
        part = documents[at : at + 64]
        for document, tagged in zip(part, tagger.tag([parse_text(d.text) for d in part]), strict=True):
            words = tagged.words
            predicted = {(int(words.starts[p.start]), int(words.ends[p.stop - 1]), p.label) for p in tagged.entities}
            gold_spans = set(spans_of(document.tokens))
            for label in THREE:
                a, b = ({s for s in spans if s[2] == label} for spans in (predicted, gold_spans))
                hits[label] += len(a & b)
                found[label] += len(a)
                gold[label] += len(b)
    each = {label: 2 * hits[label] / max(1, found[label] + gold[label]) for label in THREE}
    return 2 * sum(hits.values()) / max(1, sum(found.values()) + sum(gold.values())), each


def quotes_of(tagged: Tagged) -> dict[str, Any]:
    """Return the attributions of the model in the format of the scorer."""
    words = tagged.words

    def spans(parts: list[tuple[int, int]]) -> list[list[int]]:
        return [[int(words.starts[a]), int(words.ends[b - 1])] for a, b in parts]

    return {
        "quotes": [
            {"content": spans(q.content), "cue": spans(q.cue), "source": spans(q.source)}
            for q in decode_attributions(tagged)
        ]
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=["entities", "quotes"])
    args = parser.parse_args()
    tagger = Tagger(args.model)
    if args.only != "quotes":
        scores = []
        for name in DEV_SETS:
            score, each = entity_f1(tagger, entity_documents(args.data / "ner", name, "dev"))
            scores += [score] if name not in ("crossner", "wnut17") else []
            print(f"{name:10} {100 * score:5.1f}   " + "  ".join(f"{k} {100 * v:.1f}" for k, v in each.items()))
        print(f"mean without crossner (used for training) and wnut17: {100 * np.mean(scores):.2f}")
    if args.only != "entities":
        documents = quote_documents(args.data / "quotes/polnear.dev.jsonl.gz")
        start = time.process_time()
        tagged = tagger.tag([parse_text(document.text) for document in documents])
        seconds = time.process_time() - start
        scorer = load(args.data.parent / "eval/score_quotes.py")
        gold = scorer.read(str(args.data / "quotes/polnear.dev.jsonl.gz"))
        found = {d.name: quotes_of(t) for d, t in zip(documents, tagged, strict=True)}
        score = scorer.score(gold, found)
        words = sum(len(document.text.split()) for document in documents)
        print(f"{words / seconds:,.0f} words per CPU second")
        for name in ("content_match", "attributed", "cue", "words"):
            print(f"{name:14} " + "  ".join(f"{k} {score[name][k]:.3f}" for k in ("p", "r", "f1")))
        for kind in ("direct", "mixed", "indirect"):
            row = score[f"recall_{kind}"]
            print(f"{kind:14} match {row['match']:.3f}  attributed {row['attributed']:.3f}")


if __name__ == "__main__":
    main()
