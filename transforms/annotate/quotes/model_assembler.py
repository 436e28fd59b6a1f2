"""Quotations by the model: its attributions, held to the quote marks, with speakers resolved."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from transforms.annotate.model.attribution import AttributionSpans, WordRange, decode_attributions
from transforms.annotate.model.tagger import Tagged
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.quotes.assembler import Draft, class_of_cue, inner, is_titled, words_of
from transforms.annotate.quotes.clauses import read_clauses
from transforms.annotate.quotes.rule_assembler import RuleAssembler
from transforms.annotate.quotes.sentence_view import Frame
from transforms.annotate.quotes.speaker_phrases import can_speak, source_after, source_before, source_within
from transforms.annotate.quotes.speaker_resolver import Speaker
from transforms.schema.records import Entity, QuoteKind, Span

MOST = 0.5
"""A marked run belongs to a quotation whole when this share of its words does."""


class ModelAssembler(RuleAssembler):
    """Walks over the sentences once, in order, and takes up the attributions whose cue stands in each.

    Turns of a dialogue that dashes open are left to the rules: the texts that the model learnt from have none.
    """

    def __init__(self, reading: ParsedText, entities: list[Entity], frames: list[Frame], tagged: Tagged) -> None:
        super().__init__(reading, entities, frames)
        self._words = tagged.words
        self._run_starts = [run.outer_start for run in reading.quoted_spans]
        self._starts = [frame.sentence.start for frame in frames]
        self._by_frame: dict[int, list[AttributionSpans]] = defaultdict(list)
        self._mentioned = sorted(mention.start for entity in entities for mention in entity.mentions)
        self._claimed: set[int] = set()
        self._ruled: set[int] = set()
        found = self._joined(decode_attributions(tagged))
        self._cued = {self._frame_at(self._span(linked.cue[0])[0]) for linked in found}
        for linked in found:
            number = self._frame_at(self._span(linked.cue[0])[0])
            linked.content = [part for part in linked.content if not self._has_own_cue(number, part)]
            if linked.content:
                self._find_source(linked)
                self._by_frame[number].append(linked)
                self._claimed |= {run for part in linked.content for run in self._runs_of(self._span(part))}

    def _has_own_cue(self, number: int, part: WordRange) -> bool:
        """Whether marked words in another sentence than the cue's have a cue of their own, which the model missed."""
        span = self._span(part)
        here = self._frame_at(span[0])
        if here == number or here in self._cued:
            return False
        marked = self._runs_of(span)
        frame = self._frames[here]
        read = read_clauses(frame) if marked else []
        has_own = any(run in marked for found in read for a, b in found.content for run in frame.runs(a, b))
        if has_own:
            self._ruled.add(here)
        return has_own

    def _find_source(self, linked: AttributionSpans) -> None:
        """A name between marked words and the cue is the source, where the model took it for content.

        So it is in ``"...", X was quoted as saying by Y``.
        """
        begin, stop = linked.content[-1]
        marked = self._runs_of(self._span((begin, stop)))
        told_by = linked.source and self._reading.text.endswith(" by ", 0, self._span(linked.source[0])[0])
        if (linked.source and not told_by) or stop != linked.cue[0][0] or not marked:
            return
        behind = int(np.searchsorted(self._words.starts, self._reading.quoted_spans[marked[-1]].outer_end))
        start, end = self._span((behind, stop)) if behind < stop else (0, 0)
        at = bisect_left(self._mentioned, start)
        if at < len(self._mentioned) and self._mentioned[at] < end:
            linked.content[-1] = (begin, behind)
            linked.source = [(behind, stop)]

    def _joined(self, found: list[AttributionSpans]) -> list[AttributionSpans]:
        """Marked words without a cue go to the nearest attribution of their paragraph: `"A," he said. "B."`

        Other words that no cue claims are left out: they would be nobody's.
        """
        paragraphs = self._words.paragraph
        cued = [linked for linked in found if linked.cue]
        for part in (linked.content[0] for linked in found if not linked.cue):
            here = paragraphs[part[0]]
            near = [other for other in cued if here in (paragraphs[other.content[0][0]], paragraphs[other.cue[0][0]])]
            if near and self._runs_of(self._span(part)):
                nearest = min(
                    near, key=lambda other: min(abs(part[0] - b) + abs(a - part[1]) for a, b in other.content)
                )
                nearest.content = sorted([*nearest.content, part])
        return cued

    def _span(self, part: WordRange) -> Span:
        return int(self._words.starts[part[0]]), int(self._words.ends[part[1] - 1])

    def _frame_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _read_frame(self, number: int, frame: Frame) -> None:
        if number in self._ruled or (frame.low(0) in _DASHES and read_clauses(frame)):
            super()._read_frame(number, frame)
            return
        for linked in sorted(self._by_frame.get(number, ()), key=lambda linked: linked.cue):
            self._take(number, linked)
        for run in (token.quoted_span for token in frame.tokens if token.quoted_span >= 0):
            if run not in self._used and run not in self._claimed:
                self._loose_run(number, frame, run)

    def _take(self, number: int, linked: AttributionSpans) -> None:
        parts: list[_Part] = []
        taken = set(self._used)
        for part in map(self._content, map(self._span, linked.content)):
            if part.spans and not taken.intersection(part.runs):
                parts.append(part)
                taken.update(part.runs)
        cue = self._span(linked.cue[0])
        cue_class = class_of_cue(self._reading.text[cue[0] : cue[1]])
        if cue_class == "other" and all(self._is_title(part) for part in parts):
            self._used.update(run for part in parts for run in part.runs)
            return
        own, later = self._by_sentence(parts, number)
        if not own:
            return
        kinds = {part.kind for part in own}
        draft = Draft(
            [span for part in own for span in part.spans],
            next(iter(kinds)) if len(kinds) == 1 else "mixed",
            self._reading.sentences[self._frame_at(own[0].spans[0][0])].paragraph,
            number,
            cue=cue,
            cue_class=cue_class,
            speaker=self._speaker(linked),
            runs=[run for part in own for run in part.runs],
            within=[span for part in own if part.kind == "direct" and not part.runs for span in part.spans],
            open_ended=kinds == {"direct"},
            shares=(linked.content_probability, linked.source_probability),
        )
        self._follow_chain(draft)
        self._keep(draft)
        for part in later:
            self._go_on(part, draft.speaker)

    def _by_sentence(self, parts: "list[_Part]", number: int) -> "tuple[list[_Part], list[_Part]]":
        """The parts of one quotation, and those that are one of their own: marked sentences behind a reported clause.

        Plain words in another sentence are no part of what stands in marks beside the cue.
        """
        near = [p for p in parts if self._frame_at(p.spans[0][0]) <= number <= self._frame_at(p.spans[-1][0])]
        kinds = {part.kind for part in near}
        if kinds == {"indirect"} and self._reading.text[near[0].spans[0][0]] not in _OPENERS:
            later = [part for part in parts if part.kind == "direct" and self._frame_at(part.spans[0][0]) > number]
            return [part for part in parts if part not in later], later
        if kinds == {"direct"}:
            return [part for part in parts if part.kind != "indirect"], []
        return parts, []

    def _is_title(self, part: "_Part") -> bool:
        """Whether a part is a title or a sign in marks: words that nobody says."""
        text = " ".join(self._reading.text[start:end] for start, end in part.spans)
        return part.kind == "direct" and text[-1] not in ".!?…," and is_titled(words_of(text))

    def _go_on(self, part: "_Part", speaker: Speaker) -> None:
        """Marked words in a sentence of their own, behind reported ones of the same speaker."""
        number = self._frame_at(part.spans[0][0])
        paragraph = self._reading.sentences[number].paragraph
        carried = Speaker(speaker.span, speaker.entity, "carried_over" if speaker.span else "none", speaker.role)
        draft = Draft(part.spans, "direct", paragraph, number, speaker=carried, runs=part.runs, open_ended=True)
        self._follow_chain(draft)
        self._keep(draft)

    def _speaker(self, linked: AttributionSpans) -> Speaker:
        if not linked.source:
            return self._beside(linked)
        start, end = self._span(linked.source[0])
        marked = [self._reading.quoted_spans[run] for part in linked.content for run in self._runs_of(self._span(part))]
        if any(run.start <= start < run.end for run in marked):
            return self._beside(linked)
        number = self._frame_at(start)
        frame = self._frames[number]
        ends = [token.end for token in frame.tokens]
        first = bisect_right(ends, start)
        stop = bisect_left([token.start for token in frame.tokens], end)
        if first >= stop:
            return Speaker((start, end), None, "role")
        found = self._resolver.resolve(number, source_within(frame, first, stop, self._entities))
        return Speaker((start, end), found.entity, found.method, found.role)

    def _beside(self, linked: AttributionSpans) -> Speaker:
        """Who stands beside a cue that the model gives no source, as rules read it: `the mayor said, adding ...`."""
        at = self._span(linked.cue[0])[0]
        number = self._frame_at(at)
        frame = self._frames[number]
        for hit in frame.hits:
            if frame.tokens[hit.start].start <= at < frame.tokens[hit.stop - 1].end:
                inverted = frame.is_run(hit.start - 1) or frame.low(hit.start - 1) in ("", ",", "—", "–")
                source = source_before(frame, hit.start) or (source_after(frame, hit.stop) if inverted else None)
                return self._resolver.resolve(number, source) if source and can_speak(frame, source) else Speaker()
        return Speaker()

    def _runs_of(self, span: Span) -> list[int]:
        """The runs of which a span holds most."""
        start, end = span
        found = []
        at = max(0, bisect_right(self._run_starts, start) - 1)
        while at < len(self._run_starts) and self._run_starts[at] < end:
            run = self._reading.quoted_spans[at]
            shared = min(end, run.end) - max(start, run.start)
            if shared >= MOST * (run.end - run.start):
                found.append(at)
            at += 1
        return found

    def _content(self, span: Span) -> "_Part":
        """What kind of speech a content span is, its spans held to the quote marks, and the runs in it."""
        text = self._reading.text
        start, end = span = self._in_paragraph(span)
        marked = self._runs_of(span)
        for number in self._edges(start, end):
            run = self._reading.quoted_spans[number]
            if number in marked:
                start, end = min(start, run.outer_start), max(end, run.outer_end)
            elif run.start <= start and end <= run.end:
                return _Part("direct", [_trimmed(text, start, end)], [])
            elif start < run.outer_start:
                end = min(end, run.outer_start)
            else:
                start = max(start, run.outer_end)
        start, end = _trimmed(text, start, end)
        if start >= end:
            return _Part("indirect", [], [])
        runs = [self._reading.quoted_spans[number] for number in marked]
        if runs:
            start = runs[0].outer_start if _only_joins(text[start : runs[0].outer_start]) else start
            end = runs[-1].outer_end if _only_joins(text[runs[-1].outer_end : end]) else end
        begins, ends = [start, *(run.outer_end for run in runs)], [*(run.outer_start for run in runs), end]
        if any(letter.isalnum() for a, b in zip(begins, ends, strict=True) for letter in text[a:b]):
            return _Part("mixed" if runs else "indirect", [(start, end)], marked)
        return _Part("direct", [piece for run in runs for piece in inner(text, run)], marked)

    def _in_paragraph(self, span: Span) -> Span:
        """The span up to the end of its paragraph, or of the one in which speech that goes on over several ends."""
        start, end = span
        number = bisect_right(self._reading.paragraphs, (start, len(self._reading.text))) - 1
        stop = self._reading.paragraphs[number][1] if number >= 0 else end
        marked = [self._reading.quoted_spans[run].paragraph for run in self._runs_of(span)]
        return (start, stop) if end > stop and marked and max(marked) == number else span

    def _edges(self, start: int, end: int) -> list[int]:
        """The runs in which a span begins or ends."""
        first = bisect_right(self._run_starts, start) - 1
        last = bisect_left(self._run_starts, end) - 1
        return [
            number
            for number in dict.fromkeys((first, last))
            if number >= 0 and self._reading.quoted_spans[number].outer_end > start and self._run_starts[number] < end
        ]


@dataclass(frozen=True, slots=True)
class _Part:
    """One content span held to the quote marks."""

    kind: QuoteKind
    spans: list[Span]
    runs: list[int]


_OPENERS = frozenset("\"'“„‘‚«»`")
_DASHES = frozenset("-–—")
_JOINS = re.compile(r"\W*(?:(?:and|but|or|then|yet)\b\W*){1,3}", re.IGNORECASE)


def _only_joins(words: str) -> bool:
    """Whether words beside marked ones only join them to others: ``and then``."""
    return _JOINS.fullmatch(words) is not None


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and not (text[start].isalnum() or text[start] in "“\"'‘«$£€#@([&"):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] in "”\"'’»%)]!?…"):
        end -= 1
    return start, end
