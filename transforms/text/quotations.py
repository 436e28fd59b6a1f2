"""Join the fragments of a quotation, decide how it is shown, and tell reported speech from attitudes."""

import re
from collections.abc import Iterable

from transforms.schema.records import CueClass, QuoteKind, Span

OMISSION = " … "
"""Separator of two fragments if the text between them contains words."""
SPEECH_CUES: tuple[CueClass, ...] = ("said", "wrote", "asked", "according_to")
"""Cue classes of reported speech; the others report a belief, an intention or another attitude."""

_MARKS = re.compile(r"[\"'“”„‟‘’‚‛«»‹›「」『』＂]")


def join_fragments(text: str, spans: Iterable[Span]) -> str:
    """Return the content of a quotation: its fragments in the order of the spans, joined by punctuation or `OMISSION`.

    Punctuation and white space between two fragments stay, without quotation marks and line breaks: “We pay.” “We
    leave.” is one statement of two sentences. If the text between two fragments contains words or digits, such as
    ``she said``, `OMISSION` replaces it.

    Args:
        text: the text of the article.
        spans: the fragments.
    """
    joined = ""
    last: int | None = None
    for start, end in spans:
        if last is not None:
            joined += _between(text[last:start])
        joined += text[start:end]
        last = end
    return joined


def _between(gap: str) -> str:
    if any(char.isalnum() for char in gap):
        return OMISSION
    kept = re.sub(r"\s+", " ", _MARKS.sub("", gap))
    return kept or (" " if gap else "")


def as_shown(text: str, kind: QuoteKind) -> str:
    """Return a quotation as readers see it.

    Direct speech is in quotation marks. Mixed speech keeps the marks of the article. Indirect speech has none, because
    the words are the journalist's. The macro ``quotation`` of ``pipeline/lake/query/views`` does the same in SQL.

    Args:
        text: the column ``text``.
        kind: the column ``kind``.
    """
    return f"“{text}”" if kind == "direct" else text


def is_speech(kind: QuoteKind, cue_class: CueClass | None) -> bool:
    """Return whether a quotation reports what somebody said or wrote, not what they believe, intend or feel.

    A direct quotation is always speech; another one is if it has no cue or a cue class of `SPEECH_CUES`. The macro
    ``is_speech`` of ``pipeline/lake/query/views`` does the same in SQL.

    Args:
        kind: the column ``kind``.
        cue_class: the column ``cue_class``.
    """
    return kind == "direct" or cue_class is None or cue_class in SPEECH_CUES
