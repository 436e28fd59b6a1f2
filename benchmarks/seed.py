"""Score the annotate stage on the seed article: quoted segments, indirect speech, speakers, entities.

usage: python -m benchmarks.seed [FOLDER]

FOLDER (default: ``../shared/data/seed`` beside the repository) contains ``article.txt`` and ``expected.json``. If it is
absent, the script prints a message and exits with 0: the article belongs to a publisher and is not in this repository.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from transforms.annotate import annotate
from transforms.schema.records import Annotation, Quote

DEFAULT = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "seed"


def _words(text: str, spans: list[tuple[int, int]]) -> set[int]:
    return {m.start() for m in re.finditer(r"\w+", text) if any(a <= m.start() and m.end() <= b for a, b in spans)}


def _is_speaker(quote: Quote, expected: str) -> bool:
    """Whether the speaker is the expected one, by its resolved name or else as written."""
    given = quote.speaker_name or quote.speaker or ""
    return given.casefold().removeprefix("the ") == expected.casefold().removeprefix("the ")


def score(text: str, expected: dict[str, Any], found: Annotation) -> dict[str, tuple[int, int]]:
    """Count the expected quotations and entities that were found.

    A quoted segment counts if the content of a quote with the right speaker contains all its words. An indirect
    quotation counts if the intersection over union of words is at least 0.5.

    Args:
        text: the article.
        expected: the content of ``expected.json``.
        found: the output of `annotate`.

    Returns:
        ``(correct, expected)`` for ``quoted``, ``indirect`` and each entity type.
    """
    contents = [(_words(text, list(quote.spans)), quote) for quote in found.quotes]
    result: dict[str, tuple[int, int]] = {}
    for part in ("quoted", "indirect"):
        correct = 0
        for item in expected[part]:
            want = _words(text, [tuple(item["span"])])
            hits = [q for w, q in contents if (want <= w if part == "quoted" else 2 * len(w & want) >= len(w | want))]
            ok = any(_is_speaker(quote, item["speaker"]) for quote in hits)
            correct += ok
            shown = item.get("quoted") or item.get("content")
            given = [quote.speaker_name or quote.speaker for quote in hits]
            print(
                f"{'ok  ' if ok else 'MISS'} {part:8} {item['speaker']!r}: {shown[:60]!r}"
                + ("" if ok else f" -> {given}")
            )
        result[part] = (correct, len(expected[part]))
    for kind, names in expected["entities"].items():
        have = {entity.name for entity in found.entities if entity.type == kind}
        missing = [name for name in names if name not in have]
        result[kind] = (len(names) - len(missing), len(names))
        if missing:
            print(f"MISS {kind}: {', '.join(missing)}")
    return result


def main() -> None:
    """Read the article, annotate it, print the score."""
    parser = argparse.ArgumentParser(description="Score the annotate stage on the seed article.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    folder: Path = parser.parse_args().folder
    if not (folder / "article.txt").is_file() or not (folder / "expected.json").is_file():
        print(f"No seed article in {folder}: nothing to score.")
        return
    text = (folder / "article.txt").read_text(encoding="utf-8")
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    for part, (correct, total) in score(text, expected, annotate(text)).items():
        print(f"{part}: {correct} of {total}")


if __name__ == "__main__":
    main()
