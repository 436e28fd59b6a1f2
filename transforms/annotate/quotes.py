"""Quotations put together: marked runs and reported clauses joined to their cues and speakers."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from transforms.annotate.clauses import Attribution, read_clauses
from transforms.annotate.entities import MODEL_VERSION
from transforms.annotate.frames import Frame, frames_of
from transforms.annotate.labels import SIGNATURE_MARKS, Turn, read_turns, signed_by
from transforms.annotate.lexicon import lexicon
from transforms.annotate.marks import Run
from transforms.annotate.reading import Reading, read
from transforms.annotate.sources import source_after, source_before, with_apposition
from transforms.annotate.speakers import Resolver, Speaker
from transforms.annotate.words import normalized
from transforms.records import CueClass, Entity, Quote, QuoteKind, Span, SpeakerMethod, stable_id

# How often the source is right where the content is, by how the speaker was found: shares on the development set,
# rounded. A first measure, not yet calibrated quote by quote.
CONFIDENCE: dict[SpeakerMethod, float] = {
    "named": 0.85,
    "surname": 0.95,
    "label": 0.95,
    "pronoun": 0.92,
    "role": 0.8,
    "carried_over": 0.5,
    "none": 0.1,
}
KIND_FACTOR: dict[QuoteKind, float] = {"direct": 1.0, "mixed": 0.95, "indirect": 0.95}
MAX_PIECES = 400
"""A sentence of more words and runs is no prose, and no quotation is read in it."""
LONG_RUN = 4
"""Marked words of this number and more are speech even where no verb says so, unless they look like a title."""


@dataclass(slots=True)
class Draft:
    """A quotation on its way to its record."""

    spans: list[Span]
    kind: QuoteKind
    paragraph: int
    frame: int
    cue: Span | None = None
    cue_class: CueClass | None = None
    speaker: Speaker = field(default_factory=Speaker)
    runs: list[int] = field(default_factory=list)
    open_ended: bool = False
    """Marked words in the next sentence go on with it."""


def find_quotes(
    text: str, entities: list[Entity], *, title: str | None = None, version_id: str = "", reading: Reading | None = None
) -> list[Quote]:
    """The attributed quotations of a text, direct, mixed and indirect.

    Args:
        text: an article's text, English.
        entities: its entities, from `find_entities`; speakers are resolved to them.
        title: the article's headline, to know it where it stands in the text.
        version_id: what the quotes' ids hang on.
        reading: the text taken apart, when the caller has it already.

    Returns:
        Quotes in order. ``text[start:end]`` of its spans, joined by a space, is the quote's text; a quote all in marks
        has spans inside them. Only the outermost report counts. A speaker that cannot be named has no name.
    """
    reading = reading or read(text)
    drafts = Assembler(reading, entities).drafts()
    headline = _headline_paragraph(reading, title)
    ordered = sorted(drafts, key=lambda draft: draft.spans[0])
    mentions = sorted((m.start, m.end, entity.entity_id) for entity in entities for m in entity.mentions)
    return [
        _quote(reading, entities, mentions, draft, ordinal, draft.paragraph == headline, version_id)
        for ordinal, draft in enumerate(ordered)
    ]


def _headline_paragraph(reading: Reading, title: str | None) -> int:
    """The paragraph that is the headline; -1 when none is."""
    if not reading.paragraphs:
        return -1
    lines = [reading.text[start:end] for start, end in reading.paragraphs[:3]]
    if title:
        wanted = normalized(title)
        return next((number for number, line in enumerate(lines) if normalized(line) == wanted), -1)
    short = len(lines[0].split()) <= 20 and lines[0].rstrip()[-1:] not in ".!?…:"
    return 0 if short and len(lines) > 1 else -1


class Assembler:
    """Walks over the sentences once, in order, and keeps who spoke last."""

    def __init__(self, reading: Reading, entities: list[Entity]) -> None:
        self._reading = reading
        self._frames = frames_of(reading, entities)
        self._resolver = Resolver(reading, entities, self._frames)
        self._entities = entities
        self._used: set[int] = set()
        self._drafts: list[Draft] = []

    def drafts(self) -> list[Draft]:
        """All quotations, in the order in which they were understood."""
        turns = read_turns(self._reading, self._frames, self._entities)
        spoken = {paragraph for turn in turns for paragraph in turn.paragraphs}
        for turn in turns:
            self._add_turn(turn)
        for number, frame in enumerate(self._frames):
            if frame.sentence.paragraph not in spoken and len(frame.tokens) <= MAX_PIECES:
                self._read_frame(number, frame)
        return self._drafts

    def _add_turn(self, turn: Turn) -> None:
        speaker = Speaker(turn.label, turn.entity, "label", turn.role)
        self._keep(Draft(turn.spans, "direct", turn.paragraphs[0], turn.frame, speaker=speaker))

    def _keep(self, draft: Draft) -> None:
        self._drafts.append(draft)
        self._used.update(draft.runs)
        self._resolver.speaks(draft.speaker, draft.paragraph)

    def _read_frame(self, number: int, frame: Frame) -> None:
        found = read_clauses(frame)
        before = next((a for a in found if a.source), None)
        free = [token.run for token in frame.tokens if token.run >= 0 and token.run not in self._used]
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
        index = next(i for i, token in enumerate(frame.tokens) if token.run == run)
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

    def _follow_chain(self, draft: Draft) -> None:
        """Add the paragraphs in which the last run goes on."""
        runs = self._reading.runs
        while draft.runs and runs[draft.runs[-1]].continues and draft.runs[-1] + 1 < len(runs):
            following = draft.runs[-1] + 1
            draft.runs.append(following)
            draft.spans.extend(_inner(self._reading.text, runs[following]))

    def _kind(self, frame: Frame, start: int, stop: int) -> QuoteKind:
        marked = len(frame.runs(start, stop))
        if not marked:
            return "indirect"
        return "mixed" if frame.words(start, stop) else "direct"

    def _spans(self, frame: Frame, start: int, stop: int, kind: QuoteKind) -> list[Span]:
        if kind != "direct":
            return [(frame.tokens[start].start, frame.tokens[stop - 1].end)]
        runs = [self._reading.runs[run] for run in frame.runs(start, stop)]
        return [span for run in runs for span in _inner(self._reading.text, run)]

    def _loose_run(self, number: int, frame: Frame, run: int) -> None:
        """Marked words that no verb claims: the last speaker's, the sentence's subject's, or nobody's speech."""
        index = next(i for i, token in enumerate(frame.tokens) if token.run == run)
        alone = not frame.words(0, len(frame.tokens))
        if not self._is_speech(frame, index, alone):
            return
        spans = _inner(self._reading.text, self._reading.runs[run])
        last = self._drafts[-1] if self._drafts else None
        paragraph = frame.sentence.paragraph
        if alone and last and last.open_ended and last.paragraph == paragraph and last.frame in (number - 1, number):
            last.spans.extend(spans)
            last.runs.append(run)
            last.frame = number
            self._used.add(run)
            self._follow_chain(last)
            self._used.update(last.runs)
            return
        speaker, cue = self._speaker_of_loose(number, frame, index, alone)
        draft = Draft(spans, "direct", paragraph, number, cue=cue, speaker=speaker, runs=[run], open_ended=alone)
        draft.cue_class = "other" if cue else None
        self._follow_chain(draft)
        self._keep(draft)

    def _is_speech(self, frame: Frame, index: int, alone: bool) -> bool:
        run = self._reading.runs[frame.tokens[index].run]
        inside = self._reading.text[run.start : run.end].strip()
        words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", inside)
        if not words:
            return False
        plain = [word for word in words if word.lower() not in lexicon().function_words]
        titled = len(plain) > 1 and all(word[0].isupper() or word[0].isdigit() for word in plain)
        ended = inside[-1] in ".!?…,"
        signed = frame.low(index + 1) in SIGNATURE_MARKS and len(frame.tokens) - index < 10
        if alone or signed or frame.low(index - 1) == ":":
            return not (titled and not ended)
        blocked = any(frame.low(at) in lexicon().blockers for at in range(max(0, index - 3), index))
        return not blocked and not titled and len(words) >= LONG_RUN and frame.low(index - 1) not in ("and", "or")

    def _speaker_of_loose(self, number: int, frame: Frame, index: int, alone: bool) -> tuple[Speaker, Span | None]:
        signature = signed_by(self._frames, self._entities, number, index)
        if signature is not None:
            return signature, None
        role = source_after(frame, index + 2) if frame.low(index + 1) in SIGNATURE_MARKS else None
        if role is not None and role.stop == len(frame.tokens):
            return self._resolver.resolve(number, role), None
        colon = frame.low(index - 1) == ":"
        if colon or not alone:
            subject = self._resolver.subject(number)
            if subject is not None:
                mark = frame.tokens[index - 1]
                return subject, (mark.start, mark.end) if colon else None
        carried = self._carried(number, alone)
        if carried is not None:
            return carried, None
        if number and (alone or colon):
            apart = frame.sentence.paragraph - self._frames[number - 1].sentence.paragraph
            subject = self._resolver.subject(number - 1) if apart <= alone else None
            if subject is not None and (not apart or self._introduces(number - 1, subject)):
                return subject, None
        return Speaker(), None

    def _introduces(self, number: int, subject: Speaker) -> bool:
        """Whether a paragraph that ends with this sentence leaves the word to the person whom the sentence names."""
        frame = self._frames[number]
        person = subject.entity is not None and self._entities[subject.entity].type == "PERSON"
        return person and subject.method == "named" and not frame.runs(0, len(frame.tokens))

    def _carried(self, number: int, alone: bool) -> Speaker | None:
        """The last quote's speaker, when it ends in this paragraph or the one before and nobody else comes between."""
        last = self._drafts[-1] if self._drafts else None
        if last is None or last.speaker.span is None:
            return None
        ends = max([last.paragraph, *(self._reading.runs[run].paragraph for run in last.runs)])
        if self._frames[number].sentence.paragraph - ends > alone:
            return None
        for between in range(last.frame + 1, number):
            other = self._resolver.subject(between)
            if other is not None and other.entity != last.speaker.entity:
                return None
        return Speaker(last.speaker.span, last.speaker.entity, "carried_over", last.speaker.role)


def _inner(text: str, run: Run) -> list[Span]:
    start, end = run.start, run.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return [(start, end)] if end > start else []


def _quote(
    reading: Reading,
    entities: list[Entity],
    mentions: list[tuple[int, int, str]],
    draft: Draft,
    ordinal: int,
    in_headline: bool,
    version_id: str,
) -> Quote:
    text = reading.text
    spans = tuple(draft.spans)
    said = " ".join(text[start:end] for start, end in spans)
    verbatim = tuple(text[a:b] for run in sorted(draft.runs) for a, b in _inner(text, reading.runs[run]))
    if draft.kind == "direct" and not draft.runs:
        verbatim = tuple(text[start:end] for start, end in spans)
    speaker = draft.speaker
    entity = entities[speaker.entity] if speaker.entity is not None else None
    return Quote(
        quote_id=stable_id(version_id, str([list(span) for span in spans])),
        ordinal=ordinal,
        paragraph=draft.paragraph,
        in_headline=in_headline,
        kind=draft.kind,
        text=said,
        verbatim_text=verbatim,
        spans=spans,
        cue=text[draft.cue[0] : draft.cue[1]] if draft.cue else None,
        cue_spans=(draft.cue,) if draft.cue else (),
        cue_class=draft.cue_class,
        speaker=text[speaker.span[0] : speaker.span[1]] if speaker.span else None,
        speaker_spans=(speaker.span,) if speaker.span else (),
        speaker_name=entity.name if entity else None,
        speaker_entity_id=entity.entity_id if entity else None,
        speaker_type=entity.type if entity else None,
        speaker_role=speaker.role,
        speaker_method=speaker.method,
        confidence=round(CONFIDENCE[speaker.method] * KIND_FACTOR[draft.kind], 2),
        mentioned_entity_ids=_mentioned(mentions, spans),
        utterance_id=stable_id(normalized(said)),
        model_version=MODEL_VERSION,
    )


def _mentioned(mentions: list[tuple[int, int, str]], spans: tuple[Span, ...]) -> tuple[str, ...]:
    """The ids of the entities with a mention inside the spans, in order; ``mentions`` are (start, end, id), sorted."""
    found: dict[str, None] = {}
    for start, end in spans:
        at = bisect_left(mentions, (start, 0, ""))
        while at < len(mentions) and mentions[at][0] < end:
            if mentions[at][1] <= end:
                found[mentions[at][2]] = None
            at += 1
    return tuple(found)
