"""Correct entity boundaries predicted by the model: suffixes, legal forms, hyphens, expanded acronyms."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from transforms.annotate.entities.name_mention import NameMention, name_words
from transforms.annotate.entities.places import places
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import tokenize

LEGAL_FORMS = frozenset(
    "ltd inc corp co plc llc llp lp gmbh ag sa s.a nv bv limited spa se ab asa oyj kg pty pjsc jsc incorporated".split()
)
"""Legal forms at the end of company names, in lower case, without the final full stop."""
MIN_HEADLINE_WORDS = 5
"""Minimum number of words of a name that is dropped as a headline because it fills its line."""

_WRITTEN = {"plc", "SpA", "GmbH"} | {form.title() for form in LEGAL_FORMS} | {form.upper() for form in LEGAL_FORMS}
_FORM = "|".join(re.escape(form) for form in sorted(_WRITTEN, key=len, reverse=True))
_SUFFIX = {
    "PERSON": re.compile(r",?[^\S\n](?:(?:Jr|Sr)\b\.?|(?:II|III|IV)\b)"),
    "ORG": re.compile(rf",?[^\S\n](?:{_FORM})(?![\w-])\.?"),
}
_CONJUNCTION = re.compile(r"[^\S\n]and the[^\S\n]([A-Z]\w+)")
_HYPHENATED = re.compile(r"[-‐‑][^\W\d_][^\W\d_]*")
_PLURAL_POSSESSIVE = re.compile(r"['’][^\S\n]([A-Z]\w+)")
_ACRONYM = re.compile(r"[^\S\n]?\(([A-Z][A-Za-z&]{1,7})\)")
_SKIPPED_WORDS = frozenset("of the and for & on in to de la du des del et y".split())
_MAX_EXPANSION = 10
"""Maximum number of words in the expansion of an acronym."""


def correct_boundaries(parsed: ParsedText, names: Iterable[NameMention]) -> list[NameMention]:
    """Correct the boundaries of names, and drop names that are entire headlines.

    Args:
        parsed: the text.
        names: mentions by the model, in order.

    Returns:
        Mentions in order, without overlap.
    """
    found: list[NameMention] = []
    surnames: set[str] = set()
    for name in (part for joint in names for part in _split_joint(parsed.text, joint)):
        sentence = parsed.sentences[name.sentence]
        if found and name.start < found[-1].end:
            continue
        if len(name.words) >= MIN_HEADLINE_WORDS and _fills_line(parsed, name):
            continue
        if sentence.headline:
            name = _cut_in_headline(parsed, name)
            if name.type == "MISC" and len(name.words) > 2:
                continue
        name = _extended(parsed.text, name)
        if expansion := _acronym_expansion(parsed.text, sentence, name):
            while found and found[-1].end > expansion.start:
                found.pop()
            name = expansion
        if found and _is_one_name(parsed.text, found[-1], name, surnames):
            name = _ending_at(parsed.text, found.pop(), name.end)
        if name.type == "PERSON" and len(name.words) > 1:
            surnames.add(name.words[-1])
        found.append(name)
    return found


def _split_joint(text: str, name: NameMention) -> list[NameMention]:
    """Split two organisations joined by ``and the``: the University of Porto and the Bank of Ghana."""
    conjunction = _CONJUNCTION.search(text, name.start, name.end) if name.type == "ORG" else None
    heads = lexicon().org_heads
    if conjunction is None or conjunction.group(1).lower() not in heads:
        return [name]
    first = _ending_at(text, name, conjunction.start())
    second = _ending_at(text, replace(name, start=conjunction.start(1)), name.end)
    if heads.isdisjoint(map(str.lower, first.words)) or len(second.words) == 1:
        return [name]
    return [first, second]


def _fills_line(parsed: ParsedText, name: NameMention) -> bool:
    """Whether a line contains no word outside the name."""
    number = bisect_right(parsed.paragraphs, (name.start, len(parsed.text))) - 1
    start, end = parsed.paragraphs[number]
    return not re.search(r"\w", parsed.text[start : name.start] + parsed.text[name.end : end])


def _cut_in_headline(parsed: ParsedText, name: NameMention) -> NameMention:
    """Cut a name before a word that has a capital only because of the headline: Lina Okoro Says."""
    lists = lexicon()
    tokens = tokenize(parsed.text, name.start, name.end)
    for before, token in pairwise(tokens):
        low = token.low
        if not token.is_word or low in lists.org_heads or low in lists.place_heads or parsed.capital[low]:
            continue
        reports = any(cue.form in ("third", "past") for _, cue in lists.cues.get(low, ()))
        if reports or low in lists.auxiliaries or low in lists.clause_starts or parsed.lower[low]:
            return _ending_at(parsed.text, name, before.end)
    return name


def _ending_at(text: str, name: NameMention, end: int) -> NameMention:
    return replace(name, end=end, words=name_words(tokenize(text, name.start, end)))


def _extended(text: str, name: NameMention) -> NameMention:
    """Extend a name to the suffix, the legal form or the second half of the surname that follows it."""
    if name.type == "PERSON" and len(name.words) > 1 and (half := _HYPHENATED.match(text, name.end)):
        letters = half.group()[1:]
        if letters[0].isupper() and not letters.isupper():
            name = _ending_at(text, name, half.end())
    elif name.type != "LOC" and (half := _HYPHENATED.match(text, name.end)):
        place = text[name.start : half.end()]  # Guinea-Bissau
        name = _ending_at(text, name, half.end()) if places().find(place, "LOC") else name
    head = _PLURAL_POSSESSIVE.match(text, name.end) if name.type == "ORG" and name.words[-1].endswith("s") else None
    if head and head.group(1).lower() in lexicon().org_heads:
        name = _ending_at(text, name, head.end())
    suffix = _SUFFIX.get(name.type)
    if suffix and (match := suffix.match(text, name.end)):
        name = _ending_at(text, name, match.end())
    return name


def _is_one_name(text: str, one: NameMention, other: NameMention, surnames: set[str]) -> bool:
    """Whether two adjacent names form one: a hyphenated surname or place, or ``Tenants' League``."""
    if one.type == other.type == "ORG" and one.words[-1].endswith("s"):
        return text[one.end : other.start] in ("' ", "’ ")
    if one.end + 1 != other.start or text[one.end] not in "-‐‑":
        return False
    if one.type == other.type == "PERSON":
        return len(one.words) > 1 or text[one.start : other.end] in surnames
    return places().find(text[one.start : other.end], "LOC") is not None


def _acronym_expansion(text: str, sentence: Sentence, name: NameMention) -> NameMention | None:
    """Return the expansion of an acronym in brackets after a name, if it begins before the name."""
    acronym = _ACRONYM.match(text, name.end)
    if acronym is None or name.type not in ("ORG", "LOC", "MISC"):
        return None
    letters = [letter.upper() for letter in acronym.group(1) if letter.isalpha()]
    stop = bisect_right(sentence.tokens, name.end, key=lambda token: token.end)
    near = sentence.tokens[max(0, stop - 2 * _MAX_EXPANSION) : stop]
    words = [token for token in near if token.is_word][-_MAX_EXPANSION:]
    for at in range(len(words) - 1, -1, -1):
        if words[at].low in _SKIPPED_WORDS:
            continue
        if not words[at].is_capital:
            return None
        heads = [word.text[0] for word in words[at:] if word.low not in _SKIPPED_WORDS]
        if heads == letters:
            begin = words[at].start
            return _ending_at(text, replace(name, start=begin), name.end) if begin < name.start else None
        if len(heads) >= len(letters):
            return None
    return None
