"""Score text and metadata on public news pages, compared with trafilatura.

usage: python -m benchmarks.extract [FOLDER]

FOLDER (default ``../shared`` beside the repository) has the pages (``data/extract/*.jsonl.gz``) and the scorer
(``eval/score_extraction.py``). The pages belong to their publishers and are not part of this repository; without them
the script prints a message and ends with exit code 0. Speed is the CPU time of one process, including metadata.
"""

import argparse
import gzip
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trafilatura

from transforms.extract import extract_line

DEFAULT = Path(__file__).resolve().parents[1].parent / "shared"
SETS = ("fundus", "scrapinghub", "trafilatura")

Document = dict[str, Any]
Answer = dict[str, Any]


def load_scorer(folder: Path) -> Callable[[list[Document], dict[str, Answer]], tuple[dict[str, Any], list[Any]]] | None:
    """Return the scorer's ``score``, or None if it or a set of pages is missing."""
    file = folder / "eval" / "score_extraction.py"
    if not file.is_file() or not all(_set(folder, name).is_file() for name in SETS):
        return None
    spec = importlib.util.spec_from_file_location("score_extraction", file)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    score: Callable[[list[Document], dict[str, Answer]], tuple[dict[str, Any], list[Any]]] = module.score
    return score


def documents(folder: Path, name: str) -> list[Document]:
    """Return the pages of one set with their gold standard."""
    with gzip.open(_set(folder, name), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ours(document: Document) -> Answer:
    """Extract a page with this project."""
    return extract_line({"html": document["html"], "url": document.get("url")})


def figures(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the figures of a set: F1 of text or snippets, then metadata if the set has it."""
    text = result["text"] or result["segments"]
    yield "text F1" if result["text"] else "snippets F1", text["f1"]
    for key, shown in (
        ("empty", "empty"),
        ("glued_per_doc", "glued"),
        ("title", "title"),
        ("date", "date"),
        ("author_exact", "authors"),
    ):
        if key in result:
            yield shown, result[key]


def _set(folder: Path, name: str) -> Path:
    return folder / "data" / "extract" / f"{name}.jsonl.gz"


def _trafilatura(document: Document, **options: bool) -> Answer:
    found = trafilatura.bare_extraction(
        document["html"], url=document.get("url"), with_metadata=True, include_comments=False, **options
    )
    if found is None:
        return {"text": ""}
    return {"text": found.text, "title": found.title, "authors": found.author, "published": found.date}


WAYS: dict[str, Callable[[Document], Answer]] = {
    "onrecord": ours,
    "trafilatura": _trafilatura,
    "trafilatura, precision": lambda document: _trafilatura(document, favor_precision=True),
}


def main() -> None:
    """Extract the pages with each method and print the table."""
    parser = argparse.ArgumentParser(description="Score text and metadata on public news pages.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    folder: Path = parser.parse_args().folder
    score = load_scorer(folder)
    if score is None:
        print(f"No pages or scorer in {folder}: nothing to score.")
        return
    for name in SETS:
        pages = documents(folder, name)
        print(f"{name}, {len(pages)} pages")
        for way, extract in WAYS.items():
            extract(pages[0])  # load imports and tables first
            start = time.process_time()
            answers = {page["id"]: extract(page) for page in pages}
            speed = len(pages) / (time.process_time() - start)
            shown = "  ".join(f"{figure} {value:.3f}" for figure, value in figures(score(pages, answers)[0]))
            print(f"  {way:24} {shown}  docs/s {speed:.0f}")


if __name__ == "__main__":
    main()
