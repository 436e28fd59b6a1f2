"""Find names by rules: sequences of capitalised words, classified by word lists and context."""

import re

from transforms.annotate.entities.name_mention import NameMention, name_words
from transforms.annotate.entities.rule_types import is_person_form, last_word, listed_type, type_of_sequence
from transforms.annotate.entities.titles import Gender, gender_of_first_name, gender_of_title
from transforms.annotate.nlp.lexicon import Lexicon, lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence, at_start
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import EntityType

HINT = -1
"""Certainty of a mention that counts only if the same name occurs elsewhere too."""

# Such a word is not part of the name: Ten-year-old Milo, Karra-born Milo, Then-mayor Milo.
_DESCRIBES = re.compile(
    r"(?:.+-)?(?:\w+-(?:old|born|based|raised|bred|trained|led|winning)|(?:then|ex|former|soon)-.+)"
)
MAX_TOKENS = 14
"""Maximum number of tokens in a sequence of capitalised words."""


def find_names(parsed: ParsedText) -> list[NameMention]:
    """Return the mentions of persons, organisations, places and nationalities, in order, without overlap."""
    names: list[NameMention] = []
    for number, sentence in enumerate(parsed.sentences):
        at = 0
        while at < len(sentence.tokens):
            stop = _sequence(parsed, sentence, at)
            if stop > at:
                for name in _names_in(parsed, sentence, at, stop):
                    name.sentence = number
                    names.append(name)
            at = max(stop, at + 1)
    return names


def _sequence(parsed: ParsedText, sentence: Sentence, at: int) -> int:
    """Return the end of the sequence of capitalised words that begins at ``at``; ``at`` if there is none."""
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
        elif (end := _after_link(tokens, at, stop)) > stop:
            stop = end
        else:
            break
    return stop


def _after_link(tokens: list[Token], at: int, stop: int) -> int:
    """Return the index after words that can be inside a name (of, van der, &, a nickname in marks), or ``stop``."""
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
        # The possessive of a plural can be inside the name of an organisation: Residents' Action Group.
        end = next((i for i in range(after, min(after + 4, len(tokens))) if not tokens[i].is_capital), len(tokens))
        return after + 1 if any(word.low in lists.org_heads for word in tokens[after:end][:4]) else stop
    if token.text in "“\"‘'(" and tokens[stop - 1].is_capital:
        # A nickname is one or two capitalised words in marks between two parts of a name: Ed “Barnacle” Novotny.
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
    """Whether a name can begin at ``at``."""
    tokens, lists = sentence.tokens, lexicon()
    token = tokens[at]
    if not token.is_word or not token.is_capital:
        return False
    low = token.low
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    capital_next = following is not None and following.is_word and following.is_capital
    if following is not None and following.low in lists.particles:
        capital_next = _after_link(tokens, at, at + 1) > at + 1
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
    if parsed.capital[low] > 0 or (low in lists.particles and _after_link(tokens, at, at) > at):
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
    """Whether a capitalised word belongs to the same name as the word before it."""
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


def _names_in(parsed: ParsedText, sentence: Sentence, at: int, stop: int) -> list[NameMention]:
    """Return the names in a sequence of capitalised words: those in word lists, and those between them."""
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
                if (end - first > 1 or first > at or end < stop) and (
                    listed := listed_type(words, tokens[first], lists)
                ):
                    if end - first == 1 and (
                        _inside_person(tokens, first, at, stop) or (listed == "ORG" and end < stop)
                    ):
                        continue
                    left = _names_in(parsed, sentence, at, first) if first > at else []
                    right = _names_in(parsed, sentence, end, stop) if end < stop else []
                    return [*left, _name(tokens, first, end, listed, 2), *right]
    begin, title_start, gender = _strip_titles(sentence, at, stop)
    if begin >= stop:
        return []
    typed = type_of_sequence(parsed, sentence, begin, stop, titled=title_start is not None)
    if typed is None:
        return []
    entity_type, certainty = typed
    if entity_type == "PERSON":
        begin = _first_name(tokens, begin, stop, lists)
        found = _name(tokens, begin, stop, entity_type, certainty)
        found.gender = gender or gender_of_first_name(tokens[begin].low)
        found.title_start = title_start
        return [*_before_office(parsed, sentence, at, begin), found]
    return [_name(tokens, begin, stop, entity_type, certainty)]


def _before_office(parsed: ParsedText, sentence: Sentence, at: int, begin: int) -> list[NameMention]:
    """Return names inside an office before a person, with certainty `HINT` if unclear: Brindle in `Brindle Mayor`."""
    lists = lexicon()
    stop = next((index for index in range(at, begin) if sentence.tokens[index].low in lists.titles | lists.roles), at)
    found = _names_in(parsed, sentence, at, stop) if stop > at else []
    for name in found:
        name.certainty = name.certainty if name.certainty == 2 else HINT
    return found


def _hyphenated(token: Token, lists: Lexicon) -> list[NameMention]:
    """Return two names of the word lists joined by a hyphen (Russia-US); empty for any other word."""
    names, at = [], token.start
    for part in token.text.split("-"):
        entity_type = listed_type([part.lower()], Token(at, at + len(part), part, part.lower(), True), lists)
        if entity_type is None:
            return []
        names.append(NameMention(at, at + len(part), entity_type, (part,), 2))
        at += len(part) + 1
    return names


def _inside_person(tokens: list[Token], index: int, at: int, stop: int) -> bool:
    """Whether the name of a place is part of a person's name: Jordan Weisz, Ruth London, Sergeant Mira Kent."""
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


def _name(tokens: list[Token], begin: int, stop: int, entity_type: EntityType, certainty: int) -> NameMention:
    return NameMention(
        tokens[begin].start, tokens[stop - 1].end, entity_type, name_words(tokens[begin:stop]), certainty
    )


def _strip_titles(sentence: Sentence, at: int, stop: int) -> tuple[int, int | None, Gender | None]:
    """Return the index of the first token after titles, the offset of the title, and the gender that it implies."""
    tokens, lists = sentence.tokens, lexicon()
    last = last_word(tokens, at, stop)
    gender: Gender | None = None
    if stop - at > 1 and (tokens[last].low in lists.org_heads or any(t.low in ("of", "for") for t in tokens[at:stop])):
        return at, None, None
    begin = _after_office(sentence, at, stop, lists)
    while begin < stop and (tokens[begin].low in lists.titles or tokens[begin].text == "."):
        begin += 1
    for token in tokens[at:begin]:
        gender = gender_of_title(token.low) or gender
    title = tokens[at].start if begin > at else None
    if title is None and at > 0 and not at_start(tokens, at):
        before = at - 1
        if tokens[before].text == "." and before > 0:
            before -= 1
        if tokens[before].low in lists.titles or tokens[before].low in lists.roles:
            title = tokens[before].start
    return begin, title, gender


def _after_office(sentence: Sentence, at: int, stop: int, lists: Lexicon) -> int:
    """Return the index after an office (`Fisheries Minister`, `Acting Chief Constable`); ``at`` if there is none."""
    tokens = sentence.tokens
    given = lists.male | lists.female
    for index in range(stop - 2, at - 1, -1):
        low, after = tokens[index].low, tokens[index + 1].low
        if low not in lists.titles and low not in lists.roles:
            continue
        # In a headline any word can be capitalised, so only a first name shows that a name follows.
        plain = after in lists.cues or after in lists.common_words or (low not in lists.titles and stop - index < 3)
        if after in given or not (plain or sentence.headline):
            front = all(token.low not in given and len(token.text) > 1 for token in tokens[at:index])
            return index + 1 if front and tokens[index + 1].is_word else at
    return at


def _first_name(tokens: list[Token], begin: int, stop: int, lists: Lexicon) -> int:
    """Return the index of the first name, after offices and common words with capitals; ``begin`` if unknown."""
    given = lists.male | lists.female
    if tokens[begin].low in given:
        return begin
    for index in range(begin + 1, stop - 1):
        if tokens[index].low in given:
            front = [token.low for token in tokens[begin:index] if token.is_word]
            plain = lists.common_words | lists.titles | lists.roles | lists.org_heads | lists.prepositions | {"and"}
            return index if all(low in plain for low in front) else begin
    return begin
