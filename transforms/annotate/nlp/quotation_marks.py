"""Pair the quotation marks of each paragraph into quoted spans.

A stray mark affects only its own paragraph. Time is linear in the length of the text.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from transforms.annotate.nlp.lexicon import lexicon
from transforms.schema.records import Span

MAX_MARKS = 2_000
"""Maximum number of quotation marks in a paragraph; a paragraph with more is not prose and is skipped."""

_DOUBLE = re.compile(r"``|''|[\"“”„‟«»‹›「」『』＂]")
_LETTER = re.compile(r"[^\W_]")
_SINGLE = re.compile(r"[‘’‚'`]")
_INCHES = re.compile(r"\d+\s?(?:['’′]\s?\d+(?:\.\d+)?|[½¼¾]|-inch)?\s?[\"”″]")
_ALL = "\"“”„‟«»‹›「」『』＂‘’‚'`"
_PAIRS = {"«": "»", "»": "«", "‹": "›", "›": "‹", "「": "」", "『": "』"}
_OPENERS = '([{—–-/“„"«»‘「『…:'


@dataclass(slots=True)
class QuotedSpan:
    """Text between quotation marks: ``text[start:end]``, and ``text[outer_start:outer_end]`` with the marks."""

    outer_start: int
    start: int
    end: int
    outer_end: int
    paragraph: int
    closed: bool = True
    continues: bool = False
    """Whether the speech continues in the next paragraph, which begins with another opening mark."""
    single: bool = False
    """Whether the marks are single quotation marks."""


def split_paragraphs(text: str) -> list[Span]:
    """Return the lines that contain a letter or digit, as spans without their line breaks.

    A line with more than `MAX_MARKS` quotation marks is left out.
    """
    spans, at = [], 0
    for line in text.split("\n"):
        if _LETTER.search(line) and (len(line) <= MAX_MARKS or sum(map(line.count, _ALL)) <= MAX_MARKS):
            spans.append((at, at + len(line)))
        at += len(line) + 1
    return spans


def find_quoted_spans(text: str, paragraphs: list[Span]) -> list[QuotedSpan]:
    """Pair the quotation marks of each paragraph.

    The styles are straight and curly marks, guillemets in both directions, low-high marks, doubled apostrophes and
    backticks, corner brackets, and single marks, which are distinguished from apostrophes. Only outermost pairs count.

    Args:
        text: the whole text.
        paragraphs: its paragraphs, from `split_paragraphs`.

    Returns:
        Quoted spans in order, without overlap. A span without a closing mark ends at the next opening mark or with its
        paragraph.
    """
    quoted_spans: list[QuotedSpan] = []
    unclosed: QuotedSpan | None = None
    for number, (start, end) in enumerate(paragraphs):
        found = _paragraph_spans(text, start, end, number)
        if unclosed is not None and found and not text[start : found[0].outer_start].strip():
            # Speech of several paragraphs has an opening mark in each and one closing mark.
            unclosed.continues = True
        unclosed = found[-1] if found and not found[-1].closed and found[-1].outer_end >= end else None
        quoted_spans.extend(quoted for quoted in found if text[quoted.start : quoted.end].replace(",", " ").strip())
    return quoted_spans


def _paragraph_spans(text: str, start: int, end: int, paragraph: int) -> list[QuotedSpan]:
    doubles = [match.span() for match in _DOUBLE.finditer(text, start, end)]
    singles = [match.span() for match in _SINGLE.finditer(text, start, end)]
    inches = {match.end() - 1 for match in _INCHES.finditer(text, start, end)} if doubles else set()
    doubles = [(at, stop) for at, stop in doubles if at not in inches or _could_close(text, doubles, at, start)]
    found = _pair_doubles(text, doubles, start, end, paragraph)
    if singles:
        found = _add_singles(text, singles, found, start, end, paragraph)
    return found


def _could_close(text: str, doubles: list[Span], at: int, start: int) -> bool:
    """Whether a mark after a digit closes a quoted span (``in '98"``) instead of denoting inches."""
    feet = re.search(r"\d\s?['’′]\s?\d+(?:\.\d+)?\s?$", text[max(start, at - 12) : at])
    return feet is None and sum(1 for mark, _ in doubles if mark < at) % 2 == 1


def _sides(text: str, at: int, stop: int, start: int, end: int) -> tuple[bool, bool]:
    """Whether a mark may open and may close a quoted span, by the characters around it."""
    before = text[at - 1] if at > start else " "
    after = text[stop] if stop < end else " "
    opens = (before.isspace() or before in _OPENERS) and not after.isspace()
    closes = not before.isspace() and (after.isspace() or not after.isalnum())
    return opens, closes


def _pair_doubles(text: str, marks: list[Span], start: int, end: int, paragraph: int) -> list[QuotedSpan]:
    signs = [text[at:stop] for at, stop in marks]
    nests = signs.count("“") == signs.count("”") and '"' not in signs
    even = sum(sign in ('"', "＂") for sign in signs) % 2 == 0
    quoted_spans: list[QuotedSpan] = []
    open_span: QuotedSpan | None = None
    opener, depth = "", 0

    def close(at: int, stop: int, closed: bool = True) -> None:
        nonlocal open_span, depth
        if open_span is not None:
            open_span.end, open_span.outer_end, open_span.closed = at, stop, closed
            quoted_spans.append(open_span)
        open_span, depth = None, 0

    for (at, stop), sign in zip(marks, signs, strict=True):
        opens, closes = _sides(text, at, stop, start, end)
        if open_span is None:
            if _may_start(sign, opens, closes, even):
                open_span, opener = QuotedSpan(at, stop, stop, stop, paragraph), sign
            continue
        if opener in _PAIRS:
            if sign == _PAIRS[opener]:
                close(at, stop)
        elif sign == "“" and opener != "„":
            if nests:
                depth += 1
            else:
                close(at, at, closed=False)
                open_span, opener = QuotedSpan(at, stop, stop, stop, paragraph), sign
        elif sign in ('"', "＂") and not even and opens and not closes:
            # The number of straight marks is odd, and this mark can only open: the previous mark was never closed.
            close(at, at, closed=False)
            open_span, opener = QuotedSpan(at, stop, stop, stop, paragraph), sign
        elif sign in "“”\"‟＂''" and sign != "``" and not (sign == "''" and opens and not closes):
            if depth and sign == "”":
                depth -= 1
            else:
                close(at, stop)
    if open_span is not None:
        close(end, end, closed=False)
    return quoted_spans


def _may_start(sign: str, opens: bool, closes: bool, even: bool) -> bool:
    if sign in ("“", "``", "„", "‟", "「", "『", "«", "»", "‹", "›"):
        return True
    if sign in ('"', "＂"):
        return opens or not closes or (even and not closes)
    return opens and not closes  # ” or '' opens in Swedish style and by mistake


def _add_singles(
    text: str, marks: list[Span], doubles: list[QuotedSpan], start: int, end: int, paragraph: int
) -> list[QuotedSpan]:
    """Add pairs of single marks outside double ones; without a closing mark in the paragraph it is an apostrophe."""
    strong: list[int] = []
    weak: list[int] = []
    for at, stop in marks:
        before, after = text[at - 1 : at] if at > start else " ", text[stop : stop + 1] if stop < end else " "
        if text[at] == "‘" or before.isspace() or after.isalnum() or after == "_":
            continue
        # A mark between `s` and a space may be the possessive of a plural: the drivers' strike.
        plural = before in "sS" and after.isspace()
        (weak if plural else strong).append(at)
    double_ends = [offset for quoted in doubles for offset in (quoted.outer_start, quoted.outer_end)]
    found: list[QuotedSpan] = []
    free_from = start
    for at, stop in marks:
        if at < free_from or bisect_right(double_ends, at) % 2 or not _opens_single(text, at, start, end):
            continue
        closer = _closer(strong, at, double_ends) or _closer(weak, at, double_ends)
        if closer is not None:
            found.append(QuotedSpan(at, stop, closer, closer + 1, paragraph, single=True))
            free_from = closer + 1
        elif text[at] == "‘" and not text[start:at].strip() and not doubles:
            found.append(QuotedSpan(at, stop, end, end, paragraph, closed=False, single=True))
            break
    if not found:
        return doubles
    covered = [(quoted.outer_start, quoted.outer_end) for quoted in found]
    kept = [quoted for quoted in doubles if not any(a <= quoted.outer_start < b for a, b in covered[:50])]
    return sorted([*kept, *found], key=lambda quoted: quoted.outer_start)


def _opens_single(text: str, at: int, start: int, end: int) -> bool:
    before = text[at - 1] if at > start else " "
    if not (before.isspace() or before in '([{—–"“«:') or at + 1 >= end or text[at + 1].isspace():
        return False
    if text[at] == "’":
        return False
    word = re.match(r"[^\W_]*", text[at + 1 : at + 12])
    low = word.group().lower() if word else ""
    return bool(low) and not (text[at] == "'" and (low in lexicon().elisions or re.fullmatch(r"\d\ds?", low)))


def _closer(offsets: list[int], at: int, double_ends: list[int]) -> int | None:
    """Return the first closing mark after ``at`` that does not separate the two marks of a double pair."""
    before = bisect_right(double_ends, at)
    for offset in offsets[bisect_right(offsets, at + 1) :][:20]:
        if (bisect_right(double_ends, offset) - before) % 2 == 0:
            return offset
    return None
