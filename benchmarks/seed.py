"""Score the annotate stage on the seed article: quoted segments, indirect speech, speakers, entities.

usage: python -m benchmarks.seed [FOLDER]

FOLDER (default ``../shared/data/seed`` beside the repository) holds ``article.txt`` and ``expected.json``. Where it is
absent the script says so and ends with exit code 0: the article is a publisher's and is not part of this repository.
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
    """Whether the resolved name is the expected one; a speaker without a name is compared as written."""
    given = quote.speaker_name or quote.speaker or ""
    return given.casefold().removeprefix("the ") == expected.casefold().removeprefix("the ")


def score(text: str, expected: dict[str, Any], found: Annotation) -> dict[str, tuple[int, int]]:
    """Count what was found with the right speaker.

    A quoted segment counts when one quote's content covers all of its words, an indirect one at an intersection over
    union of words of at least a half.

    Args:
        text: the article.
        expected: the content of ``expected.json``.
        found: what `annotate` gave.

    Returns:
        ``(right, expected)`` for ``quoted``, ``indirect`` and each type of entity.
    """
    contents = [(_words(text, list(quote.spans)), quote) for quote in found.quotes]
    result: dict[str, tuple[int, int]] = {}
    for part in ("quoted", "indirect"):
        right = 0
        for item in expected[part]:
            want = _words(text, [tuple(item["span"])])
            hits = [q for w, q in contents if (want <= w if part == "quoted" else 2 * len(w & want) >= len(w | want))]
            ok = any(_is_speaker(quote, item["speaker"]) for quote in hits)
            right += ok
            shown = item.get("quoted") or item.get("content")
            given = [quote.speaker_name or quote.speaker for quote in hits]
            print(
                f"{'ok  ' if ok else 'MISS'} {part:8} {item['speaker']!r}: {shown[:60]!r}"
                + ("" if ok else f" -> {given}")
            )
        result[part] = (right, len(expected[part]))
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
    for part, (right, total) in score(text, expected, annotate(text)).items():
        print(f"{part}: {right} of {total}")


if __name__ == "__main__":
    main()
