"""Quotations as records: found by the model or by rules, with ids, kinds and how sure their speaker is."""

from bisect import bisect_left

from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.model.tagger import Tagged
from transforms.annotate.nlp.parsed_text import ParsedText, parse_text
from transforms.annotate.nlp.tokens import normalized
from transforms.annotate.quotes.assembler import Draft, inner
from transforms.annotate.quotes.confidence import MODEL, RULES, confidence
from transforms.annotate.quotes.model_assembler import ModelAssembler
from transforms.annotate.quotes.rule_assembler import RuleAssembler
from transforms.annotate.quotes.sentence_view import frames_of
from transforms.schema.records import Entity, Quote, Span, stable_id


def find_quotes(
    text: str,
    entities: list[Entity],
    *,
    title: str | None = None,
    version_id: str = "",
    reading: ParsedText | None = None,
    tagged: Tagged | None = None,
) -> list[Quote]:
    """The attributed quotations of a text, direct, mixed and indirect.

    Args:
        text: an article's text, English.
        entities: its entities, from `find_entities`; speakers are resolved to them.
        title: the article's headline, to know it where it stands in the text.
        version_id: what the quotes' ids hang on.
        reading: the text taken apart, when the caller has it already.
        tagged: what the model sees in it; None to go by rules.

    Returns:
        Quotes in order. ``text[start:end]`` of its spans, joined by a space, is the quote's text; a quote all in marks
        has spans inside them. Only the outermost report counts. A speaker that cannot be named has no name.
    """
    reading = reading or parse_text(text)
    frames = frames_of(reading, entities)
    assembler = (
        RuleAssembler(reading, entities, frames)
        if tagged is None
        else ModelAssembler(reading, entities, frames, tagged)
    )
    drafts = assembler.drafts()
    headline = _headline_paragraph(reading, title)
    version = RULES_VERSION if tagged is None else tagged.version
    ordered = sorted(drafts, key=lambda draft: draft.spans[0])
    mentions = sorted((m.start, m.end, entity.entity_id) for entity in entities for m in entity.mentions)
    return [
        _quote(reading, entities, mentions, draft, ordinal, draft.paragraph == headline, version_id, version)
        for ordinal, draft in enumerate(ordered)
    ]


def _headline_paragraph(reading: ParsedText, title: str | None) -> int:
    """The paragraph that is the headline; -1 when none is."""
    if not reading.paragraphs:
        return -1
    lines = [reading.text[start:end] for start, end in reading.paragraphs[:3]]
    if title:
        wanted = normalized(title)
        return next((number for number, line in enumerate(lines) if normalized(line) == wanted), -1)
    short = len(lines[0].split()) <= 20 and lines[0].rstrip()[-1:] not in ".!?…:"
    return 0 if short and len(lines) > 1 else -1


def _quote(
    reading: ParsedText,
    entities: list[Entity],
    mentions: list[tuple[int, int, str]],
    draft: Draft,
    ordinal: int,
    in_headline: bool,
    version_id: str,
    model_version: str,
) -> Quote:
    text = reading.text
    spans = tuple(draft.spans)
    said = " ".join(text[start:end] for start, end in spans)
    marked = sorted([*draft.within, *(span for run in draft.runs for span in inner(text, reading.quoted_spans[run]))])
    if draft.kind == "direct" and not marked:
        marked = draft.spans
    verbatim = tuple(text[start:end] for start, end in marked)
    speaker = draft.speaker
    entity = entities[speaker.entity] if speaker.entity is not None else None
    return Quote(
        quote_id=stable_id(version_id, str([list(span) for span in spans])),
        ordinal=ordinal,
        paragraph=draft.paragraph,
        in_headline=in_headline,
        kind=draft.kind,
        text=said,
        verbatim_text=verbatim,
        spans=spans,
        cue=text[draft.cue[0] : draft.cue[1]] if draft.cue else None,
        cue_spans=(draft.cue,) if draft.cue else (),
        cue_class=draft.cue_class,
        speaker=text[speaker.span[0] : speaker.span[1]] if speaker.span else None,
        speaker_spans=(speaker.span,) if speaker.span else (),
        speaker_name=entity.name if entity else None,
        speaker_entity_id=entity.entity_id if entity else None,
        speaker_type=entity.type if entity else None,
        speaker_role=speaker.role,
        speaker_method=speaker.method,
        confidence=confidence(draft, RULES if model_version == RULES_VERSION else MODEL),
        mentioned_entity_ids=_mentioned(mentions, spans),
        utterance_id=stable_id(normalized(said)),
        model_version=model_version,
    )


def _mentioned(mentions: list[tuple[int, int, str]], spans: tuple[Span, ...]) -> tuple[str, ...]:
    """The ids of the entities with a mention inside the spans, in order; ``mentions`` are (start, end, id), sorted."""
    found: dict[str, None] = {}
    for start, end in spans:
        at = bisect_left(mentions, (start, 0, ""))
        while at < len(mentions) and mentions[at][0] < end:
            if mentions[at][1] <= end:
                found[mentions[at][2]] = None
            at += 1
    return tuple(found)
