"""Which pronoun a text uses for each of its persons."""

from bisect import bisect_right

from transforms.annotate.entities.titles import Gender, gender_of_first
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.schema.records import Entity

PRONOUNS: dict[str, Gender] = {"he": "m", "him": "m", "his": "m", "himself": "m"}
PRONOUNS |= {"she": "f", "her": "f", "hers": "f", "herself": "f"}
_OWN = frozenset({"he", "she", "his", "her", "himself", "herself"})


def find_genders(parsed: ParsedText, entities: list[Entity]) -> dict[int, Gender]:
    """The gender of each person that the text tells, by index into ``entities``.

    The first of: a title (``Mrs``), the first name, a role (``spokeswoman``, ``his widow``), the pronouns behind the
    name in sentences that name no other person, when all agree.
    """
    persons = [index for index, entity in enumerate(entities) if entity.type == "PERSON"]
    found: dict[int, Gender] = {}
    told = _by_pronouns(parsed, entities, persons)
    for index in persons:
        entity = entities[index]
        first = gender_of_first(entity.name.split()[0].lower(), lexicon())
        gender = _by_title(parsed.text, entity) or first or _by_role(entity.role) or told.get(index)
        if gender:
            found[index] = gender
    return found


def _by_title(text: str, entity: Entity) -> Gender | None:
    lists = lexicon()
    for mention in entity.mentions:
        before = text[max(0, mention.start - 16) : mention.start].lower().split()
        word = before[-1].rstrip(".") if before else ""
        if word in lists.male_words or word in lists.female_words:
            return "m" if word in lists.male_words else "f"
    return None


def _by_role(role: str | None) -> Gender | None:
    lists = lexicon()
    for word in (role or "").lower().replace("-", " ").split():
        if word in lists.male_words or word in lists.female_words:
            return "m" if word in lists.male_words else "f"
        if word in lists.prepositions:
            break
    return None


def _by_pronouns(parsed: ParsedText, entities: list[Entity], persons: list[int]) -> dict[int, Gender]:
    starts = [sentence.start for sentence in parsed.sentences]
    named: dict[int, set[int]] = {}
    begins: dict[int, int] = {}
    for index in persons:
        for mention in entities[index].mentions:
            number = bisect_right(starts, mention.start) - 1
            named.setdefault(number, set()).add(index)
            begins.setdefault(number, mention.start)
    votes: dict[int, set[Gender]] = {}
    span_starts = [quoted.outer_start for quoted in parsed.quoted_spans]
    for number, who in named.items():
        sentence = parsed.sentences[number]
        lead = [token for token in sentence.tokens if token.end <= begins[number] and token.is_word]
        if len(who) != 1 or len(lead) > 2:
            continue
        for token in sentence.tokens:
            if token.low not in _OWN or token.start < begins[number]:
                continue
            quoted = bisect_right(span_starts, token.start) - 1
            if quoted < 0 or token.start >= parsed.quoted_spans[quoted].outer_end:
                votes.setdefault(next(iter(who)), set()).add(PRONOUNS[token.low])
    return {index: next(iter(genders)) for index, genders in votes.items() if len(genders) == 1}
