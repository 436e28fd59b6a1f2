"""Quotations by rules alone: clauses read around verbs of speech, for whoever must do without the model."""

from transforms.annotate.quotes.assembler import Assembler, Draft, inner
from transforms.annotate.quotes.clauses import Attribution, read_clauses
from transforms.annotate.quotes.sentence_view import Frame
from transforms.annotate.quotes.speaker_phrases import source_after, source_before, with_apposition
from transforms.annotate.quotes.speaker_resolver import Speaker
from transforms.schema.records import QuoteKind, Span


class RuleAssembler(Assembler):
    """Walks over the sentences once, in order, and reads each one's clauses."""

    def _read_frame(self, number: int, frame: Frame) -> None:
        found = read_clauses(frame)
        before = next((a for a in found if a.source), None)
        free = [
            token.quoted_span
            for token in frame.tokens
            if token.quoted_span >= 0 and token.quoted_span not in self._used
        ]
        attributed = {run for item in found for start, stop in item.content for run in frame.runs(start, stop)}
        early = [run for run in free if run not in attributed and self._stands_before(frame, run, before)]
        for run in early:
            self._loose_run(number, frame, run)
        if not found:
            self._cue_alone(number, frame)
        for attribution in found:
            self._attribute(number, frame, attribution)
        for run in free:
            if run not in self._used and run not in early:
                self._loose_run(number, frame, run)

    @staticmethod
    def _stands_before(frame: Frame, run: int, attribution: Attribution | None) -> bool:
        index = next(i for i, token in enumerate(frame.tokens) if token.quoted_span == run)
        return attribution is not None and index < attribution.content[0][0]

    def _cue_alone(self, number: int, frame: Frame) -> None:
        """`"Nobody moved?" Smith asked.`: a sentence of name and verb gives the marked one before it a speaker."""
        last = self._drafts[-1] if self._drafts else None
        fits = last and last.frame == number - 1 and last.paragraph == frame.sentence.paragraph and last.cue is None
        if not frame.hits or not fits or last is None or last.kind != "direct":
            return
        hit = frame.hits[0]
        source = source_before(frame, hit.start) if hit.start else source_after(frame, hit.stop)
        if source is None or (hit.start and source.start > 1):
            return
        source = source if hit.start else with_apposition(frame, source, len(frame.tokens))
        last.speaker = self._resolver.resolve(number, source)
        last.cue = (frame.tokens[hit.start].start, frame.tokens[hit.stop - 1].end)
        last.cue_class = hit.cue.cue_class
        last.frame = number
        self._resolver.speaks(last.speaker, last.paragraph)

    def _attribute(self, number: int, frame: Frame, attribution: Attribution) -> None:
        tokens = frame.tokens
        dash = tokens[0].text in "—–" and len(tokens) > 1
        spans, kinds, runs = [], set(), []
        for start, stop in attribution.content:
            kind = self._kind(frame, start, stop)
            kinds.add("direct" if dash and start == 1 else kind)
            spans.extend(self._spans(frame, start, stop, kind))
            runs.extend(frame.runs(start, stop))
        if any(run in self._used for run in runs) or not spans:
            return
        kind = next(iter(kinds)) if len(kinds) == 1 else "mixed"
        cue = attribution.cue
        draft = Draft(
            spans,
            kind,
            frame.sentence.paragraph,
            number,
            cue=(tokens[cue[0]].start, tokens[cue[1] - 1].end) if cue else None,
            cue_class=attribution.cue_class,
            speaker=self._resolver.resolve(number, attribution.source) if attribution.source else Speaker(),
            runs=runs,
            open_ended=kind == "direct",
        )
        self._follow_chain(draft)
        self._keep(draft)

    def _kind(self, frame: Frame, start: int, stop: int) -> QuoteKind:
        marked = len(frame.runs(start, stop))
        if not marked:
            return "indirect"
        return "mixed" if frame.words(start, stop) else "direct"

    def _spans(self, frame: Frame, start: int, stop: int, kind: QuoteKind) -> list[Span]:
        if kind != "direct":
            return [(frame.tokens[start].start, frame.tokens[stop - 1].end)]
        runs = [self._reading.quoted_spans[run] for run in frame.runs(start, stop)]
        return [span for run in runs for span in inner(self._reading.text, run)]
