"""Quotations on their way: what the rules and the model both do with turns, loose marked words and speakers."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.quotation_marks import QuotedSpan
from transforms.annotate.nlp.tokens import tokenize
from transforms.annotate.quotes.dialogue import SIGNATURE_MARKS, Turn, read_turns, signed_by
from transforms.annotate.quotes.sentence_view import Frame
from transforms.annotate.quotes.speaker_phrases import source_after, source_before
from transforms.annotate.quotes.speaker_resolver import Resolver, Speaker
from transforms.schema.records import CueClass, Entity, QuoteKind, Span

MAX_PIECES = 400
"""A sentence of more words and runs is no prose, and no quotation is read in it."""
LONG_RUN = 4
"""Marked words of this number and more are speech even where no verb says so, unless they look like a title."""
MAX_ANNOUNCED = 8
"""Words between a verb of speech and the colon at its sentence's end: `he told a crowd in Karra on Monday:`"""


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
    """The marked runs that belong to it whole."""
    within: list[Span] = field(default_factory=list)
    """Spans that are a part of a marked run alone."""
    open_ended: bool = False
    """Marked words in the next sentence go on with it."""
    shares: tuple[float, float] | None = None
    """How sure the model is of content and of source; None where rules alone speak."""


class Assembler(ABC):
    """What both ways of finding quotations share: the walk over sentences, and who spoke last.

    Args:
        reading: the text.
        entities: its entities.
        frames: its sentences as frames.
    """

    def __init__(self, reading: ParsedText, entities: list[Entity], frames: list[Frame]) -> None:
        self._reading = reading
        self._frames = frames
        self._resolver = Resolver(reading, entities, frames)
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

    @abstractmethod
    def _read_frame(self, number: int, frame: Frame) -> None:
        """Adds the quotations of one sentence."""

    def _add_turn(self, turn: Turn) -> None:
        speaker = Speaker(turn.label, turn.entity, "label", turn.role)
        self._keep(Draft(turn.spans, "direct", turn.paragraphs[0], turn.frame, speaker=speaker))

    def _keep(self, draft: Draft) -> None:
        self._drafts.append(draft)
        self._used.update(draft.runs)
        self._resolver.speaks(draft.speaker, draft.paragraph)

    def _follow_chain(self, draft: Draft) -> None:
        """Add the paragraphs in which the last run goes on."""
        runs = self._reading.quoted_spans
        while draft.runs and runs[draft.runs[-1]].continues and draft.runs[-1] + 1 < len(runs):
            following = draft.runs[-1] + 1
            draft.runs.append(following)
            draft.spans.extend(inner(self._reading.text, runs[following]))

    def _loose_run(self, number: int, frame: Frame, run: int) -> None:
        """Marked words that no verb claims: the last speaker's, the sentence's subject's, or nobody's speech."""
        index = next(i for i, token in enumerate(frame.tokens) if token.quoted_span == run)
        alone = not frame.words(0, len(frame.tokens))
        if not self._is_speech(frame, index, alone):
            return
        spans = inner(self._reading.text, self._reading.quoted_spans[run])
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
        draft.cue_class = class_of_cue(self._reading.text[cue[0] : cue[1]]) if cue else None
        self._follow_chain(draft)
        self._keep(draft)

    def _is_speech(self, frame: Frame, index: int, alone: bool) -> bool:
        run = self._reading.quoted_spans[frame.tokens[index].quoted_span]
        inside = self._reading.text[run.start : run.end].strip()
        words = words_of(inside)
        if not words:
            return False
        titled = is_titled(words)
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
        announced = self._announced(number) if alone and index == 0 else None
        if announced is not None:
            return announced
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

    def _announced(self, number: int) -> tuple[Speaker, Span] | None:
        """Who speaks, and the cue, where the sentence before ends with it and a colon: `He continued:`"""
        frame = self._frames[number - 1] if number else None
        if frame is None or not frame.hits or frame.tokens[-1].text != ":":
            return None
        hit = frame.hits[-1]
        source = source_before(frame, hit.start)
        if source is None or hit.stop + MAX_ANNOUNCED < len(frame.tokens):
            return None
        cue = (frame.tokens[hit.start].start, frame.tokens[hit.stop - 1].end)
        return self._resolver.resolve(number - 1, source), cue

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
        ends = max([last.paragraph, *(self._reading.quoted_spans[run].paragraph for run in last.runs)])
        if self._frames[number].sentence.paragraph - ends > alone:
            return None
        for between in range(last.frame + 1, number):
            other = self._resolver.subject(between)
            if other is not None and other.entity != last.speaker.entity:
                return None
        return Speaker(last.speaker.span, last.speaker.entity, "carried_over", last.speaker.role)


def words_of(text: str) -> list[str]:
    """The words of a text without marks."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)


def is_titled(words: list[str]) -> bool:
    """Whether each word of several begins with a capital or a digit, as in a title or on a sign."""
    plain = [word for word in words if word.lower() not in lexicon().function_words]
    return len(plain) > 1 and all(word[0].isupper() or word[0].isdigit() for word in plain)


def inner(text: str, run: QuotedSpan) -> list[Span]:
    start, end = run.start, run.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return [(start, end)] if end > start else []


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
