"""Quotes and names against gold, and words a second: python -m benchmarks.quotes [SHARED]

Needs the development sets and scorers (`data/quotes`, `cases`, `eval`) of the folder SHARED, ../shared unless
given; where they are absent it says so and exits with 0. None of their text is part of this project.
"""

import importlib.util
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from transforms.annotate import annotate_line

SURE = 0.9
"""From this confidence on a quotation is called sure."""

Attribution = tuple[list[list[int]], list[list[int]]]
"""Content spans and source spans."""

SHARED = Path(__file__).parent.parent.parent / "shared"


def load(path: Path) -> ModuleType:
    """A scorer, loaded from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Measured:
    """The scorer's figures on a set, its words, CPU seconds, and of the sure quotations how many are right, and all."""

    score: dict[str, Any]
    words: int
    seconds: float
    sure_right: int
    sure: int


def measured(shared: Path) -> Measured:
    """The figures on the PolNeAR development set."""
    scorer = load(shared / "eval/score_quotes.py")
    gold = scorer.read(str(shared / "data/quotes/polnear.dev.jsonl.gz"))
    start = time.process_time()
    found = {key: annotate_line({"id": key, "text": document["text"]}) for key, document in gold.items()}
    seconds = time.process_time() - start
    sure = []
    for key, document in gold.items():
        true = [(quote["content"], quote["source"]) for quote in document["quotes"]]
        mine = [(quote["content"], quote["source"]) for quote in found[key]["quotes"]]
        right = judged(scorer, document["text"], true, mine)
        sure += [yes for yes, quote in zip(right, found[key]["quotes"], strict=True) if quote["confidence"] >= SURE]
    words = sum(len(document["text"].split()) for document in gold.values())
    return Measured(scorer.score(gold, found), words, seconds, sum(sure), len(sure))


def judged(scorer: ModuleType, text: str, gold: list[Attribution], found: list[Attribution]) -> list[bool]:
    """Whether each attribution found is right, in content and source, matched one to one as the scorer does it.

    Args:
        scorer: ../shared/eval/score_quotes.py.
        text: what the spans point into.
        gold: content and source spans of the true attributions.
        found: the same of ours.
    """
    places = [match.span() for match in scorer.WORD.finditer(text)]
    true, mine = ([tuple(scorer.words(places, part) for part in pair) for pair in many] for many in (gold, found))
    pairs = sorted(
        ((scorer.iou(a[0], b[0]), i, j) for i, a in enumerate(true) for j, b in enumerate(mine) if a[0] & b[0]),
        reverse=True,
    )
    taken: set[int] = set()
    right: dict[int, bool] = {}
    for overlap, i, j in pairs:
        if overlap >= 0.5 and i not in taken and j not in right:
            taken.add(i)
            right[j] = scorer.iou(true[i][1], mine[j][1]) >= 0.5
    return [right.get(j, False) for j in range(len(found))]


def polnear(shared: Path) -> None:
    """Prints content, attribution and cue on the PolNeAR development set."""
    found = measured(shared)
    print(f"PolNeAR dev, {found.words:,} words, {found.words / found.seconds:,.0f} words a CPU second")
    for name in ("content_match", "attributed", "cue", "words"):
        row = found.score[name]
        print(f"  {name:14} precision {row['p']:.3f}  recall {row['r']:.3f}  F1 {row['f1']:.3f}")
    for kind in ("direct", "mixed", "indirect"):
        row = found.score[f"recall_{kind}"]
        print(f"  {kind:14} found {row['match']:.3f}  with the right speaker {row['attributed']:.3f}  of {row['gold']}")
    share = found.sure_right / max(1, found.sure)
    print(f"  of {found.sure} quotations with confidence {SURE} and more {share:.3f} are right")


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
