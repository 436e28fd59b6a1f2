"""Quotations by the model: its attributions, held to the quote marks, with speakers resolved."""

from bisect import bisect_left, bisect_right
from collections import defaultdict

from transforms.annotate.drafts import Assembler, Draft, inner
from transforms.annotate.frames import Frame
from transforms.annotate.lexicon import lexicon
from transforms.annotate.links import Linked, Range, assemble
from transforms.annotate.reading import Reading
from transforms.annotate.sources import source_within
from transforms.annotate.speakers import Speaker
from transforms.annotate.tagger import Tagged
from transforms.annotate.words import tokenize
from transforms.records import CueClass, Entity, QuoteKind, Span

MOST = 0.5
"""A marked run belongs to a quotation whole when this share of its words does."""


class ModelAssembler(Assembler):
    """Walks over the sentences once, in order, and takes up the attributions whose cue stands in each."""

    def __init__(self, reading: Reading, entities: list[Entity], frames: list[Frame], tagged: Tagged) -> None:
        super().__init__(reading, entities, frames)
        self._words = tagged.words
        self._run_starts = [run.outer_start for run in reading.runs]
        self._starts = [frame.sentence.start for frame in frames]
        self._by_frame: dict[int, list[Linked]] = defaultdict(list)
        self._claimed: set[int] = set()
        for linked in self._joined(assemble(tagged)):
            self._by_frame[self._frame_at(self._span(linked.cue[0])[0])].append(linked)
            self._claimed |= {run for part in linked.content for run in self._runs_of(self._span(part))}

    def _joined(self, found: list[Linked]) -> list[Linked]:
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

    def _span(self, part: Range) -> Span:
        return int(self._words.starts[part[0]]), int(self._words.ends[part[1] - 1])

    def _frame_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _read_frame(self, number: int, frame: Frame) -> None:
        found = sorted(self._by_frame.get(number, ()), key=lambda linked: linked.cue)
        for linked in found:
            self._attribute(number, linked)
        for run in (token.run for token in frame.tokens if token.run >= 0):
            if run not in self._used and run not in self._claimed:
                self._loose_run(number, frame, run)

    def _attribute(self, number: int, linked: Linked) -> None:
        spans, kinds, runs, within = [], set(), [], []
        for part in linked.content:
            kind, pieces, marked = self._content(self._span(part))
            if any(run in self._used or run in runs for run in marked) or not pieces:
                continue
            kinds.add(kind)
            spans += pieces
            runs += marked
            if kind == "direct" and not marked:
                within += pieces
        if not spans:
            return
        cue = self._span(linked.cue[0])
        draft = Draft(
            spans,
            next(iter(kinds)) if len(kinds) == 1 else "mixed",
            self._reading.sentences[self._frame_at(spans[0][0])].paragraph,
            number,
            cue=cue,
            cue_class=class_of_cue(self._reading.text[cue[0] : cue[1]]),
            speaker=self._speaker(linked),
            runs=runs,
            within=within,
            open_ended=kinds == {"direct"},
        )
        self._follow_chain(draft)
        self._keep(draft)

    def _speaker(self, linked: Linked) -> Speaker:
        if not linked.source:
            return Speaker()
        start, end = self._span(linked.source[0])
        number = self._frame_at(start)
        frame = self._frames[number]
        ends = [token.end for token in frame.tokens]
        first = bisect_right(ends, start)
        stop = bisect_left([token.start for token in frame.tokens], end)
        if first >= stop:
            return Speaker((start, end), None, "role")
        found = self._resolver.resolve(number, source_within(frame, first, stop, self._entities))
        return Speaker((start, end), found.entity, found.method, found.role)

    def _runs_of(self, span: Span) -> list[int]:
        """The runs of which a span holds most."""
        start, end = span
        found = []
        at = max(0, bisect_right(self._run_starts, start) - 1)
        while at < len(self._run_starts) and self._run_starts[at] < end:
            run = self._reading.runs[at]
            shared = min(end, run.end) - max(start, run.start)
            if shared >= MOST * (run.end - run.start):
                found.append(at)
            at += 1
        return found

    def _content(self, span: Span) -> tuple[QuoteKind, list[Span], list[int]]:
        """What kind of speech a content span is, its spans held to the quote marks, and the runs in it."""
        text = self._reading.text
        start, end = span
        marked = self._runs_of(span)
        for number in self._edges(start, end):
            run = self._reading.runs[number]
            if number in marked:
                start, end = min(start, run.outer_start), max(end, run.outer_end)
            elif run.start <= start and end <= run.end:
                return "direct", [_trimmed(text, start, end)], []
            elif start < run.outer_start:
                end = min(end, run.outer_start)
            else:
                start = max(start, run.outer_end)
        start, end = _trimmed(text, start, end)
        if start >= end:
            return "indirect", [], []
        runs = [self._reading.runs[number] for number in marked]
        begins, ends = [start, *(run.outer_end for run in runs)], [*(run.outer_start for run in runs), end]
        if any(letter.isalnum() for a, b in zip(begins, ends, strict=True) for letter in text[a:b]):
            return ("mixed" if runs else "indirect"), [(start, end)], marked
        return "direct", [piece for run in runs for piece in inner(text, run)], marked

    def _edges(self, start: int, end: int) -> list[int]:
        """The runs in which a span begins or ends."""
        first = bisect_right(self._run_starts, start) - 1
        last = bisect_left(self._run_starts, end) - 1
        return [
            number
            for number in dict.fromkeys((first, last))
            if number >= 0 and self._reading.runs[number].outer_end > start and self._run_starts[number] < end
        ]


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and not (text[start].isalnum() or text[start] in "“\"'‘«$£€#@([&"):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] in "”\"'’»%)]!?…"):
        end -= 1
    return start, end


def class_of_cue(cue: str) -> CueClass:
    """What kind of attitude the words of a cue tell; ``other`` for words that no list has."""
    tokens = tokenize(cue)
    lows = [token.low for token in tokens]
    if "according" in lows:
        return "according_to"
    for at, low in enumerate(lows):
        for words, known in lexicon().cues.get(low, ()):
            if tuple(lows[at : at + len(words)]) == words:
                return known.cue_class
    return "other"
