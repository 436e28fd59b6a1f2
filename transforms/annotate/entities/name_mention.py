"""A mention of a name before clustering, shared by the model and the rules."""

from dataclasses import dataclass, field

from transforms.annotate.entities.titles import Gender
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import EntityType


@dataclass(slots=True)
class NameMention:
    """One mention of a name, without title, ``the`` and possessive. Offsets are code points, end exclusive."""

    start: int
    end: int
    type: EntityType
    words: tuple[str, ...]
    """The words of the name as written, without a nickname in quotation marks."""
    certainty: int
    """2: the type is certain; 1: probable; 0: a guess; -1: the mention counts only if the name occurs elsewhere."""
    gender: Gender | None = None
    title_start: int | None = None
    """Offset of the title before the name; None if there is no title."""
    sentence: int = 0
    """Index of the sentence."""
    is_plural: bool = False
    """The surname denotes several persons: the Arroyo brothers."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """The probability of each entity type by the model; empty for a mention found by rules."""


def name_words(tokens: list[Token]) -> tuple[str, ...]:
    """Return the words of a name: final marks stay with their word (``Jr.``), nicknames in marks are left out."""
    words: list[str] = []
    in_nickname = False
    for token in tokens:
        if words and (token.text in '“”"‘' or (token.text == "'" and not words[-1].endswith("s"))):
            in_nickname = not in_nickname
        elif words and not in_nickname and token.low in (".", ",", "’", "'", "'s"):
            words[-1] += token.text if token.text != "," else ""
        elif not in_nickname:
            words.append(token.text)
    return tuple(words)
