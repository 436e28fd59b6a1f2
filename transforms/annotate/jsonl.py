"""Annotate one JSON line of `onrecord annotate`."""

from typing import Any

from transforms.annotate.annotator import annotate
from transforms.text.language import detect_language


def annotate_line(record: dict[str, Any]) -> dict[str, Any]:
    """Annotate one line of ``onrecord annotate``.

    Args:
        record: ``{"id", "text"}``, and optionally ``"language"`` and ``"title"``.

    Returns:
        ``{"id", "language", "entities", "quotes"}``; spans are ``[start, end]``, code point offsets into the text.
    """
    text = record.get("text") or ""
    language = record.get("language") or detect_language(text) or "en"
    annotation = annotate(text, language=language, title=record.get("title"), version_id=str(record.get("id", "")))
    return {
        "id": record.get("id"),
        "language": language,
        "entities": [
            {
                "entity_id": entity.entity_id,
                "name": entity.name,
                "type": entity.type,
                "aliases": list(entity.aliases),
                "mentions": [[mention.start, mention.end] for mention in entity.mentions],
                "role": entity.role,
                "salience": entity.salience,
                "kb_id": entity.kb_id,
            }
            for entity in annotation.entities
        ],
        "quotes": [
            {
                "quote_id": quote.quote_id,
                "kind": quote.kind,
                "spans": [list(span) for span in quote.spans],
                "content": [list(span) for span in quote.spans],
                "cue": [list(span) for span in quote.cue_spans],
                "source": [list(span) for span in quote.speaker_spans],
                "speaker_name": quote.speaker_name,
                "speaker_method": quote.speaker_method,
                "speaker_type": quote.speaker_type,
                "speaker_role": quote.speaker_role,
                "confidence": quote.confidence,
                "text": quote.text,
                "verbatim_text": list(quote.verbatim_text),
                "cue_class": quote.cue_class,
                "paragraph": quote.paragraph,
                "in_headline": quote.in_headline,
            }
            for quote in annotation.quotes
        ],
    }
