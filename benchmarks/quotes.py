"""Quotes and names against gold, and words a second: python -m benchmarks.quotes [SHARED]

Needs the development sets and scorers (`data/quotes`, `cases`, `eval`) of the folder SHARED, ../shared unless
given; where they are absent it says so and exits with 0. None of their text is part of this project.
"""

import gzip
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from transforms.annotate import annotate_line

SHARED = Path(__file__).parent.parent.parent / "shared"


def load(path: Path) -> ModuleType:
    """A scorer, loaded from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def polnear(shared: Path) -> None:
    """Prints content, attribution and cue on the PolNeAR development set."""
    scorer = load(shared / "eval/score_quotes.py")
    with gzip.open(shared / "data/quotes/polnear.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = {d["id"]: d for d in map(json.loads, lines)}
    start = time.process_time()
    found = {key: annotate_line({"id": key, "text": d["text"]}) for key, d in gold.items()}
    seconds = time.process_time() - start
    score = scorer.score(gold, found)
    words = sum(len(d["text"].split()) for d in gold.values())
    print(f"PolNeAR dev, {len(gold)} documents, {words:,} words, {words / seconds:,.0f} words a CPU second")
    for name in ("content_match", "attributed", "cue", "words"):
        row = score[name]
        print(f"  {name:14} precision {row['p']:.3f}  recall {row['r']:.3f}  F1 {row['f1']:.3f}")
    for kind in ("direct", "mixed", "indirect"):
        row = score[f"recall_{kind}"]
        print(f"  {kind:14} found {row['match']:.3f}  with the right speaker {row['attributed']:.3f}  of {row['gold']}")


def cases(shared: Path) -> None:
    """Prints how many of the small cases come out right."""
    scorer = load(shared / "eval/score_cases.py")
    for area in ("quotes", "entities"):
        total: dict[str, int] = {}
        rows: list[dict[str, Any]] = [
            json.loads(line) for line in (shared / f"cases/{area}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for case in rows:
            verdict, _ = scorer.JUDGES[area](case, annotate_line({"id": case["id"], **case["input"]}))
            for key, right in verdict.items():
                total[key] = total.get(key, 0) + right
        print(f"Cases, {area}: " + ", ".join(f"{key} {right} of {len(rows)}" for key, right in total.items()))


def main() -> None:
    """Prints the figures."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    if not (shared / "data/quotes").is_dir():
        print(f"{shared} has no development sets: nothing to measure against.")
        return
    polnear(shared)
    cases(shared)


if __name__ == "__main__":
    main()
