"""Resolve the entity types of names over a document, and recover mentions that the model missed."""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import replace
from typing import get_args

from transforms.annotate.entities.boundaries import LEGAL_FORMS
from transforms.annotate.entities.name_mention import NameMention
from transforms.annotate.entities.places import places
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.tokens import tokenize
from transforms.schema.records import EntityType

MIN_PROBABILITY = 0.02
"""Lower bound of the probability of a type in one mention, because the network is overconfident."""
KNOWN_PLACE = 1.0
"""Bonus per mention for LOC if the name is that of a country or big city (log probability, like all bonuses here)."""
KNOWN_ORG = 3.0
"""Bonus per mention for ORG if the name is a listed organisation, or a seat that denotes one (the Kremlin)."""
PERSON_PENALTY = 2.0
"""Penalty per mention for LOC if the word is the first or last word of a person's full name in the text."""
FIRM = 4.0
"""Bonus per mention for ORG if the text has the same name with a legal form."""
GIVEN_NAME = 4.0
"""Bonus per mention for PERSON if a given name in it has a form that only persons have (`Seo-yun`)."""
DATELINE = 4.0
"""Bonus for LOC if one mention is a dateline, before ``(Reuters) -``."""

MAX_MISSED_RATIO = 3
"""Maximum number of occurrences of a word per mention by the model; above it, no occurrence is added."""

_DATELINE = re.compile(r"(?:,[^()\n]{0,30})?[^\S\n]?(?:\([^()\n]{2,30}\)[^\S\n]?[-–—]|[—–])")
_IN_ADDRESS = re.compile(r"[@_]|[./]\w")
_STORMS = frozenset("hurricane storm typhoon cyclone".split())
_GIVEN = re.compile(r"[A-Z][a-z]{1,6}-[a-z]{1,6}")
"""A given name after a surname, as in most Korean and Taiwanese names: Seo-yun."""
_DEMONYM_ENDINGS = frozenset("n an ian ean ese ish i nian lese".split())


def resolve_types(parsed: ParsedText, names: list[NameMention]) -> list[NameMention]:
    """Give each name its most probable type over all mentions, and add mentions that the model missed.

    Args:
        parsed: the text.
        names: mentions by the model, in order, without overlap.

    Returns:
        Mentions in order, without overlap.
    """
    groups: _Groups = defaultdict(list)
    for name in names:
        groups[tuple(word.casefold() for word in name.words)].append(name)
    shorter = _shorter_forms(groups)
    storms = {key[-1] for key in groups if len(key) > 1 and key[-2] in _STORMS}
    for key, group in groups.items():
        entity_type = _type_of(parsed, key, group, shorter, storms)
        if entity_type == "ORG" and any(_is_person(groups.get(key[at:], [])) for at in range(1, len(key))):
            entity_type = "PERSON"  # Elsewhere in the text, the last words alone denote a person.
        for name in group:
            name.type = entity_type
    return _with_missed_mentions(parsed, _without_article(parsed, names, groups))


_Groups = dict[tuple[str, ...], list[NameMention]]
_Evidence = dict[str, tuple[EntityType, float]]


def _shorter_forms(groups: _Groups) -> _Evidence:
    """Return evidence for single words that shorten a longer name of the text: a type and its bonus."""
    found: _Evidence = {}
    for key, group in groups.items():
        bare = [word for word in key if word.strip(".") not in LEGAL_FORMS]
        if len(bare) == 1 < len(key) and group[0].type == "ORG":
            found[bare[0]] = ("ORG", FIRM)
        if len(key) > 1 and _is_person(group):
            # A firm can have its founder's name; a place rarely has the name of a person in the text.
            found.setdefault(key[-1], ("LOC", -PERSON_PENALTY))
            found.setdefault(key[0], ("LOC", -PERSON_PENALTY))
        if _has_given_name(group[0]):
            found[key[0]] = ("PERSON", GIVEN_NAME)
    return found


def _is_person(group: list[NameMention]) -> bool:
    return sum(name.type == "PERSON" for name in group) * 2 > len(group)


def _has_given_name(name: NameMention) -> bool:
    return len(name.words) == 2 and _GIVEN.fullmatch(name.words[1]) is not None


def _type_of(
    parsed: ParsedText, key: tuple[str, ...], group: list[NameMention], shorter: _Evidence, storms: set[str]
) -> EntityType:
    """Return the most probable type for all mentions of a name."""
    if len(key) == 1 and key[0] in storms and key[0] not in shorter:
        return "MISC"
    if len(key) == 1 and _is_demonym(key[0]):
        return "NORP"
    labels: tuple[EntityType, ...] = get_args(EntityType)
    scores = {
        label: sum(math.log(max(name.probabilities.get(label, 0.0), MIN_PROBABILITY)) for name in group)
        for label in labels
    }
    first = group[0]
    text = parsed.text[first.start : first.end]
    if places().find(text.title() if text.isupper() else text, "LOC"):
        scores["LOC"] += KNOWN_PLACE * len(group)
    if " ".join(key) in lexicon().orgs:
        scores["ORG"] += KNOWN_ORG * len(group)
    if len(key) == 1 and key[0] in shorter:
        label, weight = shorter[key[0]]
        scores[label] += weight * len(group)
    if _has_given_name(first):
        scores["PERSON"] += GIVEN_NAME * len(group)
    if any(_is_dateline(parsed, name) for name in group):
        scores["LOC"] += DATELINE
    return max(scores, key=lambda label: scores[label])


def _is_dateline(parsed: ParsedText, name: NameMention) -> bool:
    """Whether a mention is a dateline at the start of a paragraph: ``OSLO (Reuters) -``."""
    number = bisect_left(parsed.paragraphs, (name.start,))
    opens = number < len(parsed.paragraphs) and parsed.paragraphs[number][0] == name.start
    return opens and parsed.text[name.start : name.end].isupper() and bool(_DATELINE.match(parsed.text, name.end))


def _is_demonym(word: str) -> bool:
    """Whether a word is the name of a country with the ending of a demonym: Djiboutian."""
    countries = places().countries
    return word not in countries and any(
        word[:cut] + end in countries
        for cut in range(len(word) - 1, max(3, len(word) - 5), -1)
        if word[cut:] in _DEMONYM_ENDINGS
        for end in ("", "a", "e", "o")
    )


def _without_article(parsed: ParsedText, names: list[NameMention], groups: _Groups) -> list[NameMention]:
    """Remove ``The`` at the start of a sentence from names that occur without it elsewhere."""
    starts = {sentence.start for sentence in parsed.sentences}
    for name in names:
        if name.words[0] == "The" and name.start in starts:
            other = groups.get(tuple(word.casefold() for word in name.words[1:]))
            if other:
                name.words = name.words[1:]
                name.start = tokenize(parsed.text, name.start, name.end)[1].start
                name.type = other[0].type
    return names


def _with_missed_mentions(parsed: ParsedText, names: list[NameMention]) -> list[NameMention]:
    """Add occurrences of the names that the model missed or split."""
    forms = _forms(parsed, names)
    sizes: dict[str, set[int]] = defaultdict(set)
    for form in forms:
        sizes[form[0]].add(len(form))
    longest_first = {word: sorted(lengths, reverse=True) for word, lengths in sizes.items()}
    found: list[NameMention] = []
    for number, sentence in enumerate(parsed.sentences):
        upper_cased = sentence.headline and not any(t.text[0].islower() for t in sentence.tokens if t.is_word)
        texts = [token.text.upper() if upper_cased else token.text for token in sentence.tokens]
        at = 0
        while at < len(texts):
            step = 1
            for size in longest_first.get(texts[at], ()):
                name = forms.get(tuple(texts[at : at + size]))
                start, end = sentence.tokens[at].start, sentence.tokens[min(at + size, len(texts)) - 1].end
                if name and not _in_address(parsed.text, start, end):
                    found.append(replace(name, start=start, end=end, certainty=1, title_start=None, sentence=number))
                    step = size
                    break
            at += step
    return _merged(names, _plausible(names, found))


def _in_address(text: str, start: int, end: int) -> bool:
    """Whether a word is part of an e-mail address, a URL or a file name."""
    return text[max(0, start - 1) : start] in tuple("@/_<.") or _IN_ADDRESS.match(text, end) is not None


def _plausible(names: list[NameMention], found: list[NameMention]) -> list[NameMention]:
    """Drop occurrences of a word that the model rarely tagged as a name, since its few mentions are probably errors."""
    seen, all_found = (Counter(name.words for name in mentions) for mentions in (names, found))
    return [n for n in found if len(n.words) > 1 or all_found[n.words] <= MAX_MISSED_RATIO * seen[n.words]]


def _merged(names: list[NameMention], found: list[NameMention]) -> list[NameMention]:
    """Merge names and occurrences: an occurrence is added if it is new, and replaces shorter names inside it."""
    kept: list[NameMention] = []
    at = 0
    for occurrence in found:
        while at < len(names) and names[at].end <= occurrence.start:
            kept.append(names[at])
            at += 1
        stop = at
        while stop < len(names) and names[stop].start < occurrence.end:
            stop += 1
        inside = names[at:stop]
        if all(occurrence.start <= name.start and name.end <= occurrence.end for name in inside) and (
            not inside or len(occurrence.words) > max(len(name.words) for name in inside)
        ):
            kept.append(occurrence)
            at = stop
    return sorted([*kept, *names[at:]], key=lambda name: name.start)


def _forms(parsed: ParsedText, names: list[NameMention]) -> dict[tuple[str, ...], NameMention]:
    """Return the names that are unambiguous elsewhere, by their tokens as written and in upper case (headlines)."""
    forms: dict[tuple[str, ...], NameMention] = {}
    for name in names:
        texts = tuple(token.text for token in tokenize(parsed.text, name.start, name.end))
        if _is_unambiguous(name, texts):
            forms.setdefault(texts, name)
            forms.setdefault(tuple(text.upper() for text in texts), name)
    return forms


def _is_unambiguous(name: NameMention, texts: tuple[str, ...]) -> bool:
    """Whether the same words elsewhere must be the same name, because none of them is a common word."""
    if len(texts) > 1:
        return name.type != "MISC"
    low, lists = texts[0].lower(), lexicon()
    if name.type == "ORG" and texts[0].isupper() and len(low) > 2:
        return True
    common = low in lists.common_words or low in lists.function_words or low in lists.months or low in lists.titles
    return texts[0][0].isupper() and len(low) > 2 and not common and name.type in ("PERSON", "ORG", "LOC", "NORP")
