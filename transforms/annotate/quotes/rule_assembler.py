"""Assemble quote candidates by rules, from the clauses around reporting verbs."""

from transforms.annotate.quotes.assembler import QuoteAssembler, QuoteCandidate, content_spans
from transforms.annotate.quotes.clauses import Attribution, read_clauses
from transforms.annotate.quotes.sentence_view import SentenceView
from transforms.annotate.quotes.speaker_phrases import phrase_after, phrase_before, with_apposition
from transforms.schema.records import QuoteKind, Span


class RuleAssembler:
    """Add the quote candidates of sentences by rules.

    Args:
        quotes: the candidates so far; call `add_sentence` in text order.
    """

    def __init__(self, quotes: QuoteAssembler) -> None:
        self._quotes = quotes

    def add_sentence(self, number: int) -> None:
        """Add the quotations of sentence ``number``."""
        view = self._quotes.views[number]
        attributions = read_clauses(view)
        first = attributions[0].content[0][0] if attributions else 0
        free = [
            at
            for at, token in enumerate(view.tokens)
            if token.quoted_span >= 0 and token.quoted_span not in self._quotes.used
        ]
        attributed = {at for item in attributions for start, stop in item.content for at in range(start, stop)}
        leading = [at for at in free if at not in attributed and at < first]
        for at in leading:
            self._quotes.add_without_cue(number, at)
        if not attributions:
            self._attribute_previous(number)
        for attribution in attributions:
            self._add_attribution(number, attribution)
        for at in free:
            if view.tokens[at].quoted_span not in self._quotes.used and at not in leading:
                self._quotes.add_without_cue(number, at)

    def _attribute_previous(self, number: int) -> None:
        """Set cue and speaker of the previous sentence's quotation: `"Nobody moved?" Smith asked.`"""
        view, last = self._quotes.views[number], self._quotes.last
        if not view.cue_matches or last is None or last.cue is not None or last.kind != "direct":
            return
        if last.sentence != number - 1 or last.paragraph != view.sentence.paragraph:
            return
        match = view.cue_matches[0]
        phrase = phrase_before(view, match.start) if match.start else phrase_after(view, match.stop)
        if phrase is None or (match.start and phrase.start > 1):
            return
        phrase = phrase if match.start else with_apposition(view, phrase, len(view.tokens))
        last.speaker = self._quotes.resolver.resolve(number, phrase)
        last.cue = view.span(match.start, match.stop)
        last.cue_class = match.cue.cue_class
        last.sentence = number
        self._quotes.resolver.remember(last.speaker, last.paragraph)

    def _add_attribution(self, number: int, attribution: Attribution) -> None:
        view = self._quotes.views[number]
        dialogue_dash = view.tokens[0].text in "—–" and len(view.tokens) > 1
        spans: list[Span] = []
        kinds: set[QuoteKind] = set()
        quoted: list[int] = []
        for start, stop in attribution.content:
            kind = _kind_of(view, start, stop)
            kinds.add("direct" if dialogue_dash and start == 1 else kind)
            spans.extend(self._spans(view, start, stop, kind))
            quoted.extend(view.quoted_spans(start, stop))
        if not self._quotes.used.isdisjoint(quoted) or not spans:
            return
        kind = next(iter(kinds)) if len(kinds) == 1 else "mixed"
        self._quotes.add(
            QuoteCandidate(
                spans,
                kind,
                view.sentence.paragraph,
                number,
                cue=view.span(*attribution.cue),
                cue_class=attribution.cue_class,
                speaker=self._quotes.resolver.resolve(number, attribution.phrase),
                quoted_spans=quoted,
                open_ended=kind == "direct",
            )
        )

    def _spans(self, view: SentenceView, start: int, stop: int, kind: QuoteKind) -> list[Span]:
        if kind != "direct":
            return [view.span(start, stop)]
        parsed = self._quotes.parsed
        quoted = [parsed.quoted_spans[index] for index in view.quoted_spans(start, stop)]
        return [span for one in quoted for span in content_spans(parsed.text, one)]


def _kind_of(view: SentenceView, start: int, stop: int) -> QuoteKind:
    if not view.quoted_spans(start, stop):
        return "indirect"
    return "mixed" if view.words(start, stop) else "direct"
