"""Speakers named by layout: labels before a turn (``Smith:``), a name signed behind a quotation, a line above it."""

import re
from collections import Counter
from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.quotes.sentence_view import Frame
from transforms.annotate.quotes.speaker_resolver import Speaker
from transforms.schema.records import Entity, Span

MAX_LABEL = 8
SIGNATURE_MARKS = frozenset("–—-:~―") | {"--"}
"""What stands between a quotation and the name signed behind it."""


@dataclass(slots=True)
class Turn:
    """One turn of an interview or transcript: a label and the paragraphs that follow it."""

    label: Span
    entity: int | None
    role: str | None
    spans: list[Span]
    paragraphs: list[int]
    frame: int


def read_turns(reading: ParsedText, frames: list[Frame], entities: list[Entity]) -> list[Turn]:
    """The turns of an interview or transcript; none for any other text.

    A paragraph that begins with a label opens a turn. A person's name, ``Q`` and ``A`` are labels; other words in
    capitals (the paper's name) are one when they stand there at least twice, beside other labels. ``A`` and initials
    stand for the one person whom they can mean. A turn's later paragraphs belong to it, but behind the last label only
    those in the first person.
    """
    opening = _label_paragraphs(reading, frames, entities)
    if len(opening) < 2:
        return []
    first = min(label.start for label in opening.values())
    meant = _abbreviations([e for e in enumerate(entities) if e[1].type == "PERSON" and e[1].first_start < first])
    turns: list[Turn] = []
    last = max(opening)
    for paragraph, (start, end) in enumerate(reading.paragraphs):
        label = opening.get(paragraph)
        if label is not None:
            entity = label.entity if label.entity is not None else meant.get(label.words.replace(".", ""))
            role = entities[entity].role if entity is not None else None
            spans = [(label.begins, end)] if label.begins < end else []
            turns.append(Turn((label.start, label.stop), entity, role, spans, [paragraph], label.frame))
            continue
        goes_on = paragraph < last or _OWN_VOICE.search(reading.text, start, end)
        if turns and goes_on and turns[-1].paragraphs[-1] == paragraph - 1:
            turns[-1].spans.append((start, end))
            turns[-1].paragraphs.append(paragraph)
    return [turn for turn in turns if turn.spans]


_OWN_VOICE = re.compile(r"\b(?:I|[Ww]e|[Mm]y|[Oo]ur)\b")


@dataclass(slots=True)
class _Label:
    """``words`` from ``start`` to ``stop`` before a colon; the turn's words begin at ``begins``."""

    words: str
    start: int
    stop: int
    begins: int
    entity: int | None
    frame: int
    sure: bool


def _label_paragraphs(reading: ParsedText, frames: list[Frame], entities: list[Entity]) -> dict[int, _Label]:
    """The paragraphs that begin with a label, each with its label."""
    found: dict[int, _Label] = {}
    seen: set[int] = set()
    for number, frame in enumerate(frames):
        paragraph = frame.sentence.paragraph
        if paragraph not in seen and (label := _label(reading, number, frame, entities)):
            found[paragraph] = label
        seen.add(paragraph)
    counts = Counter(label.words for label in found.values())
    kept = {at: label for at, label in found.items() if label.sure or counts[label.words] > 1}
    several = len({label.words for label in kept.values()}) > 1
    named = any(label.entity is not None or len(label.words) < 3 for label in kept.values())
    return kept if any(label.sure for label in kept.values()) or (several and named) else {}


def _label(reading: ParsedText, number: int, frame: Frame, entities: list[Entity]) -> _Label | None:
    """The label that a sentence begins with: words in capitals, a colon, plain words."""
    index = next((i for i, token in enumerate(frame.tokens[:MAX_LABEL]) if token.text == ":"), 0)
    if not index or frame.is_run(index + 1) or any(frame.is_run(i) for i in range(index)):
        return None
    owners = {owner for owner in frame.entity[:index] if owner >= 0}
    people = [owner for owner in owners if entities[owner].type == "PERSON"]
    named = [owner for owner in owners if entities[owner].type in ("PERSON", "ORG")]
    words = frame.tokens[:index]
    if not all(
        owner in people or is_role(token) or token.is_capital or not token.is_word
        for token, owner in zip(words, frame.entity, strict=False)
    ):
        return None
    after = frame.tokens[index + 1].start if index + 1 < len(frame.tokens) else frame.sentence.end
    text = reading.text[words[0].start : words[-1].end].casefold()
    initials = index == 1 and words[0].text.isupper() and len(text) < 3
    entity = people[0] if len(people) == 1 else named[0] if len(named) == 1 and not initials else None
    sure = len(people) == 1 or text in ("q", "a")
    return _Label(text, words[0].start, words[-1].end, after, entity, number, sure)


def _abbreviations(introduced: list[tuple[int, Entity]]) -> dict[str, int]:
    """``a`` and initials -> the person they stand for; only where no other person could be meant."""
    meant: dict[str, list[int]] = {"a": [index for index, _ in introduced]}
    for index, person in introduced:
        letters = "".join(word[0] for word in person.name.casefold().split())
        if len(letters) > 1:
            meant.setdefault(letters, []).append(index)
    return {letters: indices[0] for letters, indices in meant.items() if len(indices) == 1}


def signed_by(frames: list[Frame], entities: list[Entity], number: int, index: int) -> Speaker | None:
    """The speaker whom layout names for a run at ``frames[number].tokens[index]``.

    A label with a colon before it, a name signed after a dash or colon behind it (on the same line or the next), or a
    line above that ends with a colon or begins with ``From``.
    """
    frame = frames[number]
    if frame.low(index - 1) == ":" and 1 < index <= MAX_LABEL and frame.entity[index - 2] >= 0:
        owner = frame.entity[index - 2]
        start = frame.entity.index(owner)
        if all(is_role(token) or token.is_capital for token in frame.tokens[:start]):
            return Speaker(
                (frame.tokens[start].start, frame.tokens[index - 2].end), owner, "label", entities[owner].role
            )
    signature = None
    if index + 1 < len(frame.tokens):
        signature = _signature(frame, index + 1, entities)
    elif number + 1 < len(frames) and frames[number + 1].sentence.paragraph - frame.sentence.paragraph <= 1:
        signature = _signature(frames[number + 1], 0, entities)
    return signature or _line_above(frames, number, index, entities)


def _signature(frame: Frame, at: int, entities: list[Entity]) -> Speaker | None:
    if frame.low(at) not in SIGNATURE_MARKS or len(frame.tokens) - at > 16:
        return None
    owner = next((frame.entity[i] for i in range(at + 1, len(frame.tokens)) if frame.entity[i] >= 0), -1)
    if owner < 0 or frame.entity.index(owner) - at > 5 or frame.hits:
        return None
    start = frame.tokens[at + 1].start
    last = max(i for i, entity in enumerate(frame.entity) if entity == owner)
    return Speaker((start, frame.tokens[last].end), owner, "label", entities[owner].role)


def _line_above(frames: list[Frame], number: int, index: int, entities: list[Entity]) -> Speaker | None:
    if index or not number:
        return None
    above = frames[number - 1]
    colon = above.tokens[-1].text == ":"
    letterhead = above.low(0) == "from" and above.tokens[-1].text not in ".!?"
    if not (colon or letterhead) or above.sentence.paragraph == frames[number].sentence.paragraph:
        return None
    owners = [i for i, owner in enumerate(above.entity) if owner >= 0 and entities[owner].type == "PERSON"]
    if not owners:
        return None
    owner = above.entity[owners[-1] if colon else owners[0]]
    places = [i for i in owners if above.entity[i] == owner]
    return Speaker((above.tokens[places[0]].start, above.tokens[places[-1]].end), owner, "label", entities[owner].role)
