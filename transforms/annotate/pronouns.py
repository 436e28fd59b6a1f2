"""Third-person pronouns in running text."""

from typing import TypedDict

from transforms.annotate.entities import find_entities
from transforms.annotate.people import add_mention, antecedent, people_of
from transforms.annotate.reading import read
from transforms.annotate.titles import Gender

_GENDERS: dict[str, Gender] = {"he": "m", "him": "m", "his": "m", "himself": "m"}
_GENDERS |= {"she": "f", "her": "f", "hers": "f", "herself": "f"}


class ResolvedPronoun(TypedDict):
    """``text[start:end]`` is the pronoun, ``name`` the person's fullest name in the text."""

    start: int
    end: int
    name: str


def resolve_pronouns(text: str) -> list[ResolvedPronoun]:
    """Who ``he``, ``she``, ``him``, ``her``, ``his``, ``hers``, ``himself`` and ``herself`` stand for.

    A pronoun goes to a person named before it whose first name or title does not speak against it, chosen by how often
    and how lately the person was named. It counts as a mention for the pronouns after it.

    Args:
        text: running text, English.

    Returns:
        One entry a pronoun that could be resolved, in order; offsets are code points, end exclusive.
    """
    reading = read(text)
    entities = find_entities(text, reading=reading)
    people = people_of(reading, entities)
    resolved: list[ResolvedPronoun] = []
    for number, sentence in enumerate(reading.sentences):
        for token in sentence.tokens:
            gender = _GENDERS.get(token.low)
            person = antecedent(people, token.start, number, gender) if gender else None
            if person is not None:
                add_mention(person, token.start, number, token.low in ("he", "she"))
                name = entities[person.index].name
                resolved.append({"start": token.start, "end": token.end, "name": name})
    return resolved
