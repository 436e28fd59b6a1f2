"""The model's names as mentions: without titles, with what title and first name tell of gender."""

import re
from bisect import bisect_right

from transforms.annotate.entities.boundaries import correct_boundaries
from transforms.annotate.entities.rule_mentions import NameMention, joined_words
from transforms.annotate.entities.titles import Gender, gender_of_first
from transforms.annotate.entities.type_resolution import resolve_types
from transforms.annotate.model.tagger import Tagged, TaggedSpan
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import Token, tokenize
from transforms.schema.records import EntityType

SURE = 0.6
"""The probability from which a mention's type is certain."""
LEAST = 0.4
"""Below it a span is no name."""


def tagged_names(parsed: ParsedText, tagged: Tagged) -> list[NameMention]:
    """Every mention of a name that the model sees, in order and not overlapping."""
    starts = [sentence.start for sentence in parsed.sentences]
    words = tagged.words
    names: list[NameMention] = []
    for part in tagged.entities:
        start, end = int(words.starts[part.start]), int(words.ends[part.stop - 1])
        number = bisect_right(starts, start) - 1
        if part.probability >= LEAST:
            name = _name(parsed, parsed.sentences[number], start, end, part)
            if name is not None:
                name.sentence = number
                names.append(name)
    found = resolve_types(parsed, correct_boundaries(parsed, names))
    for name in found:
        name.is_plural = name.type == "PERSON" and len(name.words) == 1 and bool(_SEVERAL.match(parsed.text, name.end))
    return found


_SEVERAL = re.compile(r"[^\S\n](?:brothers|sisters|siblings|twins|family|couple|cousins|boys|girls)\b")


def _name(parsed: ParsedText, sentence: Sentence, start: int, end: int, part: TaggedSpan) -> NameMention | None:
    tokens = tokenize(parsed.text, start, end)
    kind: EntityType = part.label  # type: ignore[assignment]
    title: int | None = None
    lists = lexicon()
    # With a capital the article belongs to the name: The Spectator.
    while len(tokens) > 1 and tokens[0].text != "The" and (tokens[0].low in ("the", "'s") or not _opens(tokens[0])):
        tokens = tokens[1:]
    if kind == "PERSON":
        while len(tokens) > 1 and (tokens[0].low in _ADDRESS or tokens[0].text == "."):
            title = tokens[0].start if title is None else title
            tokens = tokens[1:]
    while len(tokens) > 1 and not _closes(tokens):
        tokens = tokens[:-1]
    if len(tokens) == 1 and tokens[0].low in lists.pronouns and tokens[0].text != "US":
        return None
    if not any(token.is_word and token.low != "'s" for token in tokens):
        return None
    gender: Gender | None = None
    if kind == "PERSON":
        title, gender = _titled(sentence, tokens[0].start, title)
        gender = gender or gender_of_first(tokens[0].low, lists)
    certainty = 2 if part.probability >= SURE else 1
    return NameMention(
        tokens[0].start,
        tokens[-1].end,
        kind,
        joined_words(tokens),
        certainty,
        gender,
        title,
        probabilities=part.probabilities,
    )


_ADDRESS = frozenset("mr mrs ms miss mx dr prof".split())


def _opens(token: Token) -> bool:
    return token.is_word or token.text in "'’\"“#@("


def _closes(tokens: list[Token]) -> bool:
    last = tokens[-1]
    marked = any(token.text in "(\"“'‘" for token in tokens[:-1])
    return last.is_word or last.text in ".!?+'’" or last.low == "'s" or (last.text in ')"”' and marked)


def _titled(sentence: Sentence, start: int, title: int | None) -> tuple[int | None, Gender | None]:
    """Where the title before a name begins, and the gender that it tells."""
    lists = lexicon()
    at = next((index for index, token in enumerate(sentence.tokens) if token.end > start), len(sentence.tokens)) - 1
    if title is not None:
        at = next((index for index, token in enumerate(sentence.tokens) if token.start >= title), at)
    if at > 0 and sentence.tokens[at].text == ".":
        at -= 1
    if at < 0 or (sentence.tokens[at].low not in lists.titles and sentence.tokens[at].low not in lists.roles):
        return title, None
    low = sentence.tokens[at].low
    gender: Gender | None = "m" if low in lists.male_words else "f" if low in lists.female_words else None
    return sentence.tokens[at].start, gender
