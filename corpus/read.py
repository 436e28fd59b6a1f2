"""Reads the corpus: files with inline markup become texts with offsets.

`python corpus/read.py PATH ...` checks files and prints what is wrong in them; with `--jsonl` it prints an object an
article: id, language, the head's values, text, entities, quotes, references, not_speech. Offsets are code points into
`text`, end exclusive. corpus/GUIDE.md describes the markup.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TAG = re.compile(r"<(/?)([a-z]+)((?:\s+[a-z]+=\"[^\"<>]*\")*)\s*>")
_ATTRIBUTE = re.compile(r"([a-z]+)=\"([^\"<>]*)\"")
_TYPES = {"p": "PERSON", "o": "ORG", "l": "LOC", "n": "NORP"}
_ALLOWED = {**{tag: {"n"} for tag in "polnr"}, "q": {"i", "k", "by"}, "c": {"i"}, "s": {"i"}, "x": set()}
_KINDS = ("direct", "mixed", "indirect", "attitude")
_HEAD = ("id", "kind", "country", "style", "features")


class CorpusError(ValueError):
    """A file of the corpus is not as corpus/GUIDE.md asks."""


@dataclass
class Element:
    """A tag with its span."""

    tag: str
    attributes: dict[str, str]
    start: int
    end: int = -1
    inside: list[str] = field(default_factory=list)


def parse_markup(marked: str) -> tuple[str, list[Element]]:
    """Splits marked text into plain text and elements, in order of their start.

    Raises:
        CorpusError: a tag is unknown, overlaps another or is not closed.
    """
    text: list[str] = []
    elements: list[Element] = []
    stack: list[Element] = []
    length = last = 0
    for match in _TAG.finditer(marked):
        between = marked[last : match.start()]
        if "<" in between or ">" in between:
            raise CorpusError(f"stray < or > near {between.strip()[:60]!r}")
        text.append(between)
        length, last = length + len(between), match.end()
        closing, tag, attributes = match.groups()
        if tag not in _ALLOWED:
            raise CorpusError(f"unknown tag {match.group()}")
        if closing:
            if not stack or stack[-1].tag != tag:
                raise CorpusError(f"</{tag}> does not close <{stack[-1].tag if stack else ''}> near {between[-50:]!r}")
            stack.pop().end = length
            continue
        found = dict(_ATTRIBUTE.findall(attributes))
        if set(found) - _ALLOWED[tag]:
            raise CorpusError(f"attribute not allowed in {match.group()}")
        element = Element(tag, found, length, inside=[e.tag for e in stack])
        elements.append(element)
        stack.append(element)
    if stack:
        raise CorpusError(f"<{stack[-1].tag}> is not closed")
    rest = marked[last:]
    if "<" in rest or ">" in rest:
        raise CorpusError(f"stray < or > near {rest.strip()[:60]!r}")
    return "".join([*text, rest]), elements


def read_article(path: Path) -> dict[str, Any]:
    """One article as a JSON-ready object.

    Raises:
        CorpusError: the head or the markup is not valid.
    """
    head_text, separator, marked = path.read_text(encoding="utf-8").partition("\n---\n")
    if not separator:
        raise CorpusError("no line '---' behind the head")
    head = dict(line.split(": ", 1) for line in head_text.strip().splitlines() if ": " in line)
    if missing := [key for key in _HEAD if key not in head]:
        raise CorpusError(f"the head lacks {', '.join(missing)}")
    text, elements = parse_markup(marked.strip("\n") + "\n")
    text = text.rstrip("\n")
    entities: dict[tuple[str, str], list[list[Any]]] = {}
    quotes: dict[int, dict[str, Any]] = {}
    references: list[dict[str, Any]] = []
    for e in elements:
        surface = text[e.start : e.end]
        span = [e.start, e.end, surface]
        if not surface.strip() or surface != surface.strip():
            raise CorpusError(f"<{e.tag}> is empty or has white space at its edge: {surface!r}")
        if "\n" in surface:
            raise CorpusError(f"<{e.tag}> holds a line's end: {surface[:60]!r}")
        if e.tag in _TYPES:
            entities.setdefault((e.attributes.get("n", surface), _TYPES[e.tag]), []).append(span)
        elif e.tag == "r":
            if "n" not in e.attributes:
                raise CorpusError(f"<r> without n: {surface!r}")
            references.append({"span": span, "name": e.attributes["n"]})
        elif e.tag != "x":
            _add_to_quote(quotes, e, span)
    _check_quotes(quotes)
    names = {name for name, _ in entities}
    if lost := sorted({str(r["name"]) for r in references} - names):
        raise CorpusError(f"<r> means a name that no entity has: {', '.join(lost)}")
    speakers = {str(q["speaker"]) for q in quotes.values()}
    if lost := sorted(s for s in speakers if not s.startswith("~") and s not in names):
        raise CorpusError(f"by names a speaker that no entity has: {', '.join(lost)}")
    return {
        **head,
        "language": head["id"].split("-")[0],
        "features": head["features"].split(", "),
        "text": text,
        "entities": [{"name": n, "type": t, "mentions": m} for (n, t), m in entities.items()],
        "quotes": [quotes[i] for i in sorted(quotes)],
        "references": references,
        "not_speech": [[e.start, e.end, text[e.start : e.end]] for e in elements if e.tag == "x"],
    }


def held_out_ids(folder: Path) -> frozenset[str]:
    """The ids of the articles that are never trained on, from the plans (``plan*.tsv``) of the corpus."""
    rows = [
        line.split("\t") for plan in sorted(folder.glob("plan*.tsv")) for line in plan.read_text("utf-8").splitlines()
    ]
    return frozenset(row[0] for row in rows if row[-1] == "test")


def _add_to_quote(quotes: dict[int, dict[str, Any]], e: Element, span: list[Any]) -> None:
    if not e.attributes.get("i", "").isdigit():
        raise CorpusError(f"<{e.tag}> without a number i: {span[2]!r}")
    quote = quotes.setdefault(int(e.attributes["i"]), {"content": [], "cue": [], "source": []})
    if e.tag == "q":
        if "q" in e.inside:
            raise CorpusError(f"<q> inside <q>: {span[2]!r}")
        for key, name in (("k", "kind"), ("by", "speaker")):
            if key in e.attributes:
                quote.setdefault(name, e.attributes[key])
    quote[{"q": "content", "c": "cue", "s": "source"}[e.tag]].append(span)


def _check_quotes(quotes: dict[int, dict[str, Any]]) -> None:
    for number, quote in quotes.items():
        if not quote["content"]:
            raise CorpusError(f"quotation {number} has no <q>")
        if quote.get("kind") not in _KINDS:
            raise CorpusError(f"quotation {number}: k is one of {', '.join(_KINDS)}")
        if "speaker" not in quote:
            raise CorpusError(f"quotation {number} has no by")
    if sorted(quotes) != list(range(1, len(quotes) + 1)):
        raise CorpusError(f"quotations are numbered 1 to {len(quotes)}, and here {sorted(quotes)}")


def main() -> None:
    """The command: checks files or prints them as JSON lines; exit code 1 where a file is not valid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--jsonl", action="store_true", help="print the articles as JSON lines")
    options = parser.parse_args()
    files = [f for path in options.paths for f in (sorted(path.rglob("*.txt")) if path.is_dir() else [path])]
    wrong = 0
    for path in files:
        try:
            article = read_article(path)
        except CorpusError as error:
            wrong += 1
            sys.stderr.write(f"{path}: {error}\n")
            continue
        if options.jsonl:
            sys.stdout.write(json.dumps(article, ensure_ascii=False) + "\n")
    if not options.jsonl:
        sys.stdout.write(f"{len(files) - wrong} of {len(files)} files are valid\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
