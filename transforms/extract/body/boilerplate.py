"""Remove boilerplate lines between and around the paragraphs of an article."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from transforms.extract.body.main_text import Block

_MIN_REPEATED = 8
_MAX_BYLINE_WORDS = 14
_EDGE_BLOCKS = 6
_BYLINE_REST = 4
_WORD = re.compile(r"\w+")
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class LineRule:
    """A rule for boilerplate lines, from ``data/line_rules.json``, with an example."""

    name: str
    pattern: re.Pattern[str]
    max_words: int
    """A longer line is running text and is kept."""
    example: str

    def drops(self, line: str, words: int) -> bool:
        """Whether the rule matches a line with this number of words."""
        return words <= self.max_words and self.pattern.search(line) is not None


@cache
def line_rules() -> tuple[LineRule, ...]:
    """Return the rules, in the order of the file."""
    entries = json.loads((files("transforms.extract") / "data" / "line_rules.json").read_text("utf-8"))
    return tuple(
        LineRule(
            name=entry["name"],
            pattern=re.compile(entry["pattern"], 0 if entry.get("case") else re.IGNORECASE),
            max_words=entry["max_words"],
            example=entry["example"],
        )
        for entry in entries
    )


def rule_for(line: str) -> str | None:
    """Return the name of the first rule that matches a line, or None."""
    words = len(line.split())
    return next((rule.name for rule in line_rules() if rule.drops(line, words)), None)


def clean_blocks(blocks: Sequence[Block], titles: Sequence[str] = (), authors: Sequence[str] = ()) -> list[Block]:
    """Remove lines that do not belong to the article.

    These are lines matched by a rule, the repeated headline, bylines, repeated paragraphs, and headings without text
    below.

    Args:
        blocks: the extracted lines.
        titles: title of the article, and visible headline, which may differ.
        authors: authors of the article, to find their byline.
    """
    headlines = {_key(title) for title in titles}
    seen: set[str] = set()
    kept: list[Block] = []
    for index, block in enumerate(blocks):
        key = _key(block.text)
        is_repeated = key in seen and len(block.text.split()) >= _MIN_REPEATED
        at_edge = index < _EDGE_BLOCKS or index >= len(blocks) - _EDGE_BLOCKS
        if not key or is_repeated or (key in headlines and index < _EDGE_BLOCKS) or rule_for(block.text):
            continue
        if at_edge and _is_byline(block.text, authors):
            continue
        seen.add(key)
        kept.append(block)
    while kept and kept[-1].kind == "heading":
        kept.pop()
    return kept


def _is_byline(line: str, authors: Sequence[str]) -> bool:
    """Whether a line has the name of an author and hardly anything else."""
    if len(line.split()) > _MAX_BYLINE_WORDS:
        return False
    rest = line.casefold()
    for author in authors:
        rest = rest.replace(author.casefold(), " ")
    return (
        rest != line.casefold()
        and len(_WORD.findall(rest)) <= _BYLINE_REST
        and not line.rstrip().endswith((".", "!", "?"))
    )


def _key(text: str) -> str:
    return _NO_WORD.sub("", text.casefold())
