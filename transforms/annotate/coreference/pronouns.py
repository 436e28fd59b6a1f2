"""Resolve third-person pronouns in running text."""

from typing import TypedDict

from transforms.annotate.coreference.candidates import PRONOUNS, add_mention, antecedent, coreference_candidates
from transforms.annotate.entities.clustering import find_entities
from transforms.annotate.model.tagger import tagger
from transforms.annotate.nlp.parsed_text import parse_text


class ResolvedPronoun(TypedDict):
    """A pronoun, ``text[start:end]``, and the fullest name of its person in the text."""

    start: int
    end: int
    name: str


def resolve_pronouns(text: str) -> list[ResolvedPronoun]:
    """Resolve ``he``, ``she``, ``him``, ``her``, ``his``, ``hers``, ``himself`` and ``herself``.

    The antecedent is a person named earlier, without evidence of another gender, chosen by the number of mentions and
    the distance. A resolved pronoun counts as a mention for later pronouns.

    Args:
        text: running text in English.

    Returns:
        The pronouns that could be resolved, in order; offsets are code points, end exclusive.
    """
    parsed = parse_text(text)
    (tagged,) = tagger().tag([parsed])
    entities = find_entities(text, parsed=parsed, tagged=tagged)
    candidates = coreference_candidates(parsed, entities)
    resolved: list[ResolvedPronoun] = []
    opening = 0
    for number, sentence in enumerate(parsed.sentences):
        if sentence.paragraph != parsed.sentences[opening].paragraph:
            opening = number
        for token in sentence.tokens:
            gender = PRONOUNS.get(token.low)
            candidate = antecedent(candidates, token.start, number, gender, opening=opening) if gender else None
            if candidate is not None:
                add_mention(candidate, token.start, number, token.low in ("he", "she"))
                name = entities[candidate.index].name
                resolved.append({"start": token.start, "end": token.end, "name": name})
    return resolved
