"""Find the antecedent of a pronoun among the persons of a text, by gender, distance and prominence."""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import compress

from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.entities.titles import Gender, gender_of_first_name, gender_of_title
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.quotation_marks import QuotedSpan
from transforms.schema.records import Entity

PRONOUNS: dict[str, Gender] = {"he": "m", "him": "m", "his": "m", "himself": "m"}
PRONOUNS |= {"she": "f", "her": "f", "hers": "f", "herself": "f"}
_GENDER_EVIDENCE = frozenset({"he", "she", "his", "her", "himself", "herself"})

MAX_CANDIDATES = 200
"""Maximum number of candidates: only the most mentioned persons, so that time is linear in the length of the text."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the score of a candidate."""

    often: float
    """Factor of the logarithm of the number of earlier mentions."""
    apart: float
    """Penalty per sentence since the last mention."""
    subject: float
    """Bonus if the last mention is the first person named in its sentence."""
    fits: float
    """Bonus if the gender is known and agrees."""
    here: float = 0.0
    """Bonus if the last mention is in the paragraph of the pronoun."""
    spoke: float = 0.0
    """Bonus for the last speaker."""
    margin: float = 0.0
    """Minimum lead over the second candidate; below it, no candidate is chosen."""


IN_TEXT = Weights(often=1.5, apart=0.5, subject=0.5, fits=0.5, here=1.0)
"""For pronouns in running text; from a coarse grid search on the pronouns of GUM, where many weights do as well."""
SPEAKING = Weights(often=0.75, apart=1.0, subject=0.5, fits=1.0, here=2.0, spoke=1.0, margin=0.25)
"""For a pronoun next to a reporting verb: news repeats the names of speakers, mostly in the same paragraph."""


@dataclass(slots=True)
class Candidate:
    """A person that a pronoun can refer to, with one element per mention in the lists."""

    index: int
    """Index of the entity."""
    gender: Gender | None
    starts: list[int]
    """Offsets of the mentions, in order."""
    sentences: list[int]
    """Indices of their sentences."""
    subjects: list[bool]
    """Whether the mention is the first person named in its sentence."""


def coreference_candidates(parsed: ParsedText, entities: list[Entity], *, in_full: bool = False) -> list[Candidate]:
    """Return the persons among the entities, the most mentioned first.

    Args:
        parsed: the text.
        entities: its entities.
        in_full: leave out single words without a full name, title or first name in the text. News gives the
            full names of speakers, and such a word is more often a firm or a place.

    Returns:
        At most `MAX_CANDIDATES` candidates.
    """
    sentence_starts = [sentence.start for sentence in parsed.sentences]
    firsts: dict[int, int] = {}
    genders = find_genders(parsed, entities)
    candidates = []
    for index, entity in enumerate(entities):
        if entity.type != "PERSON":
            continue
        if entity.model_version == RULES_VERSION and not _is_surely_person(parsed.text, entity, in_full):
            continue
        starts = [mention.start for mention in entity.mentions]
        sentences = [bisect_left(sentence_starts, start + 1) - 1 for start in starts]
        for mention, sentence in zip(entity.mentions, sentences, strict=True):
            if not parsed.text.startswith(("'s", "’s"), mention.end):
                firsts[sentence] = min(mention.start, firsts.get(sentence, mention.start))
        candidates.append(Candidate(index, genders.get(index), starts, sentences, []))
    for candidate in candidates:
        mentions = zip(candidate.starts, candidate.sentences, strict=True)
        candidate.subjects = [firsts.get(sentence) == start for start, sentence in mentions]
    return sorted(candidates, key=lambda candidate: -len(candidate.starts))[:MAX_CANDIDATES]


def _is_surely_person(text: str, entity: Entity, in_full: bool) -> bool:
    """Whether a first name, role or title marks a person, or the mentions are not used like those of a place."""
    lists = lexicon()
    if entity.role or entity.name.split()[0].lower() in lists.male | lists.female:
        return True
    before = [text[max(0, mention.start - 16) : mention.start].lower().split()[-1:] for mention in entity.mentions]
    if any(word.rstrip(".") in lists.titles for last in before for word in last):
        return True
    like_place = sum(last[:1] in (["the"], ["at"], ["in"], ["on"], ["near"]) for last in before)
    return like_place <= len(before) / 4 if " " in entity.name else not in_full and not like_place


def antecedent(
    candidates: list[Candidate],
    at: int,
    sentence: int,
    gender: Gender,
    *,
    opening: int,
    speaker: int | None = None,
    weights: Weights = IN_TEXT,
) -> Candidate | None:
    """Return the person that ``he`` or ``she`` at an offset refers to.

    Args:
        candidates: from `coreference_candidates`.
        at: the offset of the pronoun, in code points.
        sentence: the index of its sentence.
        gender: the gender of the pronoun.
        opening: the index of the first sentence of its paragraph.
        speaker: the index of the entity that spoke last, if its quotation is just before the pronoun.
        weights: the weights of the score.

    Returns:
        The best of the persons named before ``at`` with the same or an unknown gender; None if there is none, or if
        the second best is too close.
    """
    best, best_score, second = None, -math.inf, -math.inf
    for candidate in candidates:
        before = bisect_left(candidate.starts, at)
        if not before or candidate.gender not in (gender, None):
            continue
        last = before - 1
        distance = min(sentence - candidate.sentences[last], 12)
        score = weights.often * math.log(before) - weights.apart * distance
        score += weights.subject * candidate.subjects[last] + weights.fits * (candidate.gender == gender)
        score += weights.here * (candidate.sentences[last] >= opening) + weights.spoke * (candidate.index == speaker)
        if score > best_score:
            best, best_score, second = candidate, score, best_score
        else:
            second = max(second, score)
    return best if best_score - second >= weights.margin else None


def add_mention(candidate: Candidate, at: int, sentence: int, subject: bool) -> None:
    """Count a resolved pronoun as another mention of its antecedent.

    Args:
        candidate: the antecedent.
        at: the offset of the pronoun, in code points.
        sentence: the index of its sentence.
        subject: whether the pronoun is the subject.
    """
    position = bisect_left(candidate.starts, at)
    candidate.starts.insert(position, at)
    candidate.sentences.insert(position, sentence)
    candidate.subjects.insert(position, subject)


def outside_quotes(quoted_spans: list[QuotedSpan], candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates without mentions in quoted spans, because other persons speak there."""
    span_starts = [quoted.outer_start for quoted in quoted_spans]
    found = []
    for candidate in candidates:
        keep = [not _is_quoted(quoted_spans, span_starts, start) for start in candidate.starts]
        found.append(
            Candidate(
                candidate.index,
                candidate.gender,
                list(compress(candidate.starts, keep)),
                list(compress(candidate.sentences, keep)),
                list(compress(candidate.subjects, keep)),
            )
        )
    return found


def _is_quoted(quoted_spans: list[QuotedSpan], span_starts: list[int], at: int) -> bool:
    index = bisect_left(span_starts, at) - 1
    return index >= 0 and at < quoted_spans[index].outer_end


def find_genders(parsed: ParsedText, entities: list[Entity]) -> dict[int, Gender]:
    """Return the gender of each person with evidence in the text.

    The evidence is, in this order, a title (``Mrs``), the first name, a role (``spokeswoman``, ``his widow``), and the
    pronouns after the name in sentences that name no other person, if all of them agree.

    Args:
        parsed: the text.
        entities: its entities.

    Returns:
        Genders by index into ``entities``.
    """
    persons = [index for index, entity in enumerate(entities) if entity.type == "PERSON"]
    found: dict[int, Gender] = {}
    by_pronouns = _genders_by_pronouns(parsed, entities, persons)
    for index in persons:
        entity = entities[index]
        first = gender_of_first_name(entity.name.split()[0].lower())
        gender = _by_title(parsed.text, entity) or first or _by_role(entity.role) or by_pronouns.get(index)
        if gender:
            found[index] = gender
    return found


def _by_title(text: str, entity: Entity) -> Gender | None:
    for mention in entity.mentions:
        before = text[max(0, mention.start - 16) : mention.start].lower().split()
        gender = gender_of_title(before[-1].rstrip(".")) if before else None
        if gender:
            return gender
    return None


def _by_role(role: str | None) -> Gender | None:
    for word in (role or "").lower().replace("-", " ").split():
        gender = gender_of_title(word)
        if gender:
            return gender
        if word in lexicon().prepositions:
            break
    return None


def _genders_by_pronouns(parsed: ParsedText, entities: list[Entity], persons: list[int]) -> dict[int, Gender]:
    sentence_starts = [sentence.start for sentence in parsed.sentences]
    named: dict[int, set[int]] = {}
    first_mentions: dict[int, int] = {}
    for index in persons:
        for mention in entities[index].mentions:
            number = bisect_right(sentence_starts, mention.start) - 1
            named.setdefault(number, set()).add(index)
            first_mentions.setdefault(number, mention.start)
    votes: dict[int, set[Gender]] = {}
    span_starts = [quoted.outer_start for quoted in parsed.quoted_spans]
    for number, indices in named.items():
        tokens, first = parsed.sentences[number].tokens, first_mentions[number]
        words_before = sum(token.end <= first and token.is_word for token in tokens)
        if len(indices) != 1 or words_before > 2:
            continue
        for token in tokens:
            if token.low not in _GENDER_EVIDENCE or token.start < first:
                continue
            if not _is_quoted(parsed.quoted_spans, span_starts, token.start):
                votes.setdefault(next(iter(indices)), set()).add(PRONOUNS[token.low])
    return {index: next(iter(genders)) for index, genders in votes.items() if len(genders) == 1}
