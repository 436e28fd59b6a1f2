"""A sentence as a row of words in which each marked run is one piece, with its names and its verbs of speech."""

from bisect import bisect_left
from dataclasses import dataclass, field

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import Cue, lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import Entity


@dataclass(frozen=True, slots=True)
class Hit:
    """A verb group of speech: ``tokens[start:stop]`` with its auxiliaries and adverbs, ``verb`` the verb itself."""

    start: int
    verb: int
    stop: int
    cue: Cue


@dataclass(slots=True)
class Frame:
    """One sentence, ready for reading clauses. Indices are into ``tokens``."""

    sentence: Sentence
    tokens: list[Token]
    entity: list[int]
    """For each token the index of the entity whose mention it is part of; -1 for none."""
    hits: list[Hit] = field(default_factory=list)

    def low(self, index: int) -> str:
        """The lower-case word at an index; empty outside the sentence."""
        return self.tokens[index].low if 0 <= index < len(self.tokens) else ""

    def is_run(self, index: int) -> bool:
        """Whether a whole marked run stands at an index."""
        return 0 <= index < len(self.tokens) and self.tokens[index].quoted_span >= 0

    def runs(self, start: int, stop: int) -> list[int]:
        """The runs between two indices."""
        return [token.quoted_span for token in self.tokens[start:stop] if token.quoted_span >= 0]

    def words(self, start: int, stop: int) -> int:
        """How many plain words stand between two indices."""
        return sum(token.is_word for token in self.tokens[start:stop])


def frames_of(reading: ParsedText, entities: list[Entity]) -> list[Frame]:
    """The frames of a text, one a sentence."""
    mentions = sorted(
        (mention.start, mention.end, index) for index, entity in enumerate(entities) for mention in entity.mentions
    )
    starts = [start for start, _, _ in mentions]
    run_starts = [run.outer_start for run in reading.quoted_spans]
    frames = []
    for sentence in reading.sentences:
        tokens = _collapse(reading, sentence, run_starts)
        owners = [-1] * len(tokens)
        at = bisect_left(starts, sentence.start)
        for index, token in enumerate(tokens):
            while at < len(mentions) and mentions[at][1] <= token.start:
                at += 1
            if at < len(mentions) and mentions[at][0] <= token.start and token.end <= mentions[at][1]:
                owners[index] = mentions[at][2]
        frame = Frame(sentence, tokens, owners)
        frame.hits = _find_hits(frame)
        frames.append(frame)
    return frames


def _collapse(reading: ParsedText, sentence: Sentence, run_starts: list[int]) -> list[Token]:
    tokens: list[Token] = []
    number = bisect_left(run_starts, sentence.start)
    for token in sentence.tokens:
        while number < len(reading.quoted_spans) and reading.quoted_spans[number].outer_end <= token.start:
            number += 1
        run = reading.quoted_spans[number] if number < len(reading.quoted_spans) else None
        if run is None or token.end <= run.outer_start:
            tokens.append(token)
        elif not tokens or tokens[-1].quoted_span != number:
            tokens.append(Token(run.outer_start, run.outer_end, "", "", False, number))
    return tokens


def _find_hits(frame: Frame) -> list[Hit]:
    known = lexicon().cues
    hits: list[Hit] = []
    at = 0
    while at < len(frame.tokens):
        token = frame.tokens[at]
        found = None
        if token.low in known and token.is_word and (frame.entity[at] < 0 or frame.sentence.headline):
            found = _hit(frame, at)
        if found:
            hits.append(found)
        at = found.stop if found else at + 1
    return hits


def _hit(frame: Frame, at: int) -> Hit | None:
    for words, cue in lexicon().cues[frame.low(at)]:
        if all(frame.low(at + offset) == word for offset, word in enumerate(words)):
            start = _group_start(frame, at)
            return Hit(start, at, at + len(words), cue) if _is_verb(frame, start, at, cue) else None
    return None


def _group_start(frame: Frame, verb: int) -> int:
    lists = lexicon()
    at = verb
    while at > 0:
        low = frame.low(at - 1)
        adverb = low in lists.adverbs or (
            low.endswith("ly") and len(low) > 4 and frame.tokens[at - 1].text[0].islower()
        )
        if frame.entity[at - 1] >= 0 or not (adverb or low in lists.auxiliaries):
            break
        at -= 1
    return at


_BE = frozenset(["is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "wasn't", "weren't", "am"])


def _is_verb(frame: Frame, start: int, verb: int, cue: Cue) -> bool:
    """Whether the form stands here as a verb of its own, not as a noun, an infinitive or a passive."""
    lists = lexicon()
    group = [frame.low(index) for index in range(start, verb)]
    before = frame.low(start - 1)
    helped = any(low in lists.auxiliaries for low in group)
    if before == "to" or frame.low(verb - 1) == "to":
        return False
    if before == "who" and frame.low(verb + 1) == "not":
        return False  # who asked not to be named
    if cue.form in ("past", "participle") and any(low in _BE for low in group):
        return False
    if cue.form == "ing":
        return any(low in _BE for low in group) or before in (",", "", "and", "but", "while") or frame.is_run(start - 1)
    if helped:
        return True
    subject = start > 0 and (
        frame.entity[start - 1] >= 0
        or before in lists.pronouns
        or before in ("who", ",", ")", "--", "—", "–", "-")
        or frame.is_run(start - 1)
        or is_role(frame.tokens[start - 1])
        or before in lists.groups
    )
    if cue.form == "base" or cue.noun_like:
        plural = before.endswith("s") or before in ("i", "you", "we", "they", "who", "people", "police", "some", "many")
        return subject and (cue.form != "base" or (plural and before != "'s") or before == ",")
    return start == 0 or before not in ("the", "a", "an", "this", "of", "no", "his", "her", "its", "their", "as", "'s")
