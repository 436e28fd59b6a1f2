"""Where a person's own name begins: behind titles, offices and what else stands in capitals before it."""

from typing import Literal

from transforms.annotate.entities.rule_types import last_word
from transforms.annotate.nlp.lexicon import Lexicon, lexicon
from transforms.annotate.nlp.parsed_text import Sentence, at_start
from transforms.annotate.nlp.tokens import Token

Gender = Literal["m", "f"]


def strip_titles(sentence: Sentence, at: int, stop: int) -> tuple[int, int | None, Gender | None]:
    """Leave out titles at the front: (first word of the name, where the title begins, the gender that it tells)."""
    tokens, lists = sentence.tokens, lexicon()
    last = last_word(tokens, at, stop)
    gender: Gender | None = None
    if stop - at > 1 and (tokens[last].low in lists.org_heads or any(t.low in ("of", "for") for t in tokens[at:stop])):
        return at, None, None
    begin = _behind_office(sentence, at, stop, lists)
    while begin < stop and (tokens[begin].low in lists.titles or tokens[begin].text == "."):
        begin += 1
    for token in tokens[at:begin]:
        gender = "m" if token.low in lists.male_words else "f" if token.low in lists.female_words else gender
    title = tokens[at].start if begin > at else None
    if title is None and at > 0 and not at_start(tokens, at):
        before = at - 1
        if tokens[before].text == "." and before > 0:
            before -= 1
        if tokens[before].low in lists.titles or tokens[before].low in lists.roles:
            title = tokens[before].start
    return begin, title, gender


def _behind_office(sentence: Sentence, at: int, stop: int, lists: Lexicon) -> int:
    """Past an office or trade (`Fisheries Minister`, `Acting Chief Constable`); ``at`` when there is none."""
    tokens = sentence.tokens
    given = lists.male | lists.female
    for index in range(stop - 2, at - 1, -1):
        low, after = tokens[index].low, tokens[index + 1].low
        if low not in lists.titles and low not in lists.roles:
            continue
        # In a headline any word may stand in capitals, so that only a first name shows that a name follows.
        plain = after in lists.cues or after in lists.common_words or (low not in lists.titles and stop - index < 3)
        if after in given or not (plain or sentence.headline):
            front = all(token.low not in given and len(token.text) > 1 for token in tokens[at:index])
            return index + 1 if front and tokens[index + 1].is_word else at
    return at


def first_name(tokens: list[Token], begin: int, stop: int, lists: Lexicon) -> int:
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


def gender_of_first(low: str, lists: Lexicon) -> Gender | None:
    low = low.split("-")[0]
    male, female = low in lists.male, low in lists.female
    return None if male == female else "m" if male else "f"
