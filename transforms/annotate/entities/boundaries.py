"""Where a name that the model saw begins and ends: suffixes, legal forms, hyphens, and what an acronym spells out."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from transforms.annotate.entities.places import places
from transforms.annotate.entities.rule_mentions import NameMention, joined_words
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import tokenize

LEGAL_FORMS = frozenset(
    "ltd inc corp co plc llc llp lp gmbh ag sa s.a nv bv limited spa se ab asa oyj kg pty pjsc jsc incorporated".split()
)
"""What stands behind a firm's name and says how it is owned; lower case, without the last full stop."""
WHOLE_LINE = 5
"""A name of so many words that is all of its line is a headline."""

_WRITTEN = {"plc", "SpA", "GmbH"} | {form.title() for form in LEGAL_FORMS} | {form.upper() for form in LEGAL_FORMS}
_FORM = "|".join(re.escape(form) for form in sorted(_WRITTEN, key=len, reverse=True))
_BEHIND = {
    "PERSON": re.compile(r",?[^\S\n](?:(?:Jr|Sr)\b\.?|(?:II|III|IV)\b)"),
    "ORG": re.compile(rf",?[^\S\n](?:{_FORM})(?![\w-])\.?"),
}
_JOINT = re.compile(r"[^\S\n]and the[^\S\n]([A-Z]\w+)")
_FAMILY_NAME = re.compile(r"[-‐‑][^\W\d_][^\W\d_]*")
_BODY = re.compile(r"['’][^\S\n]([A-Z]\w+)")
_ACRONYM = re.compile(r"[^\S\n]?\(([A-Z][A-Za-z&]{1,7})\)")
_SMALL = frozenset("of the and for & on in to de la du des del et y".split())
_FARTHEST = 10
"""How many words an acronym may spell out."""


def correct_boundaries(parsed: ParsedText, names: Iterable[NameMention]) -> list[NameMention]:
    """Names in order with their edges set right; one that is a whole headline is none."""
    found: list[NameMention] = []
    families: set[str] = set()
    for name in (part for whole in names for part in _parted(parsed.text, whole)):
        sentence = parsed.sentences[name.sentence]
        if found and name.start < found[-1].end:
            continue
        if len(name.words) >= WHOLE_LINE and _is_line(parsed, name):
            continue
        if sentence.headline:
            name = _within_headline(parsed, name)
            if name.type == "MISC" and len(name.words) > 2:
                continue
        name = _grown(parsed.text, name)
        if spelled := _spelled_out(parsed.text, sentence, name):
            while found and found[-1].end > spelled.start:
                found.pop()
            name = spelled
        if found and _is_one_name(parsed.text, found[-1], name, families):
            name = _over(parsed.text, found.pop(), name.end)
        if name.type == "PERSON" and len(name.words) > 1:
            families.add(name.words[-1])
        found.append(name)
    return found


def _parted(text: str, name: NameMention) -> list[NameMention]:
    """The two bodies that stand in one name: the University of Porto and the Bank of Ghana."""
    joint = _JOINT.search(text, name.start, name.end) if name.type == "ORG" else None
    heads = lexicon().org_heads
    if joint is None or joint.group(1).lower() not in heads:
        return [name]
    before, behind = _over(text, name, joint.start()), _over(text, replace(name, start=joint.start(1)), name.end)
    if heads.isdisjoint(map(str.lower, before.words)) or len(behind.words) == 1:
        return [name]
    return [before, behind]


def _is_line(parsed: ParsedText, name: NameMention) -> bool:
    """Whether a name is all of a line, in which capitals say nothing."""
    number = bisect_right(parsed.paragraphs, (name.start, len(parsed.text))) - 1
    start, end = parsed.paragraphs[number]
    return not re.search(r"\w", parsed.text[start : name.start] + parsed.text[name.end : end])


def _within_headline(parsed: ParsedText, name: NameMention) -> NameMention:
    """The name up to the first word that only the headline writes with a capital: Lina Okoro Says."""
    lists = lexicon()
    tokens = tokenize(parsed.text, name.start, name.end)
    for before, token in pairwise(tokens):
        low = token.low
        if not token.is_word or low in lists.org_heads or low in lists.place_heads or parsed.capital[low]:
            continue
        reports = any(cue.form in ("third", "past") for _, cue in lists.cues.get(low, ()))
        if reports or low in lists.auxiliaries or low in lists.clause_starts or parsed.lower[low]:
            return _over(parsed.text, name, before.end)
    return name


def _over(text: str, name: NameMention, end: int) -> NameMention:
    return replace(name, end=end, words=joined_words(tokenize(text, name.start, end)))


def _grown(text: str, name: NameMention) -> NameMention:
    """The name with the suffix, the legal form or the second half of the family name that stands behind it."""
    if name.type == "PERSON" and len(name.words) > 1 and (half := _FAMILY_NAME.match(text, name.end)):
        letters = half.group()[1:]
        if letters[0].isupper() and not letters.isupper():
            name = _over(text, name, half.end())
    elif name.type != "LOC" and (half := _FAMILY_NAME.match(text, name.end)):
        # A hyphen within a place's name: Guinea-Bissau.
        whole = text[name.start : half.end()]
        if places().find(whole, "LOC"):
            name = _over(text, name, half.end())
    head = _BODY.match(text, name.end) if name.type == "ORG" and name.words[-1].endswith("s") else None
    if head and head.group(1).lower() in lexicon().org_heads:
        name = _over(text, name, head.end())
    behind = _BEHIND.get(name.type)
    if behind and (more := behind.match(text, name.end)):
        name = _over(text, name, more.end())
    return name


def _is_one_name(text: str, one: NameMention, other: NameMention, families: set[str]) -> bool:
    """Whether two names are halves of one: of a family name, of a place's, or ``Tenants' League``."""
    if one.type == other.type == "ORG" and one.words[-1].endswith("s"):
        return text[one.end : other.start] in ("' ", "’ ")
    if one.end + 1 != other.start or text[one.end] not in "-‐‑":
        return False
    if one.type == other.type == "PERSON":
        return len(one.words) > 1 or text[one.start : other.end] in families
    return places().find(text[one.start : other.end], "LOC") is not None


def _spelled_out(text: str, sentence: Sentence, name: NameMention) -> NameMention | None:
    """The words before ``(ASWU)`` whose first letters it has, where these are more than the name."""
    behind = _ACRONYM.match(text, name.end)
    if behind is None or name.type not in ("ORG", "LOC", "MISC"):
        return None
    letters = [letter.upper() for letter in behind.group(1) if letter.isalpha()]
    stop = bisect_right(sentence.tokens, name.end, key=lambda token: token.end)
    words = [token for token in sentence.tokens[max(0, stop - 2 * _FARTHEST) : stop] if token.is_word][-_FARTHEST:]
    for at in range(len(words) - 1, -1, -1):
        if words[at].low in _SMALL or not words[at].is_capital:
            if words[at].low not in _SMALL:
                return None
            continue
        heads = [word.text[0] for word in words[at:] if word.low not in _SMALL]
        if heads == letters:
            return _over(text, replace(name, start=words[at].start), name.end) if words[at].start < name.start else None
        if len(heads) >= len(letters):
            return None
    return None
