"""Speakers named by layout: labels before a turn (``Smith:``), a name signed behind a quotation, a line above it."""

from dataclasses import dataclass

from transforms.annotate.frames import Frame
from transforms.annotate.reading import Reading
from transforms.annotate.roles import is_role
from transforms.annotate.speakers import Speaker
from transforms.records import Entity, Span

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


def read_turns(reading: Reading, frames: list[Frame], entities: list[Entity]) -> list[Turn]:
    """The turns of a text in which at least two paragraphs begin with a speaker's label; none for any other text."""
    first: dict[int, int] = {}
    for number, frame in enumerate(frames):
        first.setdefault(frame.sentence.paragraph, number)
    turns: list[Turn] = []
    for paragraph, (_, end) in enumerate(reading.paragraphs):
        if paragraph not in first:
            continue
        number = first[paragraph]
        label = _label(frames[number], entities)
        if label is not None:
            index, entity = label
            tokens = frames[number].tokens
            start = tokens[index + 1].start if index + 1 < len(tokens) else end
            span = (tokens[0].start, tokens[index - 1].end)
            role = entities[entity].role if entity is not None else None
            turns.append(Turn(span, entity, role, [(start, end)] if start < end else [], [paragraph], number))
        elif turns and turns[-1].paragraphs[-1] == paragraph - 1:
            turns[-1].spans.append((frames[number].sentence.start, end))
            turns[-1].paragraphs.append(paragraph)
    return [turn for turn in turns if turn.spans] if len(turns) > 1 else []


def _label(frame: Frame, entities: list[Entity]) -> tuple[int, int | None] | None:
    """(index of the colon, the entity before it) when a sentence begins with a label and plain words follow."""
    for index, token in enumerate(frame.tokens[:MAX_LABEL]):
        if token.text != ":":
            continue
        if not index or frame.is_run(index + 1) or any(frame.is_run(i) for i in range(index)):
            return None
        owners = {owner for owner in frame.entity[:index] if owner >= 0}
        people = [owner for owner in owners if entities[owner].type == "PERSON"]
        if len(people) == 1 and all(
            frame.entity[i] in people
            or is_role(frame.tokens[i])
            or frame.tokens[i].is_capital
            or not frame.tokens[i].is_word
            for i in range(index)
        ):
            return index, people[0]
        return (index, None) if index == 1 and frame.low(0) in ("q", "a") else None
    return None


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
