"""Align the content spans of the model, which are ranges of words, with sentences and quotation marks."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from transforms.annotate.model.attribution import WordRange
from transforms.annotate.model.wordpiece import Words
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.quotes.assembler import content_spans, is_title_case, words_of
from transforms.schema.records import QuoteKind, Span

MIN_OVERLAP = 0.5
"""Minimum share of a quoted span inside a content span for which the whole quoted span belongs to it."""

_CONJUNCTIONS = re.compile(r"\W*(?:(?:and|but|or|then|yet)\b\W*){1,3}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentPart:
    """One content span, aligned with the quotation marks."""

    kind: QuoteKind
    spans: list[Span]
    """Code point offsets, end exclusive; a direct part has one span for each quoted span."""
    quoted_spans: list[int]
    """Indices of the quoted spans that belong to it completely."""


class Alignment:
    """Convert ranges of the model's words into spans of the text.

    Args:
        parsed: the text.
        words: its words, as the model sees them.
    """

    def __init__(self, parsed: ParsedText, words: Words) -> None:
        self._parsed = parsed
        self._words = words
        self._quoted_starts = [quoted.outer_start for quoted in parsed.quoted_spans]
        self._sentence_starts = [sentence.start for sentence in parsed.sentences]

    def span(self, words: WordRange) -> Span:
        """Return the code point offsets of a range of words."""
        return int(self._words.starts[words[0]]), int(self._words.ends[words[1] - 1])

    def sentence_at(self, offset: int) -> int:
        """Return the index of the sentence at a code point offset."""
        return bisect_right(self._sentence_starts, offset) - 1

    def sentence_of(self, words: WordRange) -> int:
        """Return the index of the sentence in which a range of words starts."""
        return self.sentence_at(self.span(words)[0])

    def quoted_spans(self, words: WordRange) -> list[int]:
        """Return the indices of the quoted spans with at least `MIN_OVERLAP` of their text in a range of words."""
        return self._quoted_in(self.span(words))

    def _quoted_in(self, span: Span) -> list[int]:
        start, end = span
        found = []
        at = max(0, bisect_right(self._quoted_starts, start) - 1)
        while at < len(self._quoted_starts) and self._quoted_starts[at] < end:
            quoted = self._parsed.quoted_spans[at]
            overlap = min(end, quoted.end) - max(start, quoted.start)
            if overlap >= MIN_OVERLAP * (quoted.end - quoted.start):
                found.append(at)
            at += 1
        return found

    def content(self, words: WordRange) -> ContentPart:
        """Align a content span with the quotation marks: include or exclude each quoted span as a whole."""
        text = self._parsed.text
        start, end = span = self._clip_to_paragraph(self.span(words))
        indices = self._quoted_in(span)
        for index in self._cut_quoted_spans(start, end):
            quoted = self._parsed.quoted_spans[index]
            if index in indices:
                start, end = min(start, quoted.outer_start), max(end, quoted.outer_end)
            elif quoted.start <= start and end <= quoted.end:
                start, end = _trimmed(text, start, end)
                return ContentPart("direct", [(start, end)] if start < end else [], [])
            elif start < quoted.outer_start:
                end = min(end, quoted.outer_start)
            else:
                start = max(start, quoted.outer_end)
        start, end = _trimmed(text, start, end)
        if start >= end:
            return ContentPart("indirect", [], [])
        inside = [self._parsed.quoted_spans[index] for index in indices]
        if inside:
            start = inside[0].outer_start if _only_joins(text[start : inside[0].outer_start]) else start
            end = inside[-1].outer_end if _only_joins(text[inside[-1].outer_end : end]) else end
        begins = [start, *(quoted.outer_end for quoted in inside)]
        ends = [*(quoted.outer_start for quoted in inside), end]
        if any(letter.isalnum() for a, b in zip(begins, ends, strict=True) for letter in text[a:b]):
            return ContentPart("mixed" if inside else "indirect", [(start, end)], indices)
        return ContentPart("direct", [one for quoted in inside for one in content_spans(text, quoted)], indices)

    def _clip_to_paragraph(self, span: Span) -> Span:
        """End the span with its paragraph, unless a quoted span in it continues in the next one."""
        start, end = span
        number = bisect_right(self._parsed.paragraphs, (start, len(self._parsed.text))) - 1
        stop = self._parsed.paragraphs[number][1] if number >= 0 else end
        paragraphs = [self._parsed.quoted_spans[index].paragraph for index in self._quoted_in(span)]
        return (start, stop) if end > stop and paragraphs and max(paragraphs) == number else span

    def _cut_quoted_spans(self, start: int, end: int) -> list[int]:
        """Return the indices of the quoted spans in which a span begins or ends."""
        first = bisect_right(self._quoted_starts, start) - 1
        last = bisect_left(self._quoted_starts, end) - 1
        return [
            index
            for index in dict.fromkeys((first, last))
            if index >= 0 and self._parsed.quoted_spans[index].outer_end > start and self._quoted_starts[index] < end
        ]

    def is_title(self, part: ContentPart) -> bool:
        """Return whether a part is a title or a sign in quotation marks, which is not speech."""
        text = " ".join(self._parsed.text[start:end] for start, end in part.spans)
        return part.kind == "direct" and text[-1] not in ".!?…," and is_title_case(words_of(text))


def _only_joins(words: str) -> bool:
    """Whether the words beside a quoted span are only conjunctions, such as ``and then``."""
    return _CONJUNCTIONS.fullmatch(words) is not None


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and not (text[start].isalnum() or text[start] in "“\"'‘«$£€#@([&"):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] in "”\"'’»%)]!?…"):
        end -= 1
    return start, end
