"""Assemble quote candidates: code shared by the rules and the model."""

import re
from dataclasses import dataclass, field

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.quotation_marks import QuotedSpan
from transforms.annotate.nlp.tokens import tokenize
from transforms.annotate.quotes.dialogue import SIGNATURE_MARKS, DialogueTurn, layout_speaker
from transforms.annotate.quotes.sentence_view import SentenceView
from transforms.annotate.quotes.speaker_phrases import phrase_after, phrase_before
from transforms.annotate.quotes.speaker_resolver import Speaker, SpeakerResolver
from transforms.schema.records import CueClass, Entity, QuoteKind, Span

MIN_SPEECH_WORDS = 4
"""Minimum length of quoted words that are speech without a cue, unless they look like a title."""
MAX_WORDS_BEFORE_COLON = 8
"""Maximum distance, in tokens, from a reporting verb to a final colon: `he told a crowd in Karra on Monday:`"""


@dataclass(slots=True)
class QuoteCandidate:
    """A quotation before it becomes a row of ``quotes``. Spans are code point offsets, end exclusive."""

    spans: list[Span]
    kind: QuoteKind
    paragraph: int
    sentence: int
    """Index of its sentence, the last one if there are several."""
    cue: Span | None = None
    cue_class: CueClass | None = None
    speaker: Speaker = field(default_factory=Speaker)
    quoted_spans: list[int] = field(default_factory=list)
    """Indices of the quoted spans that belong to it completely."""
    partial_spans: list[Span] = field(default_factory=list)
    """Parts of other quoted spans that belong to it."""
    open_ended: bool = False
    """Whether a quoted span in the next sentence continues it."""
    probabilities: tuple[float, float] | None = None
    """Probabilities of content and source by the model; None for a candidate of the rules."""


class QuoteAssembler:
    """Collect the quote candidates of a text, in text order, and resolve their speakers.

    Args:
        parsed: the text.
        entities: its entities.
        views: its sentences.
    """

    def __init__(self, parsed: ParsedText, entities: list[Entity], views: list[SentenceView]) -> None:
        self.parsed = parsed
        self.entities = entities
        self.views = views
        self.resolver = SpeakerResolver(parsed, entities, views)
        self.candidates: list[QuoteCandidate] = []
        self.used: set[int] = set()
        """Indices of the quoted spans that a candidate contains."""

    @property
    def last(self) -> QuoteCandidate | None:
        """The last added candidate."""
        return self.candidates[-1] if self.candidates else None

    def add(self, candidate: QuoteCandidate) -> None:
        """Add a candidate, including the next paragraphs if its last quoted span continues there."""
        self._extend(candidate)
        self.candidates.append(candidate)
        self.resolver.remember(candidate.speaker, candidate.paragraph)

    def add_turn(self, turn: DialogueTurn) -> None:
        """Add a turn of an interview or a transcript."""
        speaker = Speaker(turn.label, turn.entity, "label", turn.role)
        self.add(QuoteCandidate(turn.spans, "direct", turn.paragraphs[0], turn.sentence, speaker=speaker))

    def _extend(self, candidate: QuoteCandidate) -> None:
        quoted = self.parsed.quoted_spans
        indices = candidate.quoted_spans
        while indices and quoted[indices[-1]].continues and indices[-1] + 1 < len(quoted):
            indices.append(indices[-1] + 1)
            candidate.spans.extend(content_spans(self.parsed.text, quoted[indices[-1]]))
        self.used.update(indices)

    def add_without_cue(self, number: int, index: int) -> None:
        """Add the quoted span without a cue at token ``index`` of sentence ``number``, if it is speech.

        It continues the last candidate, or its speaker comes from the layout or from the sentences around it.
        """
        view = self.views[number]
        quoted = view.tokens[index].quoted_span
        alone = not view.words(0, len(view.tokens))
        if not self._is_speech(view, index, alone):
            return
        spans = content_spans(self.parsed.text, self.parsed.quoted_spans[quoted])
        paragraph = view.sentence.paragraph
        last = self.last
        if alone and last and last.open_ended and last.paragraph == paragraph and number - last.sentence in (0, 1):
            last.spans.extend(spans)
            last.quoted_spans.append(quoted)
            last.sentence = number
            self._extend(last)
            return
        speaker, cue = self._speaker_without_cue(number, index, alone)
        self.add(
            QuoteCandidate(
                spans,
                "direct",
                paragraph,
                number,
                cue=cue,
                cue_class=class_of_cue(self.parsed.text[cue[0] : cue[1]]) if cue else None,
                speaker=speaker,
                quoted_spans=[quoted],
                open_ended=alone,
            )
        )

    def _is_speech(self, view: SentenceView, index: int, alone: bool) -> bool:
        quoted = self.parsed.quoted_spans[view.tokens[index].quoted_span]
        content = self.parsed.text[quoted.start : quoted.end].strip()
        words = words_of(content)
        if not words:
            return False
        title = is_title_case(words)
        signed = view.low(index + 1) in SIGNATURE_MARKS and len(view.tokens) - index < 10
        if alone or signed or view.low(index - 1) == ":":
            return not title or content[-1] in ".!?…,"
        blocked = any(view.low(at) in lexicon().blockers for at in range(max(0, index - 3), index))
        return not (blocked or title) and len(words) >= MIN_SPEECH_WORDS and view.low(index - 1) not in ("and", "or")

    def _speaker_without_cue(self, number: int, index: int, alone: bool) -> tuple[Speaker, Span | None]:
        """Return the speaker of a quoted span without a reporting verb, and its cue, such as a colon."""
        view = self.views[number]
        signature = layout_speaker(self.views, self.entities, number, index)
        if signature is not None:
            return signature, None
        role = phrase_after(view, index + 2) if view.low(index + 1) in SIGNATURE_MARKS else None
        if role is not None and role.stop == len(view.tokens):
            return self.resolver.resolve(number, role), None
        announced = self._announced(number) if alone and index == 0 else None
        if announced is not None:
            return announced
        colon = view.low(index - 1) == ":"
        if colon or not alone:
            subject = self.resolver.subject(number)
            if subject is not None:
                mark = view.tokens[index - 1]
                return subject, (mark.start, mark.end) if colon else None
        carried = self._carried_over(number, alone)
        if carried is not None:
            return carried, None
        if number and (alone or colon):
            distance = view.sentence.paragraph - self.views[number - 1].sentence.paragraph
            subject = self.resolver.subject(number - 1) if distance <= alone else None
            if subject is not None and (not distance or self._introduces(number - 1, subject)):
                return subject, None
        return Speaker(), None

    def _announced(self, number: int) -> tuple[Speaker, Span] | None:
        """Return speaker and cue if the previous sentence ends with a reporting verb and a colon: `He continued:`"""
        view = self.views[number - 1] if number else None
        if view is None or not view.cue_matches or view.tokens[-1].text != ":":
            return None
        match = view.cue_matches[-1]
        phrase = phrase_before(view, match.start)
        if phrase is None or match.stop + MAX_WORDS_BEFORE_COLON < len(view.tokens):
            return None
        return self.resolver.resolve(number - 1, phrase), view.span(match.start, match.stop)

    def _introduces(self, number: int, subject: Speaker) -> bool:
        """Whether the last sentence of a paragraph introduces the speaker of the next paragraph."""
        view = self.views[number]
        person = subject.entity is not None and self.entities[subject.entity].type == "PERSON"
        return person and subject.method == "named" and not view.quoted_spans(0, len(view.tokens))

    def _carried_over(self, number: int, alone: bool) -> Speaker | None:
        """Return the last candidate's speaker if it ends at most one paragraph earlier and no other subject follows."""
        last = self.last
        if last is None or last.speaker.span is None:
            return None
        end = max([last.paragraph, *(self.parsed.quoted_spans[index].paragraph for index in last.quoted_spans)])
        if self.views[number].sentence.paragraph - end > alone:
            return None
        for between in range(last.sentence + 1, number):
            other = self.resolver.subject(between)
            if other is not None and other.entity != last.speaker.entity:
                return None
        return Speaker(last.speaker.span, last.speaker.entity, "carried_over", last.speaker.role)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without punctuation."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)


def is_title_case(words: list[str]) -> bool:
    """Return whether two or more words all begin with a capital or a digit, as in a title; ignore function words."""
    content_words = [word for word in words if word.lower() not in lexicon().function_words]
    return len(content_words) > 1 and all(word[0].isupper() or word[0].isdigit() for word in content_words)


def content_spans(text: str, quoted: QuotedSpan) -> list[Span]:
    """Return a quoted span without white space and commas at its ends: one span, or none if nothing remains."""
    start, end = quoted.start, quoted.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return [(start, end)] if end > start else []


def class_of_cue(cue: str) -> CueClass:
    """Return the class of a cue, such as ``said`` or ``belief``; ``other`` if it contains no known reporting verb."""
    lows = [token.low for token in tokenize(cue)]
    if "according" in lows:
        return "according_to"
    for at, low in enumerate(lows):
        for words, known in lexicon().cues.get(low, ()):
            if tuple(lows[at : at + len(words)]) == words:
                return known.cue_class
    return "other"
