"""From the words that name a source to the entity that speaks."""

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
from transforms.annotate.quotes.sentence_view import Frame
from transforms.annotate.quotes.speaker_phrases import Source
from transforms.schema.records import Entity, Span, SpeakerMethod

MAX_BACK = 12
"""Sentences before a pronoun in which a role may be what it stands for."""
NEAR = 3
"""Sentences before `the company` or `they` in which the organisation meant is looked for."""
BODIES = frozenset(
    "company firm bank airline charity union club agency ministry group retailer supplier manufacturer maker chain "
    "brand university college council court party network station newspaper operator utility insurer lender carrier "
    "publisher team band league association federation foundation institute regulator department museum "
    "hospital".split()
)
"""What an organisation is called by when it is named again without its name."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks, as written and as resolved. ``entity`` is an index into the entities; None when no name is known."""

    span: Span | None = None
    entity: int | None = None
    method: SpeakerMethod = "none"
    role: str | None = None


class Resolver:
    """Finds the entity behind a source. It remembers who spoke last, so give it the sources in the text's order."""

    def __init__(self, reading: ParsedText, entities: list[Entity], frames: list[Frame]) -> None:
        self._text = reading.text
        self._entities = entities
        self._frames = frames
        self._people = outside_quotes(reading.quoted_spans, coreference_candidates(reading, entities, in_full=True))
        self._roles = [set((entity.role or "").lower().replace("-", " ").split()) for entity in entities]
        self._bodies: dict[str, list[int]] = {}
        for index, entity in enumerate(entities):
            for word in set(entity.name.lower().split()) & (lexicon().groups | lexicon().org_heads):
                self._bodies.setdefault(word, []).extend([index] if entity.type == "ORG" else [])
        self._last: int | None = None
        self._last_paragraph = -9
        self._paragraphs = [frame.sentence.paragraph for frame in frames]
        self._unnamed = -1

    def speaks(self, speaker: Speaker, paragraph: int) -> None:
        """Remember a speaker."""
        if speaker.entity is not None:
            self._last, self._last_paragraph = speaker.entity, paragraph

    def resolve(self, number: int, source: Source) -> Speaker:
        """The speaker that a source in frame ``number`` stands for."""
        frame = self._frames[number]
        span = (frame.tokens[source.start].start, frame.tokens[source.stop - 1].end)
        head = source.head
        person = self._named(frame, source)
        if person is not None:
            return self._entity(span, person, frame, head)
        low = frame.low(head)
        if low in lexicon().pronouns or low in ("him", "her", "them"):
            return Speaker(span, self._pronoun(number, head), "pronoun")
        role = self._text[span[0] : span[1]]
        holder = self._holder(number, source)
        if holder is None and source.head == source.start + 1 and frame.low(source.start) == "the":
            holder = self._body(low, frame.tokens[head].start)
            if holder is None and low in BODIES:
                holder = self._body_before(number)
        if holder is None and is_role(frame.tokens[head]) and not low.endswith("s"):
            self._unnamed = number
        return Speaker(span, holder, "role", role)

    def _entity(self, span: Span, index: int, frame: Frame, head: int) -> Speaker:
        entity = self._entities[index]
        words = sum(owner == index for owner in frame.entity[max(0, head - 6) : head + 8])
        method: SpeakerMethod = "surname" if entity.type == "PERSON" and words == 1 and " " in entity.name else "named"
        return Speaker(span, index, method, entity.role)

    def _named(self, frame: Frame, source: Source) -> int | None:
        """The entity at the source's head, or the name right beside a role: `its director, Anna Pruss`."""
        owner = frame.entity[source.head]
        if owner >= 0 and (frame.low(source.head + 1) != "'s" or source.stop == source.head + 2):
            return owner if self._entities[owner].type != "NORP" else None
        for index in range(source.head + 1, source.stop):
            near = frame.entity[index]
            if near >= 0 and self._entities[near].type == "PERSON":
                between = frame.tokens[source.head + 1 : index]
                plain = all(word.low in (",", ".") or word.low in lexicon().titles or is_role(word) for word in between)
                # the president of the union, Tom Oake
                if plain or (frame.low(index - 1) == "," and frame.tokens[index].start > frame.tokens[source.head].end):
                    return near
                break
        return None

    def _pronoun(self, number: int, head: int) -> int | None:
        frame = self._frames[number]
        low, at = frame.low(head), frame.tokens[head].start
        near = frame.sentence.paragraph - self._last_paragraph <= 1
        if low in ("they", "it", "them"):
            last = self._last if near else None
            if last is not None:
                return last if self._entities[last].type == "ORG" else None
            return self._body_before(number)
        if low not in ("he", "she", "him", "her"):
            return None
        gender: Gender = "m" if low in ("he", "him") else "f"
        before = self._before(number, head)
        if before is not None:
            self._unnamed = number if before.entity is None else self._unnamed
            return before.entity
        opening = self._opening(number)
        speaker = self._last if near else None
        person = antecedent(self._people, at, number, gender, opening=opening, speaker=speaker, weights=SPEAKING)
        if person is None:
            return self._named_next(number, gender)
        add_mention(person, at, number, subject=True)
        return person.index

    def _opening(self, number: int) -> int:
        """The number of the first sentence in the paragraph of sentence ``number``."""
        paragraph = self._frames[number].sentence.paragraph
        return bisect_left(self._paragraphs, paragraph)

    def _before(self, number: int, head: int) -> Speaker | None:
        """Whom a role without a name, in the sentences right before a pronoun, makes it stand for; None for no role.

        `A guard came in. He said ...` speaks of the guard, not of whoever was named before.
        """
        opening = self._opening(number)
        earliest = max(number - MAX_BACK, self._opening(max(0, opening - 1)))
        for near in range(number, earliest - 1, -1):
            if near == self._unnamed and near < number:
                return Speaker()
            subject = self._subject_word(near, head if near == number else len(self._frames[near].tokens))
            if subject is None or (near < opening and subject.method == "role"):
                continue
            return subject if subject.method == "role" else None
        return None

    def _subject_word(self, number: int, stop: int) -> Speaker | None:
        """What a sentence's first words are about: a person named, or a role (`the guard`) with its holder, if any."""
        frame = self._frames[number]
        lists = lexicon()
        for index in range(stop):
            named = frame.entity[index] >= 0 and self._entities[frame.entity[index]].type == "PERSON"
            if named and frame.low(index - 1) not in lists.prepositions:
                return Speaker(None, frame.entity[index], "named")
            if (
                not is_role(frame.tokens[index])
                or index > 6
                or frame.low(0) not in ("a", "an", "another", "one", "the")
            ):
                continue
            beside = [owner for owner in frame.entity[index + 1 : index + 3] if owner >= 0]
            singular = not frame.low(index).endswith("s") or frame.low(index) == "boss"
            if singular and frame.entity[index] < 0 and not any(self._entities[i].type == "PERSON" for i in beside):
                return Speaker(None, self._holder(number, Source(0, index + 1, index)), "role")
        return None

    def _named_next(self, number: int, gender: Gender) -> int | None:
        """The person that the next sentence names: `"I signed it," he said. Marek Castellan was ...`"""
        if number + 1 >= len(self._frames):
            return None
        following = self._frames[number + 1]
        for person in self._people:
            fits = person.gender in (gender, None)
            if fits and following.tokens and person.starts and person.starts[0] == following.tokens[0].start:
                return person.index
        return None

    def _holder(self, number: int, source: Source) -> int | None:
        """The one person who is known to hold this role, or, for an office, the person just spoken of."""
        frame = self._frames[number]
        head = frame.tokens[source.head]
        definite = frame.low(source.start) == "the" or (source.start == source.head and frame.sentence.paragraph == 0)
        if not definite or not is_role(head):
            return None
        word = head.low.rpartition("-")[2]
        holders = [p for p in self._people if word in self._roles[p.index]]
        if len(holders) == 1:
            return holders[0].index
        if holders or word not in lexicon().offices or number == 0:
            return None
        return self._only_subject(number - 1)

    def _body(self, word: str, at: int) -> int | None:
        """The one organisation named before ``at`` that has a word in its name: `the ministry`, `the institute`."""
        bodies = self._bodies.get(word, [])
        return bodies[0] if len(bodies) == 1 and self._entities[bodies[0]].first_start < at else None

    def _body_before(self, number: int) -> int | None:
        """The organisation that an earlier sentence nearby begins with, if none other is named between: `the firm`."""
        for near in range(number - 1, max(-1, number - 1 - NEAR), -1):
            frame = self._frames[near]
            owners = dict.fromkeys(owner for owner in frame.entity if owner >= 0)
            bodies = [owner for owner in owners if self._entities[owner].type == "ORG"]
            if bodies:
                first = next(iter(owners))
                leads = self._is_subject(frame, frame.tokens[frame.entity.index(bodies[0])].start)
                return bodies[0] if first == bodies[0] and len(bodies) == 1 and leads else None
        return None

    def _only_subject(self, number: int) -> int | None:
        """The person whom a sentence begins with, when it names no other and no role of theirs is known."""
        frame = self._frames[number]
        inside = [
            person
            for person in self._people
            if (at := bisect_left(person.starts, frame.sentence.start)) < len(person.starts)
            and person.starts[at] < frame.sentence.end
        ]
        if len(inside) != 1 or self._roles[inside[0].index]:
            return None
        first = inside[0].starts[bisect_left(inside[0].starts, frame.sentence.start)]
        return inside[0].index if self._is_subject(frame, first) else None

    def _is_subject(self, frame: Frame, start: int) -> bool:
        lead = [token for token in frame.tokens if token.start < start and token.is_word]
        return len(lead) <= 2

    def subject(self, number: int) -> Speaker | None:
        """The person or group that a sentence is about, to whom unattributed marked words in it or behind it go."""
        frame = self._frames[number]
        for index, token in enumerate(frame.tokens):
            if frame.is_run(index):
                return None
            owner = frame.entity[index]
            if (
                owner >= 0
                and self._entities[owner].type in ("PERSON", "ORG")
                and frame.low(index - 1) not in lexicon().prepositions
            ):
                stop = index
                while stop < len(frame.tokens) and frame.entity[stop] == owner:
                    stop += 1
                if frame.low(stop) == "'s":
                    return None
                return Speaker((token.start, frame.tokens[stop - 1].end), owner, "named", self._entities[owner].role)
            if token.low in ("he", "she"):
                return Speaker((token.start, token.end), self._pronoun(number, index), "pronoun")
            if index > 14:
                break
        return None
