"""Mentions of names as the model would find them."""

from collections.abc import Sequence

from transforms.annotate.entities.name_mention import NameMention, name_words
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.tokens import tokenize
from transforms.schema.records import EntityType

Named = tuple[str, EntityType] | tuple[str, EntityType, dict[str, float]]
"""The words of a mention, its type, and optionally the probability of each type."""


def name_mentions(parsed: ParsedText, named: Sequence[Named], *, sentence: int | None = None) -> list[NameMention]:
    """Return mentions at the next occurrence of the words of each.

    Args:
        parsed: the text.
        named: the mentions, in order.
        sentence: the index of their sentence; None to look it up for each mention.
    """
    names, end = [], 0
    for form, entity_type, *probabilities in named:
        start = parsed.text.index(form, end)
        end = start + len(form)
        number = sentence
        if number is None:
            number = next(n for n, s in enumerate(parsed.sentences) if s.start <= start < s.end)
        words = name_words(tokenize(parsed.text, start, end))
        given = dict(probabilities[0]) if probabilities else {str(entity_type): 0.99}
        names.append(NameMention(start, end, entity_type, words, 2, sentence=number, probabilities=given))
    return names
