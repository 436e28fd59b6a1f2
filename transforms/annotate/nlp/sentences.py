"""Split paragraphs into sentences, but never inside a quoted span."""

import re
from bisect import bisect_right

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.quotation_marks import QuotedSpan
from transforms.schema.records import Span

# A terminator and closing marks, then white space, an opening mark, or a letter without a space before it.
_END = re.compile(r"[.!?…]+[\"”’'»)\]]*(?=\s|[“\"‘«(]|[^\W\d_])")
_LAST_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*$")
# Abbreviations that can also be the last word of a sentence.
_MAY_END = frozenset({"inc", "co", "corp", "ltd", "jr", "sr", "no", "est", "vs"})
_NEXT = re.compile(r"\s*[\"“‘'«(\[„「–—-]*\s*")


def split_sentences(text: str, start: int, end: int, quoted_spans: list[QuotedSpan]) -> list[Span]:
    """Split a paragraph into sentences.

    Initials and titles (``Mr.``) do not end a sentence; ``U.S.`` does if a function word follows. A full stop without a
    space before the next capital (``shut.She``) ends one. A quoted span with a final full stop ends its sentence unless
    the text continues in lower case.

    Args:
        text: the whole text.
        start: the offset of the paragraph, in code points.
        end: the offset of its end.
        quoted_spans: the quoted spans of the paragraph, in order.

    Returns:
        Spans in order. They cover the paragraph except for white space between them.
    """
    starts = [quoted.outer_start for quoted in quoted_spans]
    cuts = []
    for match in _END.finditer(text, start, end):
        at, stop = match.span()
        index = bisect_right(starts, at) - 1
        if index >= 0 and at < quoted_spans[index].outer_end:
            quoted = quoted_spans[index]
            if text[at : quoted.end].strip(" \u00a0.!?…\"”’')"):
                continue
            stop = quoted.outer_end
        elif index + 1 < len(starts):
            stop = min(stop, starts[index + 1])
        if _ends(text, at, stop, end, text[at:stop]):
            cuts.append(stop)
    spans, at = [], start
    for stop in [*cuts, end]:
        while at < stop and text[at].isspace():
            at += 1
        last = stop
        while last > at and text[last - 1].isspace():
            last -= 1
        if last > at:
            spans.append((at, last))
        at = max(at, stop)
    return spans


def _ends(text: str, at: int, stop: int, end: int, marks: str) -> bool:
    """Whether the terminator at ``at`` ends a sentence; the next text begins at ``stop``."""
    gap = _NEXT.match(text, stop, end)
    first = gap.end() if gap else stop
    if first >= end:
        return False
    after = text[first]
    glued = first == stop
    if after.islower() or not (after.isalnum() or after in "$£€#@’'"):
        return False
    before = _LAST_WORD.search(text[max(0, at - 20) : at])
    word = before.group() if before else ""
    closed = text[at - 1 : at] in tuple('"”’»)')
    if glued and not closed and ((not word[-1:].islower() and len(marks) == 1) or len(word) < 2):
        return False
    if not marks.startswith(".") or len(marks) > 1:
        return True
    if (len(word) == 1 and word.isupper() and word != "I") or re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word):
        # Initials do not end a sentence; U.S. does before a word that often begins one.
        return "." in word and _begins_sentence(text, first)
    low = word.lower()
    return low not in lexicon().abbreviations or (low in _MAY_END and _begins_sentence(text, first))


def _begins_sentence(text: str, first: int) -> bool:
    """Whether the word at ``first`` is a function word, which often begins a sentence."""
    following = re.match(r"[^\W_]+", text[first : first + 20])
    return following is not None and following.group().lower() in lexicon().function_words
