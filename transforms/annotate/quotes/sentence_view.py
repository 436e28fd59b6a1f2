"""Prepare sentences for the rules: each quoted span is one token; entities and cues are marked."""

from bisect import bisect_left
from dataclasses import dataclass, field

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import Cue, lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import Entity, Span


@dataclass(frozen=True, slots=True)
class CueMatch:
    """A reporting verb in a sentence: ``tokens[start:stop]``, with its auxiliaries and adverbs.

    ``verb`` is the index of the verb itself.
    """

    start: int
    verb: int
    stop: int
    cue: Cue


@dataclass(slots=True)
class SentenceView:
    """A sentence, prepared for `read_clauses`. Indices are indices of ``tokens``; ranges exclude their end."""

    sentence: Sentence
    tokens: list[Token]
    entity: list[int]
    """For each token, the index of the entity that it mentions; -1 if it is not part of a mention."""
    cue_matches: list[CueMatch] = field(default_factory=list)

    def low(self, index: int) -> str:
        """Return the lower-case word at an index; empty outside the sentence."""
        return self.tokens[index].low if 0 <= index < len(self.tokens) else ""

    def is_quoted(self, index: int) -> bool:
        """Return whether the token at an index is a quoted span."""
        return 0 <= index < len(self.tokens) and self.tokens[index].quoted_span >= 0

    def quoted_spans(self, start: int, stop: int) -> list[int]:
        """Return the indices of the quoted spans in a range of tokens."""
        return [token.quoted_span for token in self.tokens[start:stop] if token.quoted_span >= 0]

    def words(self, start: int, stop: int) -> int:
        """Return the number of words in a range of tokens, without quoted spans."""
        return sum(token.is_word for token in self.tokens[start:stop])

    def span(self, start: int, stop: int) -> Span:
        """Return the code point offsets of a range of tokens that is not empty."""
        return self.tokens[start].start, self.tokens[stop - 1].end


def sentence_views(parsed: ParsedText, entities: list[Entity]) -> list[SentenceView]:
    """Return one view per sentence of a text, in order."""
    mentions = sorted(
        (mention.start, mention.end, index) for index, entity in enumerate(entities) for mention in entity.mentions
    )
    starts = [start for start, _, _ in mentions]
    quoted_starts = [quoted.outer_start for quoted in parsed.quoted_spans]
    views = []
    for sentence in parsed.sentences:
        tokens = _collapse(parsed, sentence, quoted_starts)
        owners = [-1] * len(tokens)
        at = bisect_left(starts, sentence.start)
        for index, token in enumerate(tokens):
            while at < len(mentions) and mentions[at][1] <= token.start:
                at += 1
            if at < len(mentions) and mentions[at][0] <= token.start and token.end <= mentions[at][1]:
                owners[index] = mentions[at][2]
        view = SentenceView(sentence, tokens, owners)
        view.cue_matches = _find_cue_matches(view)
        views.append(view)
    return views


def _collapse(parsed: ParsedText, sentence: Sentence, quoted_starts: list[int]) -> list[Token]:
    """Replace the tokens of each quoted span by one token."""
    tokens: list[Token] = []
    number = bisect_left(quoted_starts, sentence.start)
    for token in sentence.tokens:
        while number < len(parsed.quoted_spans) and parsed.quoted_spans[number].outer_end <= token.start:
            number += 1
        quoted = parsed.quoted_spans[number] if number < len(parsed.quoted_spans) else None
        if quoted is None or token.end <= quoted.outer_start:
            tokens.append(token)
        elif not tokens or tokens[-1].quoted_span != number:
            tokens.append(Token(quoted.outer_start, quoted.outer_end, "", "", False, number))
    return tokens


def _find_cue_matches(view: SentenceView) -> list[CueMatch]:
    known = lexicon().cues
    cue_matches: list[CueMatch] = []
    at = 0
    while at < len(view.tokens):
        token = view.tokens[at]
        found = None
        if token.low in known and token.is_word and (view.entity[at] < 0 or view.sentence.headline):
            found = _cue_match(view, at)
        if found:
            cue_matches.append(found)
        at = found.stop if found else at + 1
    return cue_matches


def _cue_match(view: SentenceView, at: int) -> CueMatch | None:
    for words, cue in lexicon().cues[view.low(at)]:
        if all(view.low(at + offset) == word for offset, word in enumerate(words)):
            start = _group_start(view, at)
            return CueMatch(start, at, at + len(words), cue) if _is_verb(view, start, at, cue) else None
    return None


def _group_start(view: SentenceView, verb: int) -> int:
    lists = lexicon()
    at = verb
    while at > 0:
        low = view.low(at - 1)
        adverb = low in lists.adverbs or (low.endswith("ly") and len(low) > 4 and view.tokens[at - 1].text[0].islower())
        if view.entity[at - 1] >= 0 or not (adverb or low in lists.auxiliaries):
            break
        at -= 1
    return at


_BE = frozenset(["is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "wasn't", "weren't", "am"])


def _is_verb(view: SentenceView, start: int, verb: int, cue: Cue) -> bool:
    """Whether a form in the lexicon is a finite verb or participle here, not a noun, an infinitive or a passive."""
    lists = lexicon()
    group = [view.low(index) for index in range(start, verb)]
    before = view.low(start - 1)
    has_auxiliary = any(low in lists.auxiliaries for low in group)
    if before == "to" or view.low(verb - 1) == "to":
        return False
    if before == "who" and view.low(verb + 1) == "not":
        return False  # who asked not to be named
    if cue.form in ("past", "participle") and any(low in _BE for low in group):
        return False
    if cue.form == "ing":
        return (
            any(low in _BE for low in group) or before in (",", "", "and", "but", "while") or view.is_quoted(start - 1)
        )
    if has_auxiliary:
        return True
    subject = start > 0 and (
        view.entity[start - 1] >= 0
        or before in lists.pronouns
        or before in ("who", ",", ")", "--", "—", "–", "-")
        or view.is_quoted(start - 1)
        or is_role(view.tokens[start - 1])
        or before in lists.groups
    )
    if cue.form == "base" or cue.noun_like:
        plural = before.endswith("s") or before in ("i", "you", "we", "they", "who", "people", "police", "some", "many")
        return subject and (cue.form != "base" or (plural and before != "'s") or before == ",")
    return start == 0 or before not in ("the", "a", "an", "this", "of", "no", "his", "her", "its", "their", "as", "'s")
