"""Assemble quote candidates from the attributions of the model."""

from bisect import bisect_left, bisect_right
from collections import defaultdict

import numpy as np

from transforms.annotate.model.attribution import AttributionSpans, WordRange, decode_attributions
from transforms.annotate.model.tagger import Tagged
from transforms.annotate.quotes.alignment import Alignment, ContentPart
from transforms.annotate.quotes.assembler import QuoteAssembler, QuoteCandidate, class_of_cue
from transforms.annotate.quotes.clauses import read_clauses
from transforms.annotate.quotes.rule_assembler import RuleAssembler
from transforms.annotate.quotes.speaker_phrases import can_speak, phrase_after, phrase_before, phrase_within
from transforms.annotate.quotes.speaker_resolver import Speaker

_OPENING_MARKS = frozenset("\"'“„‘‚«»`")
_DASHES = frozenset("-–—")


class ModelAssembler:
    """Add quote candidates from the attributions of the model, each in the sentence of its cue.

    The rules process two kinds of sentences: dialogue that begins with a dash, which the model's training texts lack,
    and sentences with a cue that the model missed.

    Args:
        quotes: the candidates so far; call `add_sentence` in text order.
        tagged: the output of the model for the text.
    """

    def __init__(self, quotes: QuoteAssembler, tagged: Tagged) -> None:
        self._quotes = quotes
        self._rules = RuleAssembler(quotes)
        self._words = tagged.words
        self._alignment = Alignment(quotes.parsed, tagged.words)
        self._mention_starts = sorted(mention.start for entity in quotes.entities for mention in entity.mentions)
        self._by_sentence: dict[int, list[AttributionSpans]] = defaultdict(list)
        self._claimed: set[int] = set()
        self._left_to_rules: set[int] = set()
        attributions = self._with_cues(decode_attributions(tagged))
        self._with_cue = {self._alignment.sentence_of(one.cue[0]) for one in attributions}
        for one in attributions:
            number = self._alignment.sentence_of(one.cue[0])
            one.content = [part for part in one.content if not self._has_own_cue(number, part)]
            if one.content:
                self._correct_source(one)
                self._by_sentence[number].append(one)
                self._claimed.update(self._quoted_spans(one))

    def _with_cues(self, attributions: list[AttributionSpans]) -> list[AttributionSpans]:
        """Return the attributions with a cue, each extended by the quoted spans nearest to it: `"A," he said. "B."`

        Only content in quotation marks is moved, and only within a paragraph; other content without a cue is dropped,
        since it would have no speaker.
        """
        paragraphs = self._words.paragraph
        with_cue = [one for one in attributions if one.cue]
        for part in (one.content[0] for one in attributions if not one.cue):
            here = paragraphs[part[0]]
            near = [
                other for other in with_cue if here in (paragraphs[other.content[0][0]], paragraphs[other.cue[0][0]])
            ]
            if near and self._alignment.quoted_spans(part):
                nearest = min(
                    near, key=lambda other: min(abs(part[0] - b) + abs(a - part[1]) for a, b in other.content)
                )
                nearest.content = sorted([*nearest.content, part])
        return with_cue

    def _has_own_cue(self, number: int, part: WordRange) -> bool:
        """Whether the rules find a cue for a quoted part outside sentence ``number`` that the model missed."""
        here = self._alignment.sentence_of(part)
        if here == number or here in self._with_cue:
            return False
        quoted = self._alignment.quoted_spans(part)
        view = self._quotes.views[here]
        clauses = read_clauses(view) if quoted else []
        found = any(index in quoted for one in clauses for a, b in one.content for index in view.quoted_spans(a, b))
        if found:
            self._left_to_rules.add(here)
        return found

    def _correct_source(self, attribution: AttributionSpans) -> None:
        """Move a name between a quoted span and the cue from the content to the source.

        An example is ``"...", X was quoted as saying by Y``.
        """
        begin, stop = attribution.content[-1]
        quoted = self._alignment.quoted_spans((begin, stop))
        by_reporter = attribution.source and self._quotes.parsed.text.endswith(
            " by ", 0, self._alignment.span(attribution.source[0])[0]
        )
        if (attribution.source and not by_reporter) or stop != attribution.cue[0][0] or not quoted:
            return
        after = int(np.searchsorted(self._words.starts, self._quotes.parsed.quoted_spans[quoted[-1]].outer_end))
        if after >= stop:
            return
        start, end = self._alignment.span((after, stop))
        at = bisect_left(self._mention_starts, start)
        if at < len(self._mention_starts) and self._mention_starts[at] < end:
            attribution.content[-1] = (begin, after)
            attribution.source = [(after, stop)]

    def _quoted_spans(self, attribution: AttributionSpans) -> list[int]:
        return [index for part in attribution.content for index in self._alignment.quoted_spans(part)]

    def add_sentence(self, number: int) -> None:
        """Add the quotations of sentence ``number``."""
        view = self._quotes.views[number]
        if number in self._left_to_rules or (view.low(0) in _DASHES and read_clauses(view)):
            self._rules.add_sentence(number)
            return
        for attribution in sorted(self._by_sentence.get(number, ()), key=lambda one: one.cue):
            self._add_attribution(number, attribution)
        for at, token in enumerate(view.tokens):
            if (
                token.quoted_span >= 0
                and token.quoted_span not in self._quotes.used
                and token.quoted_span not in self._claimed
            ):
                self._quotes.add_without_cue(number, at)

    def _add_attribution(self, number: int, attribution: AttributionSpans) -> None:
        parts: list[ContentPart] = []
        used = set(self._quotes.used)
        for part in map(self._alignment.content, attribution.content):
            if part.spans and used.isdisjoint(part.quoted_spans):
                parts.append(part)
                used.update(part.quoted_spans)
        cue = self._alignment.span(attribution.cue[0])
        cue_class = class_of_cue(self._quotes.parsed.text[cue[0] : cue[1]])
        if cue_class == "other" and all(map(self._alignment.is_title, parts)):
            self._quotes.used.update(index for part in parts for index in part.quoted_spans)
            return
        own, later = self._split(parts, number)
        if not own:
            return
        kinds = {part.kind for part in own}
        candidate = QuoteCandidate(
            [span for part in own for span in part.spans],
            next(iter(kinds)) if len(kinds) == 1 else "mixed",
            self._paragraph_of(own[0]),
            number,
            cue=cue,
            cue_class=cue_class,
            speaker=self._speaker(attribution),
            quoted_spans=[index for part in own for index in part.quoted_spans],
            partial_spans=[span for p in own if p.kind == "direct" and not p.quoted_spans for span in p.spans],
            open_ended=kinds == {"direct"},
            probabilities=(attribution.content_probability, attribution.source_probability),
        )
        self._quotes.add(candidate)
        for part in later:
            self._add_continuation(part, candidate.speaker)

    def _paragraph_of(self, part: ContentPart) -> int:
        return self._quotes.views[self._alignment.sentence_at(part.spans[0][0])].sentence.paragraph

    def _split(self, parts: list[ContentPart], number: int) -> tuple[list[ContentPart], list[ContentPart]]:
        """Split off direct parts in sentences after an indirect quotation: they are separate quotations.

        Indirect parts outside the sentences of a direct quotation are dropped.
        """
        first_and_last = [
            (self._alignment.sentence_at(part.spans[0][0]), self._alignment.sentence_at(part.spans[-1][0]))
            for part in parts
        ]
        near = [part for part, (first, last) in zip(parts, first_and_last, strict=True) if first <= number <= last]
        kinds = {part.kind for part in near}
        if kinds == {"indirect"} and self._quotes.parsed.text[near[0].spans[0][0]] not in _OPENING_MARKS:
            later = [
                part
                for part, (first, _) in zip(parts, first_and_last, strict=True)
                if part.kind == "direct" and first > number
            ]
            return [part for part in parts if part not in later], later
        if kinds == {"direct"}:
            return [part for part in parts if part.kind != "indirect"], []
        return parts, []

    def _add_continuation(self, part: ContentPart, speaker: Speaker) -> None:
        """Add a direct part after an indirect quotation as a quotation of the same speaker."""
        self._quotes.add(
            QuoteCandidate(
                part.spans,
                "direct",
                self._paragraph_of(part),
                self._alignment.sentence_at(part.spans[0][0]),
                speaker=Speaker(speaker.span, speaker.entity, "carried_over" if speaker.span else "none", speaker.role),
                quoted_spans=part.quoted_spans,
                open_ended=True,
            )
        )

    def _speaker(self, attribution: AttributionSpans) -> Speaker:
        if not attribution.source:
            return self._speaker_near_cue(attribution)
        start, end = self._alignment.span(attribution.source[0])
        quoted = [self._quotes.parsed.quoted_spans[index] for index in self._quoted_spans(attribution)]
        if any(one.start <= start < one.end for one in quoted):
            return self._speaker_near_cue(attribution)
        number = self._alignment.sentence_at(start)
        view = self._quotes.views[number]
        first = bisect_right([token.end for token in view.tokens], start)
        stop = bisect_left([token.start for token in view.tokens], end)
        if first >= stop:
            return Speaker((start, end), None, "role")
        found = self._quotes.resolver.resolve(number, phrase_within(view, first, stop, self._quotes.entities))
        return Speaker((start, end), found.entity, found.method, found.role)

    def _speaker_near_cue(self, attribution: AttributionSpans) -> Speaker:
        """Return the speaker beside a cue by rules, if the model gives no source: `the mayor said, adding ...`"""
        at = self._alignment.span(attribution.cue[0])[0]
        number = self._alignment.sentence_at(at)
        view = self._quotes.views[number]
        for match in view.cue_matches:
            start, end = view.span(match.start, match.stop)
            if start <= at < end:
                inverted = view.is_quoted(match.start - 1) or view.low(match.start - 1) in ("", ",", "—", "–")
                phrase = phrase_before(view, match.start) or (phrase_after(view, match.stop) if inverted else None)
                return (
                    self._quotes.resolver.resolve(number, phrase) if phrase and can_speak(view, phrase) else Speaker()
                )
        return Speaker()
