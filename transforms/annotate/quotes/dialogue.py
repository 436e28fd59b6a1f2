"""Find speakers given by the layout: labels (``Smith:``), signatures after a quotation, lines above it."""

import re
from collections import Counter
from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.quotes.sentence_view import SentenceView
from transforms.annotate.quotes.speaker_resolver import Speaker
from transforms.schema.records import Entity, Span

MAX_LABEL = 8
"""Maximum length of a label, in tokens."""
SIGNATURE_MARKS = frozenset("–—-:~―") | {"--"}
"""Maximum number of tokens between a quotation and the signature after it."""


@dataclass(slots=True)
class DialogueTurn:
    """A turn of an interview or a transcript: a dialogue label and the paragraphs that follow it."""

    label: Span
    entity: int | None
    role: str | None
    spans: list[Span]
    paragraphs: list[int]
    sentence: int
    """Index of the sentence with the label."""


def dialogue_turns(parsed: ParsedText, views: list[SentenceView], entities: list[Entity]) -> list[DialogueTurn]:
    """Return the turns of an interview or a transcript; an empty list for any other text.

    A turn starts with a paragraph that begins with a label and includes the paragraphs up to the next label; after the
    last label, only paragraphs in the first person. A person's name, ``Q`` and ``A`` are labels. Other capitalised
    words, such as the name of the newspaper, are a label if they occur at least twice and the text has other labels.
    ``A`` and initials are resolved to a person if only one person matches.
    """
    opening = _label_paragraphs(parsed, views, entities)
    if len(opening) < 2:
        return []
    first = min(label.start for label in opening.values())
    persons = _abbreviations([e for e in enumerate(entities) if e[1].type == "PERSON" and e[1].first_start < first])
    turns: list[DialogueTurn] = []
    last = max(opening)
    for paragraph, (start, end) in enumerate(parsed.paragraphs):
        label = opening.get(paragraph)
        if label is not None:
            entity = label.entity if label.entity is not None else persons.get(label.words.replace(".", ""))
            role = entities[entity].role if entity is not None else None
            spans = [(label.speech_start, end)] if label.speech_start < end else []
            turns.append(DialogueTurn((label.start, label.stop), entity, role, spans, [paragraph], label.sentence))
            continue
        continues = paragraph < last or _FIRST_PERSON.search(parsed.text, start, end)
        if turns and continues and turns[-1].paragraphs[-1] == paragraph - 1:
            turns[-1].spans.append((start, end))
            turns[-1].paragraphs.append(paragraph)
    return [turn for turn in turns if turn.spans]


_FIRST_PERSON = re.compile(r"\b(?:I|[Ww]e|[Mm]y|[Oo]ur)\b")


@dataclass(slots=True)
class _Label:
    """A dialogue label before a colon. Offsets are code points into the text."""

    words: str
    """The label, case folded."""
    start: int
    stop: int
    speech_start: int
    entity: int | None
    sentence: int
    certain: bool
    """Whether a single occurrence makes it a label: a person's name, ``Q`` or ``A``."""


def _label_paragraphs(parsed: ParsedText, views: list[SentenceView], entities: list[Entity]) -> dict[int, _Label]:
    """Return the label of each paragraph that begins with one, by the index of the paragraph."""
    found: dict[int, _Label] = {}
    seen: set[int] = set()
    for number, view in enumerate(views):
        paragraph = view.sentence.paragraph
        if paragraph not in seen and (label := _label(parsed, number, view, entities)):
            found[paragraph] = label
        seen.add(paragraph)
    counts = Counter(label.words for label in found.values())
    kept = {at: label for at, label in found.items() if label.certain or counts[label.words] > 1}
    several = len({label.words for label in kept.values()}) > 1
    named = any(label.entity is not None or len(label.words) < 3 for label in kept.values())
    return kept if any(label.certain for label in kept.values()) or (several and named) else {}


def _label(parsed: ParsedText, number: int, view: SentenceView, entities: list[Entity]) -> _Label | None:
    """Return the label at the start of a sentence: capitalised words, a colon, words outside quotation marks."""
    index = next((i for i, token in enumerate(view.tokens[:MAX_LABEL]) if token.text == ":"), 0)
    if not index or view.is_quoted(index + 1) or any(view.is_quoted(i) for i in range(index)):
        return None
    owners = {owner for owner in view.entity[:index] if owner >= 0}
    people = [owner for owner in owners if entities[owner].type == "PERSON"]
    named = [owner for owner in owners if entities[owner].type in ("PERSON", "ORG")]
    words = view.tokens[:index]
    if not all(
        owner in people or is_role(token) or token.is_capital or not token.is_word
        for token, owner in zip(words, view.entity, strict=False)
    ):
        return None
    after = view.tokens[index + 1].start if index + 1 < len(view.tokens) else view.sentence.end
    text = parsed.text[words[0].start : words[-1].end].casefold()
    initials = index == 1 and words[0].text.isupper() and len(text) < 3
    entity = people[0] if len(people) == 1 else named[0] if len(named) == 1 and not initials else None
    certain = len(people) == 1 or text in ("q", "a")
    return _Label(text, words[0].start, words[-1].end, after, entity, number, certain)


def _abbreviations(introduced: list[tuple[int, Entity]]) -> dict[str, int]:
    """Map ``a`` and initials to the index of the person that they denote, if exactly one person matches."""
    persons: dict[str, list[int]] = {"a": [index for index, _ in introduced]}
    for index, person in introduced:
        letters = "".join(word[0] for word in person.name.casefold().split())
        if len(letters) > 1:
            persons.setdefault(letters, []).append(index)
    return {letters: indices[0] for letters, indices in persons.items() if len(indices) == 1}


def layout_speaker(views: list[SentenceView], entities: list[Entity], number: int, index: int) -> Speaker | None:
    """Return the speaker given by the layout for the quoted span at ``views[number].tokens[index]``.

    The name is in a label before the span, in a signature after a dash or a colon (on the same line or the next), or in
    a line above that ends with a colon or begins with ``From``.
    """
    view = views[number]
    if view.low(index - 1) == ":" and 1 < index <= MAX_LABEL and view.entity[index - 2] >= 0:
        owner = view.entity[index - 2]
        start = view.entity.index(owner)
        if all(is_role(token) or token.is_capital for token in view.tokens[:start]):
            return Speaker(view.span(start, index - 1), owner, "label", entities[owner].role)
    signature = None
    if index + 1 < len(view.tokens):
        signature = _signature(view, index + 1, entities)
    elif number + 1 < len(views) and views[number + 1].sentence.paragraph - view.sentence.paragraph <= 1:
        signature = _signature(views[number + 1], 0, entities)
    return signature or _line_above(views, number, index, entities)


def _signature(view: SentenceView, at: int, entities: list[Entity]) -> Speaker | None:
    if view.low(at) not in SIGNATURE_MARKS or len(view.tokens) - at > 16:
        return None
    owner = next((view.entity[i] for i in range(at + 1, len(view.tokens)) if view.entity[i] >= 0), -1)
    if owner < 0 or view.entity.index(owner) - at > 5 or view.cue_matches:
        return None
    start = view.tokens[at + 1].start
    last = max(i for i, entity in enumerate(view.entity) if entity == owner)
    return Speaker((start, view.tokens[last].end), owner, "label", entities[owner].role)


def _line_above(views: list[SentenceView], number: int, index: int, entities: list[Entity]) -> Speaker | None:
    if index or not number:
        return None
    above = views[number - 1]
    colon = above.tokens[-1].text == ":"
    letterhead = above.low(0) == "from" and above.tokens[-1].text not in ".!?"
    if not (colon or letterhead) or above.sentence.paragraph == views[number].sentence.paragraph:
        return None
    owners = [i for i, owner in enumerate(above.entity) if owner >= 0 and entities[owner].type == "PERSON"]
    if not owners:
        return None
    owner = above.entity[owners[-1] if colon else owners[0]]
    places = [i for i in owners if above.entity[i] == owner]
    return Speaker((above.tokens[places[0]].start, above.tokens[places[-1]].end), owner, "label", entities[owner].role)
