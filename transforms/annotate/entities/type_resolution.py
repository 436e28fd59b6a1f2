"""What a document's mentions of one name say together: its type, and where else it stands."""

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

FLOOR = 0.02
"""The least probability of a type that a mention may say; the network is surer than it is right."""
KNOWN_PLACE = 1.0
"""What a country's or big city's name adds to the logarithm of each mention's being a place."""
KNOWN_ORG = 3.0
"""What a listed body's name, or that of the seat which stands for it (the Kremlin), adds to its being a body."""
PERSONS_NAME = 2.0
"""What the full name of a person in the same text takes from that of its first or last word's being a place."""
FIRM = 4.0
"""What a firm's name with its legal form adds to the same words' being the firm."""
GIVEN_NAME = 4.0
"""What a given name that only a person has adds to its being a person's."""
DATELINE = 4.0
"""What standing before ``(Reuters) -`` adds to a name's being a place."""

MOST_UNSEEN = 3
"""How often a word may stand in all for each time that the model saw a name in it."""

_DATELINE = re.compile(r"(?:,[^()\n]{0,30})?[^\S\n]?(?:\([^()\n]{2,30}\)[^\S\n]?[-–—]|[—–])")
_IN_ADDRESS = re.compile(r"[@_]|[./]\w")
_STORMS = frozenset("hurricane storm typhoon cyclone".split())
_GIVEN = re.compile(r"[A-Z][a-z]{1,6}-[a-z]{1,6}")
"""The given name behind a family name, as Korean and Taiwanese names are mostly written: Seo-yun."""
_OF_PEOPLE = frozenset("n an ian ean ese ish i nian lese".split())


def resolve_types(parsed: ParsedText, names: list[NameMention]) -> list[NameMention]:
    """The names with the types that all their mentions make likeliest, and the mentions that the model missed.

    Args:
        parsed: the text.
        names: what the model saw, in order, not overlapping.

    Returns:
        Names in order, not overlapping.
    """
    groups: _Groups = defaultdict(list)
    for name in names:
        groups[tuple(word.casefold() for word in name.words)].append(name)
    shorter = _shorter_forms(groups)
    storms = {key[-1] for key in groups if len(key) > 1 and key[-2] in _STORMS}
    for key, group in groups.items():
        kind = _type_of(parsed, key, group, shorter, storms)
        if kind == "ORG" and any(_is_person(groups.get(key[at:], [])) for at in range(1, len(key))):
            kind = "PERSON"  # who is called by the last words alone elsewhere
        for name in group:
            name.type = kind
    return _with_repeats(parsed, _without_article(parsed, names, groups))


_Groups = dict[tuple[str, ...], list[NameMention]]
_Evidence = dict[str, tuple[EntityType, float]]


def _shorter_forms(groups: _Groups) -> _Evidence:
    """Words that longer names of the text may be cut to: what type that makes likely, and how much so."""
    found: _Evidence = {}
    for key, group in groups.items():
        bare = [word for word in key if word.strip(".") not in LEGAL_FORMS]
        if len(bare) == 1 < len(key) and group[0].type == "ORG":
            found[bare[0]] = ("ORG", FIRM)
        if len(key) > 1 and _is_person(group):
            # A firm may bear its founder's name; a place that is named like a person of the text is rare.
            found.setdefault(key[-1], ("LOC", -PERSONS_NAME))
            found.setdefault(key[0], ("LOC", -PERSONS_NAME))
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
    """The type that is likeliest for all mentions of equal words."""
    if len(key) == 1 and key[0] in storms and key[0] not in shorter:
        return "MISC"
    if len(key) == 1 and _is_of_people(key[0]):
        return "NORP"
    labels: tuple[EntityType, ...] = get_args(EntityType)
    scores = {
        label: sum(math.log(max(name.probabilities.get(label, 0.0), FLOOR)) for name in group) for label in labels
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
    """Whether a name is where a report comes from: ``OSLO (Reuters) -`` at the start of a paragraph."""
    opens = bisect_left(parsed.paragraphs, (name.start,))
    starts = opens < len(parsed.paragraphs) and parsed.paragraphs[opens][0] == name.start
    return starts and parsed.text[name.start : name.end].isupper() and bool(_DATELINE.match(parsed.text, name.end))


def _is_of_people(word: str) -> bool:
    """Whether a word is a country's name with the ending of those who are of it: Djiboutian."""
    countries = places().countries
    return word not in countries and any(
        word[:cut] + end in countries
        for cut in range(len(word) - 1, max(3, len(word) - 5), -1)
        if word[cut:] in _OF_PEOPLE
        for end in ("", "a", "e", "o")
    )


def _without_article(parsed: ParsedText, names: list[NameMention], groups: _Groups) -> list[NameMention]:
    """A capital article at a sentence's start is no part of a name that stands without it elsewhere."""
    starts = {sentence.start for sentence in parsed.sentences}
    for name in names:
        if name.words[0] == "The" and name.start in starts:
            other = groups.get(tuple(word.casefold() for word in name.words[1:]))
            if other:
                name.words = name.words[1:]
                name.start = tokenize(parsed.text, name.start, name.end)[1].start
                name.type = other[0].type
    return names


def _with_repeats(parsed: ParsedText, names: list[NameMention]) -> list[NameMention]:
    """The same names and the places where one of them stands again, unseen by the model or seen in parts."""
    forms = _forms(parsed, names)
    sizes: dict[str, set[int]] = defaultdict(set)
    for form in forms:
        sizes[form[0]].add(len(form))
    longest_first = {word: sorted(known, reverse=True) for word, known in sizes.items()}
    found: list[NameMention] = []
    for number, sentence in enumerate(parsed.sentences):
        upper_cased = sentence.headline and not any(t.text[0].islower() for t in sentence.tokens if t.is_word)
        texts = [token.text.upper() if upper_cased else token.text for token in sentence.tokens]
        at = 0
        while at < len(texts):
            step = 1
            for size in longest_first.get(texts[at], ()):
                known = forms.get(tuple(texts[at : at + size]))
                part = sentence.tokens[at : at + size]
                if known and not _in_address(parsed.text, part[0].start, part[-1].end):
                    again = replace(known, start=part[0].start, end=part[-1].end, certainty=1, title_start=None)
                    again.sentence = number
                    found.append(again)
                    step = size
                    break
            at += step
    return _without_parts(names, _expected(names, found))


def _in_address(text: str, start: int, end: int) -> bool:
    """Whether a word is part of an address or a file's name."""
    return text[max(0, start - 1) : start] in tuple("@/_<.") or _IN_ADDRESS.match(text, end) is not None


def _expected(names: list[NameMention], found: list[NameMention]) -> list[NameMention]:
    """Of the names found again those that the model saw as often as not: else it is the one seen that is no name."""
    seen, again = (Counter(name.words for name in many) for many in (names, found))
    return [name for name in found if len(name.words) > 1 or again[name.words] <= MOST_UNSEEN * seen[name.words]]


def _without_parts(names: list[NameMention], found: list[NameMention]) -> list[NameMention]:
    """All names and those found again, where these are new or hold several of the others whole."""
    kept: list[NameMention] = []
    at = 0
    for again in found:
        while at < len(names) and names[at].end <= again.start:
            kept.append(names[at])
            at += 1
        stop = at
        while stop < len(names) and names[stop].start < again.end:
            stop += 1
        inside = names[at:stop]
        if all(again.start <= name.start and name.end <= again.end for name in inside) and (
            not inside or len(again.words) > max(len(name.words) for name in inside)
        ):
            kept.append(again)
            at = stop
    return sorted([*kept, *names[at:]], key=lambda name: name.start)


def _forms(parsed: ParsedText, names: list[NameMention]) -> dict[tuple[str, ...], NameMention]:
    """The words of each name that stands for itself, as they are and in capitals, as headlines have them."""
    forms: dict[tuple[str, ...], NameMention] = {}
    for name in names:
        texts = tuple(token.text for token in tokenize(parsed.text, name.start, name.end))
        if _stands_for_itself(name, texts):
            forms.setdefault(texts, name)
            forms.setdefault(tuple(text.upper() for text in texts), name)
    return forms


def _stands_for_itself(name: NameMention, texts: tuple[str, ...]) -> bool:
    """Whether the same words elsewhere are surely the same name: no word that is a common one too."""
    if len(texts) > 1:
        return name.type != "MISC"
    low, lists = texts[0].lower(), lexicon()
    if name.type == "ORG" and texts[0].isupper() and len(low) > 2:
        return True
    common = low in lists.common_words or low in lists.function_words or low in lists.months or low in lists.titles
    return texts[0][0].isupper() and len(low) > 2 and not common and name.type in ("PERSON", "ORG", "LOC", "NORP")
