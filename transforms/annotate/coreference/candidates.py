"""The persons of a text as candidates for a pronoun: gender, where they are named, how prominent they are."""

import math
from bisect import bisect_left
from dataclasses import dataclass

from transforms.annotate.coreference.genders import find_genders
from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.entities.titles import Gender
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.quotation_marks import QuotedSpan
from transforms.schema.records import Entity


@dataclass(frozen=True, slots=True)
class Weights:
    """What speaks for a person as the one that a pronoun stands for."""

    often: float
    """Times the logarithm of how often the person was named so far."""
    apart: float
    """Taken off for each sentence since."""
    subject: float
    """The last mention is the first person of its sentence."""
    fits: float
    """The gender is known and fits."""
    here: float = 0.0
    """The last mention stands in the pronoun's paragraph."""
    spoke: float = 0.0
    """The person spoke last."""
    margin: float = 0.0
    """How much better than all others the person must be; else nobody is chosen."""


IN_TEXT = Weights(often=1.5, apart=0.5, subject=0.5, fits=0.5, here=1.0)
"""For any pronoun in running text; chosen on GUM's pronouns from a coarse grid, of which whole regions are as good."""
SPEAKING = Weights(often=0.75, apart=1.0, subject=0.5, fits=1.0, here=2.0, spoke=1.0, margin=0.25)
"""For the pronoun beside a verb of speech: news names its speakers anew, mostly in the same paragraph."""

MAX_CANDIDATES = 200
"""The most-named persons of a text that are considered, so that time stays linear in its length."""


@dataclass(slots=True)
class Candidate:
    """One person and the places where the text, outside quote marks or not, names them."""

    index: int
    gender: Gender | None
    starts: list[int]
    sentences: list[int]
    subjects: list[bool]
    """For each mention whether it is the first person of its sentence."""


def coreference_candidates(parsed: ParsedText, entities: list[Entity], *, in_full: bool = False) -> list[Candidate]:
    """The persons among the entities, the most named first, with what pronouns need to know of them.

    Args:
        parsed: the text.
        entities: its entities.
        in_full: leave out a single word that no full name, title or first name explains. News gives the names of
            those who speak in full; such a word is more often a firm or a place there.

    Returns:
        At most `MAX_PEOPLE` persons.
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
        candidate.subjects = [
            firsts.get(s) == start for start, s in zip(candidate.starts, candidate.sentences, strict=True)
        ]
    return sorted(candidates, key=lambda candidate: -len(candidate.starts))[:MAX_CANDIDATES]


def _is_surely_person(text: str, entity: Entity, in_full: bool) -> bool:
    """Whether a name is surely a person's: a first name, role or title says so, or no place is used so."""
    lists = lexicon()
    if entity.role or entity.name.split()[0].lower() in lists.male | lists.female:
        return True
    before = [text[max(0, mention.start - 16) : mention.start].lower().split()[-1:] for mention in entity.mentions]
    if any(word.rstrip(".") in lists.titles for last in before for word in last):
        return True
    used = sum(last[:1] in (["the"], ["at"], ["in"], ["on"], ["near"]) for last in before)
    return used <= len(before) / 4 if " " in entity.name else not in_full and not used


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
    """The person that ``he`` or ``she`` at an offset stands for, or None when nobody fits.

    Args:
        candidates: from `coreference_candidates`.
        at: the pronoun's offset, code points.
        sentence: the number of its sentence.
        gender: the pronoun's.
        opening: the number of the first sentence of its paragraph.
        speaker: index of the entity that spoke last, when it spoke just before.
        weights: what counts how much.

    Returns:
        The best of the persons named before ``at`` whose gender is the same or unknown; None when there is none, or
        another is nearly as good.
    """
    best, most, second = None, -math.inf, -math.inf
    for candidate in candidates:
        before = bisect_left(candidate.starts, at)
        if not before or candidate.gender not in (gender, None):
            continue
        distance = min(sentence - candidate.sentences[before - 1], 12)
        score = weights.often * math.log(before) - weights.apart * distance
        score += weights.subject * candidate.subjects[before - 1] + weights.fits * (candidate.gender == gender)
        score += weights.here * (candidate.sentences[before - 1] >= opening) + weights.spoke * (
            candidate.index == speaker
        )
        if score > most:
            best, most, second = candidate, score, most
        else:
            second = max(second, score)
    return best if most - second >= weights.margin else None


def add_mention(candidate: Candidate, at: int, sentence: int, subject: bool) -> None:
    """Count a resolved pronoun as one more mention of its person."""
    place = bisect_left(candidate.starts, at)
    candidate.starts.insert(place, at)
    candidate.sentences.insert(place, sentence)
    candidate.subjects.insert(place, subject)


def outside_quotes(quoted_spans: list[QuotedSpan], candidates: list[Candidate]) -> list[Candidate]:
    """The same persons with their mentions inside quote marks left out: they don't speak there, they are spoken of."""
    starts = [quoted.outer_start for quoted in quoted_spans]
    kept = []
    for candidate in candidates:
        keep = []
        for place, start in enumerate(candidate.starts):
            index = bisect_left(starts, start) - 1
            if index < 0 or start >= quoted_spans[index].outer_end:
                keep.append(place)
        kept.append(
            Candidate(
                candidate.index,
                candidate.gender,
                [candidate.starts[place] for place in keep],
                [candidate.sentences[place] for place in keep],
                [candidate.subjects[place] for place in keep],
            )
        )
    return kept
