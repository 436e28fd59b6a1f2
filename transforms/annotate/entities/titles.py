"""Recognise titles before names, and the gender that a title or a first name implies."""

from typing import Literal

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import Sentence

Gender = Literal["m", "f"]


def gender_of_title(low: str) -> Gender | None:
    """Return the gender of a title or role (``mrs``, ``spokesman``), in lower case; None if it implies none."""
    lists = lexicon()
    return "m" if low in lists.male_words else "f" if low in lists.female_words else None


def gender_of_first_name(low: str) -> Gender | None:
    """Return the gender of a first name in lower case; None if it is unknown or used for both."""
    low = low.split("-")[0]
    male, female = low in lexicon().male, low in lexicon().female
    return None if male == female else "m" if male else "f"


def title_before(sentence: Sentence, start: int, title_start: int | None = None) -> tuple[int | None, Gender | None]:
    """Return the offset of the title before a name, and the gender that the title implies.

    Args:
        sentence: the sentence of the name.
        start: the offset of the name, in code points.
        title_start: the offset of a title that is already known.
    """
    tokens, lists = sentence.tokens, lexicon()
    at = next((index for index, token in enumerate(tokens) if token.end > start), len(tokens)) - 1
    if title_start is not None:
        at = next((index for index, token in enumerate(tokens) if token.start >= title_start), at)
    if at > 0 and tokens[at].text == ".":
        at -= 1
    if at < 0 or (tokens[at].low not in lists.titles and tokens[at].low not in lists.roles):
        return title_start, None
    return tokens[at].start, gender_of_title(tokens[at].low)
