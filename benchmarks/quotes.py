"""Measure accuracy of quotes and entities, and words per second: python -m benchmarks.quotes [SHARED]

Reads the development sets and scorers (`data/quotes`, `cases`, `eval`) of the folder SHARED (default: ../shared). If
they are absent, it prints a message and exits with 0. None of their text is part of this project.
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

MIN_CONFIDENCE = 0.9
"""Confidence from which quotations are counted as confident."""

ContentAndSource = tuple[list[list[int]], list[list[int]]]
"""Content spans and source spans of a quotation."""

SHARED = Path(__file__).parent.parent.parent / "shared"


def load(path: Path) -> ModuleType:
    """Load a scorer from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results on a development set."""

    score: dict[str, Any]
    """Output of the scorer."""
    words: int
    seconds: float
    """CPU time."""
    confident: int
    """Quotations with at least `MIN_CONFIDENCE`."""
    confident_correct: int


def measure(shared: Path) -> Measurement:
    """Measure on the PolNeAR development set."""
    scorer = load(shared / "eval/score_quotes.py")
    gold = scorer.read(str(shared / "data/quotes/polnear.dev.jsonl.gz"))
    start = time.process_time()
    found = {key: annotate_line({"id": key, "text": document["text"]}) for key, document in gold.items()}
    seconds = time.process_time() - start
    confident: list[bool] = []
    for key, document in gold.items():
        expected = [(quote["content"], quote["source"]) for quote in document["quotes"]]
        ours = [(quote["content"], quote["source"]) for quote in found[key]["quotes"]]
        correct = judged(scorer, document["text"], expected, ours)
        confident += [
            yes
            for yes, quote in zip(correct, found[key]["quotes"], strict=True)
            if quote["confidence"] >= MIN_CONFIDENCE
        ]
    words = sum(len(document["text"].split()) for document in gold.values())
    return Measurement(scorer.score(gold, found), words, seconds, len(confident), sum(confident))


def judged(scorer: ModuleType, text: str, gold: list[ContentAndSource], found: list[ContentAndSource]) -> list[bool]:
    """Return whether each quotation found has the right content and source, matched one to one as by the scorer.

    Args:
        scorer: ../shared/eval/score_quotes.py.
        text: the text; spans are code point offsets into it.
        gold: content and source spans of the gold quotations.
        found: content and source spans of our quotations.
    """
    places = [match.span() for match in scorer.WORD.finditer(text)]
    expected, ours = ([tuple(scorer.words(places, part) for part in pair) for pair in many] for many in (gold, found))
    pairs = sorted(
        ((scorer.iou(a[0], b[0]), i, j) for i, a in enumerate(expected) for j, b in enumerate(ours) if a[0] & b[0]),
        reverse=True,
    )
    matched: set[int] = set()
    correct: dict[int, bool] = {}
    for overlap, i, j in pairs:
        if overlap >= 0.5 and i not in matched and j not in correct:
            matched.add(i)
            correct[j] = scorer.iou(expected[i][1], ours[j][1]) >= 0.5
    return [correct.get(j, False) for j in range(len(found))]


def polnear(shared: Path) -> None:
    """Print the accuracy of content, attribution and cue on the PolNeAR development set."""
    found = measure(shared)
    print(f"PolNeAR dev, {found.words:,} words, {found.words / found.seconds:,.0f} words per CPU second")
    for name in ("content_match", "attributed", "cue", "words"):
        row = found.score[name]
        print(f"  {name:14} precision {row['p']:.3f}  recall {row['r']:.3f}  F1 {row['f1']:.3f}")
    for kind in ("direct", "mixed", "indirect"):
        row = found.score[f"recall_{kind}"]
        print(f"  {kind:14} found {row['match']:.3f}  with the right speaker {row['attributed']:.3f}  of {row['gold']}")
    share = found.confident_correct / max(1, found.confident)
    print(f"  of {found.confident} quotations with confidence {MIN_CONFIDENCE} and more, {share:.3f} are correct")


def cases(shared: Path) -> None:
    """Print how many of the small cases are correct."""
    scorer = load(shared / "eval/score_cases.py")
    for area in ("quotes", "entities"):
        total: dict[str, int] = {}
        rows: list[dict[str, Any]] = [
            json.loads(line) for line in (shared / f"cases/{area}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for case in rows:
            verdict, _ = scorer.JUDGES[area](case, annotate_line({"id": case["id"], **case["input"]}))
            for key, correct in verdict.items():
                total[key] = total.get(key, 0) + correct
        print(f"Cases, {area}: " + ", ".join(f"{key} {correct} of {len(rows)}" for key, correct in total.items()))


def main() -> None:
    """Print the results."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    if not (shared / "data/quotes").is_dir():
        print(f"{shared} has no development sets: nothing to measure.")
        return
    polnear(shared)
    cases(shared)


if __name__ == "__main__":
    main()
