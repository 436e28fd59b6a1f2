"""Lines that are no part of an article: what pages set between and around their paragraphs."""

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
    """A kind of line that is dropped; ``data/line_rules.json`` holds them all, each with its example."""

    name: str
    pattern: re.Pattern[str]
    max_words: int
    """A longer line is running text and stays."""
    example: str

    def drops(self, line: str, words: int) -> bool:
        """Whether the rule takes a line of so many words for none of the article's."""
        return words <= self.max_words and self.pattern.search(line) is not None


@cache
def line_rules() -> tuple[LineRule, ...]:
    """The rules, in the file's order."""
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
    """The name of the first rule that drops a line, or None."""
    words = len(line.split())
    return next((rule.name for rule in line_rules() if rule.drops(line, words)), None)


def clean_blocks(blocks: Sequence[Block], titles: Sequence[str] = (), authors: Sequence[str] = ()) -> list[Block]:
    """Drop the lines that are not the article's.

    Those are: what a rule names, the repeated headline, bylines, paragraphs that came before word for word, and
    headings with nothing below them.

    Args:
        blocks: the lines as extracted.
        titles: the article's title and the headline that the page shows, which may differ.
        authors: the article's authors, to know their byline.
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
    """Whether a line names an author and says hardly anything else."""
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
