"""Names in running text: spans of capitalised words, judged by word lists and by what stands around them."""

import re
from dataclasses import dataclass, field

from transforms.annotate.entities.rule_types import is_person_form, kind_of, known_kind, last_word
from transforms.annotate.entities.titles import Gender, first_name, gender_of_first, strip_titles
from transforms.annotate.nlp.lexicon import Lexicon, lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence, at_start
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import EntityType

HINT = -1
"""The certainty of a mention that counts only where the same name stands elsewhere too."""


@dataclass(slots=True)
class NameMention:
    """One mention of a name, without title, ``the`` and possessive."""

    start: int
    end: int
    type: EntityType
    words: tuple[str, ...]
    """The name's words as written, nickname in marks left out."""
    certainty: int
    """2: the type comes from a list, a title or the name's form; 1: from the words before it; 0: a guess; `HINT`."""
    gender: Gender | None = None
    title_start: int | None = None
    """Where the title before the name begins, when there is one."""
    sentence: int = 0
    is_plural: bool = False
    """Several of the name are meant: the Arroyo brothers."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """The model's probability of each type."""


# Ten-year-old Milo, Karra-born Milo, Then-mayor Milo: such a word is no part of the name.
_DESCRIBES = re.compile(
    r"(?:.+-)?(?:\w+-(?:old|born|based|raised|bred|trained|led|winning)|(?:then|ex|former|soon)-.+)"
)
MAX_TOKENS = 14
"""A longer row of capitalised words is no name."""


def find_names(parsed: ParsedText) -> list[NameMention]:
    """Every mention of a person, organisation, place or nationality, in order and not overlapping."""
    names: list[NameMention] = []
    for number, sentence in enumerate(parsed.sentences):
        at = 0
        while at < len(sentence.tokens):
            stop = _sequence(parsed, sentence, at)
            if stop > at:
                for name in _judge(parsed, sentence, at, stop):
                    name.sentence = number
                    names.append(name)
            at = max(stop, at + 1)
    return names


def _sequence(parsed: ParsedText, sentence: Sentence, at: int) -> int:
    """Where the run of capitalised words that begins at ``at`` ends; ``at`` itself when none does."""
    tokens, lists = sentence.tokens, lexicon()
    if not _is_name_word(parsed, sentence, at):
        return at
    stop = at + 1
    while stop < min(len(tokens), at + MAX_TOKENS):
        token, before = tokens[stop], tokens[stop - 1]
        gap = parsed.text[before.end : token.start]
        if "\n" in gap:
            break
        ahead = stop + 1 < len(tokens)
        if token.is_word and token.is_capital and before.is_word:
            if not _continues(parsed, sentence, stop):
                break
            stop += 1
        elif token.text == "." and not gap and (_is_initial(before) or before.low in lists.suffixes):
            if before.low in lists.suffixes:
                stop += 1
                break
            if not (ahead and tokens[stop + 1].is_capital):
                break
            stop += 1
        elif before.text == "." and token.is_word and token.is_capital:
            stop += 1
        elif token.low == "," and ahead and tokens[stop + 1].low in ("jr", "sr", "inc", "ltd", "llc"):
            stop += 2
        elif (link := _link(tokens, at, stop)) > stop:
            stop = link
        else:
            break
    return stop


def _link(tokens: list[Token], at: int, stop: int) -> int:
    """Past the small words that may stand inside a name (of, van der, &, a nickname in marks), or ``stop``."""
    lists = lexicon()
    token = tokens[stop]
    after = stop + 1
    if token.low in lists.particles:
        while after < len(tokens) and tokens[after].low in lists.particles:
            after += 1
        return after + 1 if after < len(tokens) and tokens[after].is_capital else stop
    if token.text == "&":
        return after + 1 if after < len(tokens) and tokens[after].is_capital else stop
    opener = any(word.low in lists.org_openers for word in tokens[at:stop])
    if opener and (token.low in ("of", "for") or (token.low == "and" and tokens[stop - 2].low in ("of", "for", ","))):
        article = after < len(tokens) and tokens[after].low == "the" and token.low != "and"
        after += article
        usable = after < len(tokens) and tokens[after].is_capital
        apart = usable and token.low == "and" and tokens[after].low in (lists.male | lists.female | lists.org_openers)
        return after + 1 if usable and not apart else stop
    plural = tokens[stop - 1].low.endswith("s" if token.text in "’'" else ("men", "women", "people", "children"))
    if plural and token.low in ("'", "'s") and tokens[stop - 1].end == token.start:
        # Residents' Action Group: a plural's mark stands inside the name of a body, wherever its main word comes.
        end = next((i for i in range(after, min(after + 4, len(tokens))) if not tokens[i].is_capital), len(tokens))
        return after + 1 if any(word.low in lists.org_heads for word in tokens[after:end][:4]) else stop
    if token.text in "“\"‘'(" and tokens[stop - 1].is_capital:
        # Ed “Barnacle” Novotny: one or two capitalised words in marks between two parts of a name.
        for close in (stop + 2, stop + 3):
            inside = tokens[after:close]
            if (
                close + 1 < len(tokens)
                and tokens[close].text in "”\"’')"
                and all(word.is_word and word.is_capital for word in inside)
                and tokens[close + 1].is_capital
                and tokens[close + 1].low not in lists.function_words
                and token.text != "("
                and tokens[close].start == inside[-1].end
            ):
                return close + 2
    return stop


def _is_initial(token: Token) -> bool:
    return len(token.text) == 1 and token.text.isupper()


def _is_name_word(parsed: ParsedText, sentence: Sentence, at: int) -> bool:
    """Whether a name may begin here."""
    tokens, lists = sentence.tokens, lexicon()
    token = tokens[at]
    if not token.is_word or not token.is_capital:
        return False
    low = token.low
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    capital_next = following is not None and following.is_word and following.is_capital
    if following is not None and following.low in lists.particles:
        capital_next = _link(tokens, at, at + 1) > at + 1
    if low in lists.function_words:
        first = low in lists.male or low in lists.female
        joined = following is not None and f"{low} {following.low}" in lists.places | lists.orgs
        return (
            joined
            or (first and capital_next and following is not None and following.low not in lists.function_words)
            or (low == "us" and token.text == "US")
        )
    if _DESCRIBES.fullmatch(low):
        return False
    if "'" in low and low.split("'")[-1] in ("t", "re", "ll", "ve", "m", "d"):
        return False
    if _is_initial(token):
        return following is not None and following.text == "." and at + 2 < len(tokens) and tokens[at + 2].is_capital
    if not sentence.headline and not at_start(tokens, at):
        return True
    entries = low in lists.male or low in lists.female or low in lists.places or low in lists.orgs
    if entries or low in lists.nationalities or low in lists.titles or (token.text.isupper() and not sentence.headline):
        return True
    if parsed.capital[low] > 0 or (low in lists.particles and _link(tokens, at, at) > at):
        return True
    if low in lists.common_words or parsed.lower[low] > 0:
        return capital_next and not sentence.headline
    if sentence.headline:
        before = tokens[at - 1].low if at else ""
        return before in lists.titles or low in lists.org_heads
    if capital_next or following is None:
        return capital_next
    suffixed = low.endswith(("ing", "ly", "ed"))
    verb = following.low in lists.auxiliaries or following.low in lists.cues or following.low == "'s"
    return verb and not suffixed


def _continues(parsed: ParsedText, sentence: Sentence, at: int) -> bool:
    """Whether a capitalised word after a name's word belongs to the same run."""
    token, before = sentence.tokens[at], sentence.tokens[at - 1]
    lists = lexicon()
    if token.low in lists.function_words:
        return before.low in (lists.male | lists.female) and token.low in ("may", "will", "march", "august")
    if sentence.headline:
        person = before.low in lists.male or before.low in lists.female or before.low in lists.titles
        verb = token.low in lists.cues and any(cue.form in ("third", "past") for _, cue in lists.cues[token.low])
        plain = token.low in lists.common_words and token.low not in lists.org_heads
        return not verb and not plain and (person or parsed.capital[token.low] > 0 or token.low in lists.org_heads)
    return True


def _judge(parsed: ParsedText, sentence: Sentence, at: int, stop: int) -> list[NameMention]:
    """The names in one run of capitalised words: known compounds first, then what is left of and right of them."""
    tokens, lists = sentence.tokens, lexicon()
    if stop - at == 1 and "-" in tokens[at].text and (pair := _hyphenated(tokens[at], lists)):
        return pair
    last = last_word(tokens, at, stop)
    chain = any(token.low in ("of", "for", "&") for token in tokens[at:stop])
    headed = tokens[last].low in lists.org_heads and not is_person_form(tokens, at, last, lists)
    whole_org = stop - at > 1 and (headed or (chain and any(t.low in lists.org_openers for t in tokens[at:stop])))
    if not whole_org:
        for first in range(at, stop):
            for end in range(min(stop, first + 4), first, -1):
                words = [token.low for token in tokens[first:end]]
                if (end - first > 1 or first > at or end < stop) and (kind := known_kind(words, tokens[first], lists)):
                    if end - first == 1 and (_inside_person(tokens, first, at, stop) or (kind == "ORG" and end < stop)):
                        continue
                    left = _judge(parsed, sentence, at, first) if first > at else []
                    right = _judge(parsed, sentence, end, stop) if end < stop else []
                    return [*left, _name(tokens, first, end, kind, 2), *right]
    begin, title_start, gender = strip_titles(sentence, at, stop)
    if begin >= stop:
        return []
    kind_known = kind_of(parsed, sentence, begin, stop, titled=title_start is not None)
    if kind_known is None:
        return []
    kind, certainty = kind_known
    if kind == "PERSON":
        begin = first_name(tokens, begin, stop, lists)
        found = _name(tokens, begin, stop, kind, certainty)
        found.gender = gender or gender_of_first(tokens[begin].low, lists)
        found.title_start = title_start
        return [*_before_office(parsed, sentence, at, begin), found]
    return [_name(tokens, begin, stop, kind, certainty)]


def _before_office(parsed: ParsedText, sentence: Sentence, at: int, begin: int) -> list[NameMention]:
    """What an office in front of a person's name names: the place or body of `Brindle Mayor`, no more than a hint."""
    lists = lexicon()
    stop = next((index for index in range(at, begin) if sentence.tokens[index].low in lists.titles | lists.roles), at)
    found = _judge(parsed, sentence, at, stop) if stop > at else []
    for name in found:
        name.certainty = name.certainty if name.certainty == 2 else HINT
    return found


def _hyphenated(token: Token, lists: Lexicon) -> list[NameMention]:
    """Two known names that a hyphen joins, as in Russia-US; nothing for any other word."""
    names, at = [], token.start
    for part in token.text.split("-"):
        kind = known_kind([part.lower()], Token(at, at + len(part), part, part.lower(), True), lists)
        if kind is None:
            return []
        names.append(NameMention(at, at + len(part), kind, (part,), 2))
        at += len(part) + 1
    return names


def _inside_person(tokens: list[Token], index: int, at: int, stop: int) -> bool:
    """A place's word that is part of a person's name: Jordan Weisz, Ruth London, Sergeant Mira Kent."""
    lists = lexicon()
    given = lists.male | lists.female
    titled = tokens[at].low in lists.titles and all(token.low not in ("of", "for") for token in tokens[at:stop])
    if titled and index == stop - 1 and index > at + 1:
        return tokens[index].low not in lists.nationalities
    if tokens[index].low in lists.nationalities and index + 1 < stop:
        return False
    if index > at and tokens[index - 1].low in given | lists.titles:
        return tokens[index].low not in lists.nationalities or tokens[index - 1].low in given
    after = tokens[index + 1].low if index + 1 < stop else ""
    return tokens[index].low in given and bool(after) and after not in lists.titles | lists.common_words


def _name(tokens: list[Token], begin: int, stop: int, kind: EntityType, certainty: int) -> NameMention:
    return NameMention(tokens[begin].start, tokens[stop - 1].end, kind, joined_words(tokens[begin:stop]), certainty)


def joined_words(tokens: list[Token]) -> tuple[str, ...]:
    """A name's words: marks that belong to one stay with it (``Jr.``), a nickname in quote marks is left out."""
    words: list[str] = []
    marked = False
    for token in tokens:
        if words and (token.text in '“”"‘' or (token.text == "'" and not words[-1].endswith("s"))):
            marked = not marked
        elif words and not marked and token.low in (".", ",", "’", "'", "'s"):
            words[-1] += token.text if token.text != "," else ""
        elif not marked:
            words.append(token.text)
    return tuple(words)
