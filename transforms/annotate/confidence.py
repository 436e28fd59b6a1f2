"""How sure a quotation's speaker is, as a probability."""

from transforms.annotate.drafts import Draft
from transforms.records import QuoteKind, SpeakerMethod

# How often the source is right where the content is, by how the speaker was found: shares on the development set.
_BY_METHOD: dict[SpeakerMethod, float] = {
    "named": 0.85,
    "surname": 0.95,
    "label": 0.95,
    "pronoun": 0.92,
    "role": 0.8,
    "carried_over": 0.5,
    "none": 0.1,
}
_BY_KIND: dict[QuoteKind, float] = {"direct": 1.0, "mixed": 0.95, "indirect": 0.95}


def confidence(draft: Draft) -> float:
    """The probability that the speaker is right, two digits."""
    return round(_BY_METHOD[draft.speaker.method] * _BY_KIND[draft.kind], 2)
