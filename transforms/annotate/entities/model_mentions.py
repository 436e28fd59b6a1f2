"""Turn entity spans of the model into name mentions, without titles and articles."""

import re
from bisect import bisect_right

from transforms.annotate.entities.boundaries import correct_boundaries
from transforms.annotate.entities.name_mention import NameMention, name_words
from transforms.annotate.entities.titles import Gender, gender_of_first_name, title_before
from transforms.annotate.entities.type_resolution import resolve_types
from transforms.annotate.model.tagger import Tagged, TaggedSpan
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence
from transforms.annotate.nlp.tokens import Token, tokenize
from transforms.schema.records import EntityType

CERTAIN = 0.6
"""Minimum probability of a type that counts as certain."""
MIN_PROBABILITY = 0.4
"""Minimum probability of a mention."""


def tagged_names(parsed: ParsedText, tagged: Tagged) -> list[NameMention]:
    """Return the mentions of names that the model found, in order, without overlap.

    Args:
        parsed: the text.
        tagged: the output of the model.
    """
    starts = [sentence.start for sentence in parsed.sentences]
    words = tagged.words
    names: list[NameMention] = []
    for span in tagged.entities:
        start, end = int(words.starts[span.start]), int(words.ends[span.stop - 1])
        number = bisect_right(starts, start) - 1
        if span.probability >= MIN_PROBABILITY:
            name = _name(parsed, parsed.sentences[number], start, end, span)
            if name is not None:
                name.sentence = number
                names.append(name)
    found = resolve_types(parsed, correct_boundaries(parsed, names))
    for name in found:
        name.is_plural = (
            name.type == "PERSON" and len(name.words) == 1 and bool(_PLURAL_NOUN.match(parsed.text, name.end))
        )
    return found


_PLURAL_NOUN = re.compile(r"[^\S\n](?:brothers|sisters|siblings|twins|family|couple|cousins|boys|girls)\b")


def _name(parsed: ParsedText, sentence: Sentence, start: int, end: int, span: TaggedSpan) -> NameMention | None:
    tokens = tokenize(parsed.text, start, end)
    entity_type: EntityType = span.label  # type: ignore[assignment]
    title: int | None = None
    lists = lexicon()
    # A capitalised article belongs to the name: The Spectator.
    while len(tokens) > 1 and tokens[0].text != "The" and (tokens[0].low in ("the", "'s") or not _can_begin(tokens[0])):
        tokens = tokens[1:]
    if entity_type == "PERSON":
        while len(tokens) > 1 and (tokens[0].low in _FORMS_OF_ADDRESS or tokens[0].text == "."):
            title = tokens[0].start if title is None else title
            tokens = tokens[1:]
    while len(tokens) > 1 and not _can_end(tokens):
        tokens = tokens[:-1]
    if len(tokens) == 1 and tokens[0].low in lists.pronouns and tokens[0].text != "US":
        return None
    if not any(token.is_word and token.low != "'s" for token in tokens):
        return None
    gender: Gender | None = None
    if entity_type == "PERSON":
        title, gender = title_before(sentence, tokens[0].start, title)
        gender = gender or gender_of_first_name(tokens[0].low)
    certainty = 2 if span.probability >= CERTAIN else 1
    return NameMention(
        tokens[0].start,
        tokens[-1].end,
        entity_type,
        name_words(tokens),
        certainty,
        gender,
        title,
        probabilities=span.probabilities,
    )


_FORMS_OF_ADDRESS = frozenset("mr mrs ms miss mx dr prof".split())


def _can_begin(token: Token) -> bool:
    return token.is_word or token.text in "'’\"“#@("


def _can_end(tokens: list[Token]) -> bool:
    last = tokens[-1]
    has_opener = any(token.text in "(\"“'‘" for token in tokens[:-1])
    return last.is_word or last.text in ".!?+'’" or last.low == "'s" or (last.text in ')"”' and has_opener)
