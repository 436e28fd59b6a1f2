"""Resolve speaker phrases to entities: names, roles, pronouns and organisations."""

from bisect import bisect_left
from dataclasses import dataclass

from transforms.annotate.coreference.candidates import (
    SPEAKING,
    add_mention,
    antecedent,
    coreference_candidates,
    outside_quotes,
)
from transforms.annotate.entities.roles import is_role
from transforms.annotate.entities.titles import Gender
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.quotes.sentence_view import SentenceView
from transforms.annotate.quotes.speaker_phrases import SpeakerPhrase
from transforms.schema.records import Entity, Span, SpeakerMethod

MAX_ROLE_DISTANCE = 12
"""Maximum distance, in sentences, between a pronoun and a role that is its antecedent."""
MAX_ORGANISATION_DISTANCE = 3
"""Maximum distance, in sentences, between `the company` or `they` and the organisation that is its antecedent."""
ORGANISATION_NOUNS = frozenset(
    "company firm bank airline charity union club agency ministry group retailer supplier manufacturer maker chain "
    "brand university college council court party network station newspaper operator utility insurer lender carrier "
    "publisher team band league association federation foundation institute regulator department museum "
    "hospital".split()
)
"""Nouns that refer to an organisation mentioned before."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker: the span of its phrase, and the index of its entity, None if the phrase is not resolved."""

    span: Span | None = None
    entity: int | None = None
    method: SpeakerMethod = "none"
    role: str | None = None


class SpeakerResolver:
    """Resolve speaker phrases, in text order, since a pronoun may refer to the previous speaker.

    Args:
        parsed: the text.
        entities: its entities.
        views: its sentences.
    """

    def __init__(self, parsed: ParsedText, entities: list[Entity], views: list[SentenceView]) -> None:
        self._text = parsed.text
        self._entities = entities
        self._views = views
        self._candidates = outside_quotes(parsed.quoted_spans, coreference_candidates(parsed, entities, in_full=True))
        self._roles = [set((entity.role or "").lower().replace("-", " ").split()) for entity in entities]
        self._organisations: dict[str, list[int]] = {}
        for index, entity in enumerate(entities):
            for word in set(entity.name.lower().split()) & (lexicon().groups | lexicon().org_heads):
                self._organisations.setdefault(word, []).extend([index] if entity.type == "ORG" else [])
        self._last: int | None = None
        self._last_paragraph = -9
        self._paragraphs = [view.sentence.paragraph for view in views]
        self._unnamed = -1

    def remember(self, speaker: Speaker, paragraph: int) -> None:
        """Record the speaker of a quotation in a paragraph, as an antecedent for later pronouns."""
        if speaker.entity is not None:
            self._last, self._last_paragraph = speaker.entity, paragraph

    def resolve(self, number: int, phrase: SpeakerPhrase) -> Speaker:
        """Return the speaker that a phrase in sentence ``number`` denotes."""
        view = self._views[number]
        span = view.span(phrase.start, phrase.stop)
        head = phrase.head
        person = self._named(view, phrase)
        if person is not None:
            return self._entity_speaker(span, person, view, head)
        low = view.low(head)
        if low in lexicon().pronouns or low in ("him", "her", "them"):
            return Speaker(span, self._pronoun(number, head), "pronoun")
        role = self._text[span[0] : span[1]]
        entity = self._person_with_role(number, phrase)
        if entity is None and phrase.head == phrase.start + 1 and view.low(phrase.start) == "the":
            entity = self._organisation(low, view.tokens[head].start)
            if entity is None and low in ORGANISATION_NOUNS:
                entity = self._organisation_before(number)
        if entity is None and is_role(view.tokens[head]) and not low.endswith("s"):
            self._unnamed = number
        return Speaker(span, entity, "role", role)

    def _entity_speaker(self, span: Span, index: int, view: SentenceView, head: int) -> Speaker:
        entity = self._entities[index]
        words = sum(owner == index for owner in view.entity[max(0, head - 6) : head + 8])
        method: SpeakerMethod = "surname" if entity.type == "PERSON" and words == 1 and " " in entity.name else "named"
        return Speaker(span, index, method, entity.role)

    def _named(self, view: SentenceView, phrase: SpeakerPhrase) -> int | None:
        """Return the entity at the head of a phrase, or the person named after a role: `its director, Anna Pruss`."""
        owner = view.entity[phrase.head]
        if owner >= 0 and (view.low(phrase.head + 1) != "'s" or phrase.stop == phrase.head + 2):
            return owner if self._entities[owner].type != "NORP" else None
        for index in range(phrase.head + 1, phrase.stop):
            near = view.entity[index]
            if near >= 0 and self._entities[near].type == "PERSON":
                between = view.tokens[phrase.head + 1 : index]
                plain = all(word.low in (",", ".") or word.low in lexicon().titles or is_role(word) for word in between)
                # the president of the union, Tom Oake
                if plain or (view.low(index - 1) == "," and view.tokens[index].start > view.tokens[phrase.head].end):
                    return near
                break
        return None

    def _pronoun(self, number: int, head: int) -> int | None:
        view = self._views[number]
        low, at = view.low(head), view.tokens[head].start
        near = view.sentence.paragraph - self._last_paragraph <= 1
        if low in ("they", "it", "them"):
            last = self._last if near else None
            if last is not None:
                return last if self._entities[last].type == "ORG" else None
            return self._organisation_before(number)
        if low not in ("he", "she", "him", "her"):
            return None
        gender: Gender = "m" if low in ("he", "him") else "f"
        before = self._role_before(number, head)
        if before is not None:
            self._unnamed = number if before.entity is None else self._unnamed
            return before.entity
        paragraph_start = self._paragraph_start(number)
        speaker = self._last if near else None
        person = antecedent(
            self._candidates, at, number, gender, opening=paragraph_start, speaker=speaker, weights=SPEAKING
        )
        if person is None:
            return self._next_name(number, gender)
        add_mention(person, at, number, subject=True)
        return person.index

    def _paragraph_start(self, number: int) -> int:
        """Return the index of the first sentence in the paragraph of sentence ``number``."""
        paragraph = self._views[number].sentence.paragraph
        return bisect_left(self._paragraphs, paragraph)

    def _role_before(self, number: int, head: int) -> Speaker | None:
        """Return the role in the previous sentences that a pronoun refers to; None if it refers to a name.

        In `A guard came in. He said ...` the speaker is the guard, not a person named before.
        """
        paragraph_start = self._paragraph_start(number)
        earliest = max(number - MAX_ROLE_DISTANCE, self._paragraph_start(max(0, paragraph_start - 1)))
        for near in range(number, earliest - 1, -1):
            if near == self._unnamed and near < number:
                return Speaker()
            subject = self._subject_or_role(near, head if near == number else len(self._views[near].tokens))
            if subject is None or (near < paragraph_start and subject.method == "role"):
                continue
            return subject if subject.method == "role" else None
        return None

    def _subject_or_role(self, number: int, stop: int) -> Speaker | None:
        """Return the subject of a sentence: a name, or a role (`the guard`) with the person in that role, if known."""
        view = self._views[number]
        lists = lexicon()
        for index in range(stop):
            named = view.entity[index] >= 0 and self._entities[view.entity[index]].type == "PERSON"
            if named and view.low(index - 1) not in lists.prepositions:
                return Speaker(None, view.entity[index], "named")
            if not is_role(view.tokens[index]) or index > 6 or view.low(0) not in ("a", "an", "another", "one", "the"):
                continue
            beside = [owner for owner in view.entity[index + 1 : index + 3] if owner >= 0]
            singular = not view.low(index).endswith("s") or view.low(index) == "boss"
            if singular and view.entity[index] < 0 and not any(self._entities[i].type == "PERSON" for i in beside):
                return Speaker(None, self._person_with_role(number, SpeakerPhrase(0, index + 1, index)), "role")
        return None

    def _next_name(self, number: int, gender: Gender) -> int | None:
        """Return the person at the start of the next sentence: `"I signed it," he said. Marek Castellan was ...`"""
        if number + 1 >= len(self._views):
            return None
        following = self._views[number + 1]
        for person in self._candidates:
            fits = person.gender in (gender, None)
            if fits and following.tokens and person.starts and person.starts[0] == following.tokens[0].start:
                return person.index
        return None

    def _person_with_role(self, number: int, phrase: SpeakerPhrase) -> int | None:
        """Return the only person with this role or, for an office, the subject of the previous sentence."""
        view = self._views[number]
        head = view.tokens[phrase.head]
        definite = view.low(phrase.start) == "the" or (phrase.start == phrase.head and view.sentence.paragraph == 0)
        if not definite or not is_role(head):
            return None
        word = head.low.rpartition("-")[2]
        persons = [person for person in self._candidates if word in self._roles[person.index]]
        if len(persons) == 1:
            return persons[0].index
        if persons or word not in lexicon().offices or number == 0:
            return None
        return self._only_subject(number - 1)

    def _organisation(self, word: str, at: int) -> int | None:
        """Return the only organisation with a word in its name, mentioned before ``at``: `the ministry`."""
        organisations = self._organisations.get(word, [])
        return (
            organisations[0] if len(organisations) == 1 and self._entities[organisations[0]].first_start < at else None
        )

    def _organisation_before(self, number: int) -> int | None:
        """Return the organisation at the start of an earlier sentence, if no other one follows it: `the firm`."""
        for near in range(number - 1, max(-1, number - 1 - MAX_ORGANISATION_DISTANCE), -1):
            view = self._views[near]
            owners = dict.fromkeys(owner for owner in view.entity if owner >= 0)
            organisations = [owner for owner in owners if self._entities[owner].type == "ORG"]
            if organisations:
                first = next(iter(owners))
                leads = self._is_subject(view, view.tokens[view.entity.index(organisations[0])].start)
                return organisations[0] if first == organisations[0] and len(organisations) == 1 and leads else None
        return None

    def _only_subject(self, number: int) -> int | None:
        """Return the person without a known role at the start of a sentence that names no other person."""
        view = self._views[number]
        inside = [
            person
            for person in self._candidates
            if (at := bisect_left(person.starts, view.sentence.start)) < len(person.starts)
            and person.starts[at] < view.sentence.end
        ]
        if len(inside) != 1 or self._roles[inside[0].index]:
            return None
        first = inside[0].starts[bisect_left(inside[0].starts, view.sentence.start)]
        return inside[0].index if self._is_subject(view, first) else None

    def _is_subject(self, view: SentenceView, start: int) -> bool:
        lead = [token for token in view.tokens if token.start < start and token.is_word]
        return len(lead) <= 2

    def subject(self, number: int) -> Speaker | None:
        """Return the subject of a sentence: the likely speaker of quoted spans without a cue in or after it."""
        view = self._views[number]
        for index, token in enumerate(view.tokens):
            if view.is_quoted(index):
                return None
            owner = view.entity[index]
            if (
                owner >= 0
                and self._entities[owner].type in ("PERSON", "ORG")
                and view.low(index - 1) not in lexicon().prepositions
            ):
                stop = index
                while stop < len(view.tokens) and view.entity[stop] == owner:
                    stop += 1
                if view.low(stop) == "'s":
                    return None
                return Speaker(view.span(index, stop), owner, "named", self._entities[owner].role)
            if token.low in ("he", "she"):
                return Speaker((token.start, token.end), self._pronoun(number, index), "pronoun")
            if index > 14:
                break
        return None
