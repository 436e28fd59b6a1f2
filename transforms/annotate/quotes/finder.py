"""Find the attributed quotations of a text by the model or by rules."""

from bisect import bisect_left

from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.model.tagger import Tagged
from transforms.annotate.nlp.parsed_text import ParsedText, parse_text
from transforms.annotate.nlp.tokens import normalized
from transforms.annotate.quotes.assembler import QuoteAssembler, QuoteCandidate, content_spans
from transforms.annotate.quotes.confidence import MODEL_WEIGHTS, RULE_WEIGHTS, confidence
from transforms.annotate.quotes.dialogue import dialogue_turns
from transforms.annotate.quotes.model_assembler import ModelAssembler
from transforms.annotate.quotes.rule_assembler import RuleAssembler
from transforms.annotate.quotes.sentence_view import sentence_views
from transforms.schema.records import Entity, Quote, Span, stable_id
from transforms.text.quotations import join_fragments

MAX_TOKENS = 400
"""Maximum length of a sentence in tokens; a longer one is not prose and has no quotations."""


def find_quotes(
    text: str,
    entities: list[Entity],
    *,
    title: str | None = None,
    version_id: str = "",
    parsed: ParsedText | None = None,
    tagged: Tagged | None = None,
) -> list[Quote]:
    """Find the direct, mixed and indirect quotations of a text, with their speakers.

    Args:
        text: an article's text, in English.
        entities: its entities, from `find_entities`; speakers are resolved to them.
        title: the headline of the article, to recognise it in the text.
        version_id: the version of the article; the ids of the quotes derive from it.
        parsed: the parsed text, if the caller has it.
        tagged: the output of the model for the text; None to find quotations by rules.

    Returns:
        Quotes in text order. The text of a quote is ``text[start:end]`` of its spans, joined by `join_fragments`; the
        spans of a direct quote exclude the quotation marks. A quotation inside another one has no row.
        ``speaker_name`` is None if no entity matches.
    """
    parsed = parsed or parse_text(text)
    candidates = find_candidates(parsed, entities, tagged)
    headline = _headline_paragraph(parsed, title)
    version = RULES_VERSION if tagged is None else tagged.version
    ordered = sorted(candidates, key=lambda candidate: candidate.spans[0])
    mentions = sorted((m.start, m.end, entity.entity_id) for entity in entities for m in entity.mentions)
    return [
        _quote(parsed, entities, mentions, candidate, ordinal, candidate.paragraph == headline, version_id, version)
        for ordinal, candidate in enumerate(ordered)
    ]


def find_candidates(parsed: ParsedText, entities: list[Entity], tagged: Tagged | None) -> list[QuoteCandidate]:
    """Find quote candidates: first the turns of an interview, then the quotations of all other sentences.

    Args:
        parsed: the text.
        entities: its entities.
        tagged: the output of the model for the text; None to find quotations by rules.
    """
    views = sentence_views(parsed, entities)
    quotes = QuoteAssembler(parsed, entities, views)
    assembler = RuleAssembler(quotes) if tagged is None else ModelAssembler(quotes, tagged)
    turns = dialogue_turns(parsed, views, entities)
    for turn in turns:
        quotes.add_turn(turn)
    in_turns = {paragraph for turn in turns for paragraph in turn.paragraphs}
    for number, view in enumerate(views):
        if view.sentence.paragraph not in in_turns and len(view.tokens) <= MAX_TOKENS:
            assembler.add_sentence(number)
    return quotes.candidates


def _headline_paragraph(parsed: ParsedText, title: str | None) -> int:
    """Return the index of the headline among the first three paragraphs; -1 if the text has no headline."""
    if not parsed.paragraphs:
        return -1
    lines = [parsed.text[start:end] for start, end in parsed.paragraphs[:3]]
    if title:
        normalized_title = normalized(title)
        return next((number for number, line in enumerate(lines) if normalized(line) == normalized_title), -1)
    short = len(lines[0].split()) <= 20 and lines[0].rstrip()[-1:] not in ".!?…:"
    return 0 if short and len(lines) > 1 else -1


def _quote(
    parsed: ParsedText,
    entities: list[Entity],
    mentions: list[tuple[int, int, str]],
    candidate: QuoteCandidate,
    ordinal: int,
    in_headline: bool,
    version_id: str,
    model_version: str,
) -> Quote:
    text = parsed.text
    spans = tuple(candidate.spans)
    whole = [span for index in candidate.quoted_spans for span in content_spans(text, parsed.quoted_spans[index])]
    verbatim = sorted([*candidate.partial_spans, *whole])
    if candidate.kind == "direct" and not verbatim:
        verbatim = candidate.spans
    speaker = candidate.speaker
    entity = entities[speaker.entity] if speaker.entity is not None else None
    return Quote(
        quote_id=stable_id(version_id, str([list(span) for span in spans])),
        ordinal=ordinal,
        paragraph=candidate.paragraph,
        in_headline=in_headline,
        kind=candidate.kind,
        text=join_fragments(text, spans),
        verbatim_text=tuple(text[start:end] for start, end in verbatim),
        spans=spans,
        cue=text[candidate.cue[0] : candidate.cue[1]] if candidate.cue else None,
        cue_spans=(candidate.cue,) if candidate.cue else (),
        cue_class=candidate.cue_class,
        speaker=text[speaker.span[0] : speaker.span[1]] if speaker.span else None,
        speaker_spans=(speaker.span,) if speaker.span else (),
        speaker_name=entity.name if entity else None,
        speaker_entity_id=entity.entity_id if entity else None,
        speaker_type=entity.type if entity else None,
        speaker_role=speaker.role,
        speaker_method=speaker.method,
        confidence=confidence(candidate, RULE_WEIGHTS if model_version == RULES_VERSION else MODEL_WEIGHTS),
        mentioned_entity_ids=_mentioned(mentions, spans),
        utterance_id=stable_id(normalized(" ".join(text[start:end] for start, end in spans))),
        model_version=model_version,
    )


def _mentioned(mentions: list[tuple[int, int, str]], spans: tuple[Span, ...]) -> tuple[str, ...]:
    """Return the ids of the entities mentioned inside the spans, in order; ``mentions`` are sorted (start, end, id)."""
    found: dict[str, None] = {}
    for start, end in spans:
        at = bisect_left(mentions, (start, 0, ""))
        while at < len(mentions) and mentions[at][0] < end:
            if mentions[at][1] <= end:
                found[mentions[at][2]] = None
            at += 1
    return tuple(found)
