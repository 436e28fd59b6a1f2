"""Names in running text: spans of capitalised words, judged by word lists and by what stands around them."""

from dataclasses import dataclass
from typing import Literal

from transforms.annotate.lexicon import Lexicon, lexicon
from transforms.annotate.reading import Reading, Sentence, starts_fresh
from transforms.annotate.words import Token
from transforms.records import EntityType

Gender = Literal["m", "f"]


@dataclass(slots=True)
class Name:
    """One mention of a name, without title, ``the`` and possessive."""

    start: int
    end: int
    type: EntityType
    words: tuple[str, ...]
    """The name's words as written, nickname in marks left out."""
    certainty: int
    """2: the type comes from a list, a title or the name's form; 1: from the words before it; 0: a guess."""
    gender: Gender | None = None
    title_start: int | None = None
    """Where the title before the name begins, when there is one."""
    sentence: int = 0


MAX_TOKENS = 14
"""A longer row of capitalised words is no name."""


def find_names(reading: Reading) -> list[Name]:
    """Every mention of a person, organisation, place or nationality, in order and not overlapping."""
    names: list[Name] = []
    for number, sentence in enumerate(reading.sentences):
        at = 0
        while at < len(sentence.tokens):
            stop = _sequence(reading, sentence, at)
            if stop > at:
                for name in _judge(reading, sentence, at, stop):
                    name.sentence = number
                    names.append(name)
            at = max(stop, at + 1)
    return names


def _sequence(reading: Reading, sentence: Sentence, at: int) -> int:
    """Where the run of capitalised words that begins at ``at`` ends; ``at`` itself when none does."""
    tokens, lists = sentence.tokens, lexicon()
    if not _is_name_word(reading, sentence, at):
        return at
    stop = at + 1
    while stop < min(len(tokens), at + MAX_TOKENS):
        token, before = tokens[stop], tokens[stop - 1]
        gap = reading.text[before.end : token.start]
        if "\n" in gap:
            break
        ahead = stop + 1 < len(tokens)
        if token.is_word and token.is_capital and before.is_word:
            if not _continues(reading, sentence, stop):
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
    if (
        token.text in "’'"
        and tokens[stop - 1].low.endswith("s")
        and after < len(tokens)
        and tokens[after].low in lists.org_heads
    ):
        return after + 1 if tokens[after].is_capital else stop
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


def _is_name_word(reading: Reading, sentence: Sentence, at: int) -> bool:
    """Whether a name may begin here."""
    tokens, lists = sentence.tokens, lexicon()
    token = tokens[at]
    if not token.is_word or not token.is_capital:
        return False
    low = token.low
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    capital_next = following is not None and following.is_word and following.is_capital
    if low in lists.function_words:
        first = low in lists.male or low in lists.female
        joined = following is not None and f"{low} {following.low}" in lists.places | lists.orgs
        return (
            joined
            or (first and capital_next and following is not None and following.low not in lists.function_words)
            or (low == "us" and token.text == "US")
        )
    if "'" in low and low.split("'")[-1] in ("t", "re", "ll", "ve", "m", "d"):
        return False
    if _is_initial(token):
        return following is not None and following.text == "." and at + 2 < len(tokens) and tokens[at + 2].is_capital
    if not sentence.headline and not starts_fresh(tokens, at):
        return True
    listed = low in lists.male or low in lists.female or low in lists.places or low in lists.orgs
    if listed or low in lists.nationalities or low in lists.titles or (token.text.isupper() and not sentence.headline):
        return True
    if reading.capital[low] > 0 or (low in lists.particles and _link(tokens, at, at) > at):
        return True
    if low in lists.common_words or reading.lower[low] > 0:
        return capital_next and not sentence.headline
    if sentence.headline:
        before = tokens[at - 1].low if at else ""
        return before in lists.titles or low in lists.org_heads
    if capital_next or following is None:
        return capital_next
    suffixed = low.endswith(("ing", "ly", "ed"))
    verb = following.low in lists.auxiliaries or following.low in lists.cues or following.low == "'s"
    return verb and not suffixed


def _continues(reading: Reading, sentence: Sentence, at: int) -> bool:
    """Whether a capitalised word after a name's word belongs to the same run."""
    token, before = sentence.tokens[at], sentence.tokens[at - 1]
    lists = lexicon()
    if token.low in lists.function_words:
        return before.low in (lists.male | lists.female) and token.low in ("may", "will", "march", "august")
    if sentence.headline:
        person = before.low in lists.male or before.low in lists.female or before.low in lists.titles
        verb = token.low in lists.cues and any(cue.form in ("third", "past") for _, cue in lists.cues[token.low])
        plain = token.low in lists.common_words and token.low not in lists.org_heads
        return not verb and not plain and (person or reading.capital[token.low] > 0 or token.low in lists.org_heads)
    return True


def _judge(reading: Reading, sentence: Sentence, at: int, stop: int) -> list[Name]:
    """The names in one run of capitalised words: known compounds first, then what is left of and right of them."""
    tokens, lists = sentence.tokens, lexicon()
    if stop - at == 1 and "-" in tokens[at].text and (pair := _hyphenated(tokens[at], lists)):
        return pair
    last = _last_word(tokens, at, stop)
    chain = any(token.low in ("of", "for", "&") for token in tokens[at:stop])
    headed = tokens[last].low in lists.org_heads and not _is_person_form(tokens, at, last, lists)
    whole_org = stop - at > 1 and (headed or (chain and any(t.low in lists.org_openers for t in tokens[at:stop])))
    if not whole_org:
        for first in range(at, stop):
            for end in range(min(stop, first + 4), first, -1):
                words = [token.low for token in tokens[first:end]]
                if (end - first > 1 or first > at or end < stop) and (kind := _known(words, tokens[first], lists)):
                    if end - first == 1 and (
                        _inside_person(tokens, first, at, stop, lists) or (kind == "ORG" and end < stop)
                    ):
                        continue
                    left = _judge(reading, sentence, at, first) if first > at else []
                    right = _judge(reading, sentence, end, stop) if end < stop else []
                    return [*left, _name(tokens, first, end, kind, 2), *right]
    begin, title_start, gender = _strip_titles(sentence, at, stop)
    if begin >= stop:
        return []
    kind_known = _type(reading, sentence, begin, stop, titled=title_start is not None)
    if kind_known is None:
        return []
    kind, certainty = kind_known
    if kind == "PERSON":
        begin = _first_name(tokens, begin, stop, lists)
        found = _name(tokens, begin, stop, kind, certainty)
        found.gender = gender or _gender(tokens[begin].low, lists)
        found.title_start = title_start
        return [found]
    return [_name(tokens, begin, stop, kind, certainty)]


def _hyphenated(token: Token, lists: Lexicon) -> list[Name]:
    """Two known names that a hyphen joins, as in Russia-US; nothing for any other word."""
    names, at = [], token.start
    for part in token.text.split("-"):
        kind = _known([part.lower()], Token(at, at + len(part), part, part.lower(), True), lists)
        if kind is None:
            return []
        names.append(Name(at, at + len(part), kind, (part,), 2))
        at += len(part) + 1
    return names


def _known(words: list[str], first: Token, lists: Lexicon) -> EntityType | None:
    joined = " ".join(words)
    if joined in lists.nationalities:
        return "NORP"
    if joined in lists.places:
        return None if joined == "us" and first.text != "US" else "LOC"
    return "ORG" if joined in lists.orgs else None


def _inside_person(tokens: list[Token], index: int, at: int, stop: int, lists: Lexicon) -> bool:
    """A place's word that is part of a person's name: Jordan Weisz, Ruth London."""
    given = lists.male | lists.female
    if tokens[index].low in lists.nationalities and index + 1 < stop:
        return False
    if index > at and tokens[index - 1].low in given | lists.titles:
        return tokens[index].low not in lists.nationalities or tokens[index - 1].low in given
    after = tokens[index + 1].low if index + 1 < stop else ""
    return tokens[index].low in given and bool(after) and after not in lists.titles | lists.common_words


def _is_person_form(tokens: list[Token], at: int, last: int, lists: Lexicon) -> bool:
    return tokens[at].low in ("mr", "mrs", "ms", "dr", "sir") or (
        last - at == 1
        and tokens[at].low in lists.male | lists.female
        and tokens[last].low in ("house", "street", "rail", "bank")
    )


def _strip_titles(sentence: Sentence, at: int, stop: int) -> tuple[int, int | None, Gender | None]:
    """Leave out titles at the front: (first word of the name, where the title begins, the gender that it tells)."""
    tokens, lists = sentence.tokens, lexicon()
    last = _last_word(tokens, at, stop)
    gender: Gender | None = None
    if stop - at > 1 and (tokens[last].low in lists.org_heads or any(t.low in ("of", "for") for t in tokens[at:stop])):
        return at, None, None
    begin = at
    while begin < stop and (tokens[begin].low in lists.titles or tokens[begin].text == "."):
        low = tokens[begin].low
        gender = "m" if low in lists.male_words else "f" if low in lists.female_words else gender
        begin += 1
    title = tokens[at].start if begin > at else None
    if title is None and at > 0 and not starts_fresh(tokens, at):
        before = at - 1
        if tokens[before].text == "." and before > 0:
            before -= 1
        if tokens[before].low in lists.titles or tokens[before].low in lists.roles:
            title = tokens[before].start
    return begin, title, gender


def _type(reading: Reading, sentence: Sentence, begin: int, stop: int, titled: bool) -> tuple[EntityType, int] | None:
    """What the words ``begin:stop`` name, and how certain that is; None when they name nothing."""
    tokens, lists = sentence.tokens, lexicon()
    words = [token for token in tokens[begin:stop] if token.is_word]
    before = tokens[begin - 1].low if begin else ""
    first, last = words[0].low, words[-1].low
    if len(words) == 1:
        return _type_of_one(reading, sentence, begin, stop, titled)
    given = lists.male | lists.female
    if any(t.low in ("of", "for", "&") for t in tokens[begin:stop]) and any(t.low in lists.org_openers for t in words):
        return "ORG", 2
    person_form = _is_person_form(tokens, begin, _last_word(tokens, begin, stop), lists)
    if last in lists.org_heads and not person_form and not (first in given and last not in _SURE_HEADS):
        return "ORG", 2
    if last in lists.place_heads and first not in given and not titled:
        return "LOC", 2
    if titled or first in given or last in lists.suffixes:
        return "PERSON", 2
    proper = [t for t in words if t.is_capital and t.low not in lists.particles]
    plain = sum(t.low in lists.common_words or t.low in lists.months or reading.lower[t.low] > 1 for t in proper)
    if any(t.low in given for t in words[1:-1]) and plain:
        return "PERSON", 2
    if plain or last in lists.roles or last in lists.titles:
        return None
    if any(t.text.isupper() and len(t.text) > 2 for t in words) and not sentence.headline:
        return "ORG", 1
    if before == "the":
        return ("ORG", 1) if last.endswith("s") else None
    if before in _PLACE_PREPOSITIONS and not tokens[stop - 1].low.endswith("son"):
        return "LOC", 1
    return "PERSON", 1 if len(words) < 4 else 0


def _type_of_one(
    reading: Reading, sentence: Sentence, begin: int, stop: int, titled: bool
) -> tuple[EntityType, int] | None:
    tokens, lists = sentence.tokens, lexicon()
    token = tokens[begin]
    low = token.low
    before = tokens[begin - 1].low if begin else ""
    after = tokens[stop].low if stop < len(tokens) else ""
    if kind := _known([low], token, lists):
        if titled and kind == "LOC" and before in lists.male_words | lists.female_words:
            return "PERSON", 2
        return kind, 2
    if titled and low not in lists.roles and low not in lists.titles and low not in lists.common_words:
        return "PERSON", 2
    if low in lists.not_names or low in lists.months or low in lists.titles:
        return None
    letters = token.text.replace(".", "").replace("-", "")
    if letters.isupper() and letters.isalpha() and 2 <= len(letters) <= 6 and not sentence.headline:
        return "ORG", 2 if len(letters) > 2 else 1
    if low in lists.male or low in lists.female:
        return "PERSON", 2
    fresh = starts_fresh(tokens, begin)
    if low in lists.common_words or low in lists.roles or low in lists.org_heads or low in lists.place_heads:
        return None
    if reading.lower[low] and (fresh or reading.lower[low] > reading.capital[low]):
        return None
    if before in _PLACE_PREPOSITIONS:
        return "LOC", 1
    if before == "at" or (before == "the" and low.endswith(("s", "men"))):
        return "ORG", 1
    if before == "the" or (after not in ("'s", ",", ".") and after.isalpha() and before in ("a", "an")):
        return None
    said = after in lists.cues and any(cue.form in ("past", "third") for _, cue in lists.cues[after])
    return "PERSON", 1 if said else 0


_PLACE_PREPOSITIONS = frozenset({"in", "near", "across", "throughout", "outside", "toward", "towards"})
# Last words that make an organisation even after a first name: Johns Hopkins Hospital, Victoria University.
_SURE_HEADS = frozenset(
    {"university", "college", "foundation", "hospital", "institute", "inc", "ltd", "llc", "plc", "campaign", "council"}
    | {"company", "party", "association", "group", "school", "museum", "club", "society", "trust", "administration"}
)


def _first_name(tokens: list[Token], begin: int, stop: int, lists: Lexicon) -> int:
    """Where the person's own name begins: after offices and common words that stand in capitals before it."""
    given = lists.male | lists.female
    if tokens[begin].low in given:
        return begin
    for index in range(begin + 1, stop - 1):
        if tokens[index].low in given:
            front = [token.low for token in tokens[begin:index] if token.is_word]
            plain = lists.common_words | lists.titles | lists.roles | lists.org_heads | lists.prepositions | {"and"}
            return index if all(low in plain for low in front) else begin
    return begin


def _gender(low: str, lists: Lexicon) -> Gender | None:
    low = low.split("-")[0]
    male, female = low in lists.male, low in lists.female
    return None if male == female else "m" if male else "f"


def _last_word(tokens: list[Token], at: int, stop: int) -> int:
    last = stop - 1
    while last > at and not tokens[last].is_word:
        last -= 1
    return last


def _name(tokens: list[Token], begin: int, stop: int, kind: EntityType, certainty: int) -> Name:
    words: list[str] = []
    marked = False
    for token in tokens[begin:stop]:
        if token.text in '“”"‘' or (token.text == "'" and not words[-1:][0].endswith("s")):
            marked = not marked
        elif not marked and token.text in ".,’'":
            words[-1] += token.text if token.text != "," else ""
        elif not marked:
            words.append(token.text)
    return Name(tokens[begin].start, tokens[stop - 1].end, kind, tuple(words), certainty)
