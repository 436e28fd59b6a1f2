"""Articles, entities and quotes for tests of views and readers."""

from dataclasses import replace
from typing import Any

from transforms.schema.records import Article, Entity, Mention, Quote, content_hash, stable_id

FERRY = "The ferry will not sail again before the spring, and perhaps not then."


def said(article: Article, ordinal: int, speaker: str | None, text: str, about: tuple[str, ...] = ()) -> Quote:
    """A quote of an article; `about` are names of entities inside it."""
    words = " ".join(text.lower().replace(",", "").replace(".", "").split())
    return Quote(
        quote_id=stable_id(article.version_id, str(ordinal)),
        ordinal=ordinal,
        paragraph=0,
        kind="direct",
        text=text,
        spans=((0, len(text)),),
        speaker_name=speaker,
        speaker_entity_id=stable_id(article.version_id, speaker) if speaker else None,
        mentioned_entity_ids=tuple(stable_id(article.version_id, name) for name in about),
        utterance_id=stable_id(words),
        model_version="1",
        **common(article),
    )


def entity(article: Article, name: str) -> Entity:
    """An entity of an article."""
    return Entity(
        entity_id=stable_id(article.version_id, name),
        name=name,
        type="PERSON",
        mentions=(Mention(0, 4, name),),
        mention_count=1,
        first_start=0,
        model_version="1",
        **common(article),
    )


def common(article: Article) -> dict[str, Any]:
    """Columns that rows have in common with their article."""
    return {key: getattr(article, key) for key in ("article_id", "version_id", "published_at", "domain")}


def quote(article: Article, start: int, end: int, speaker: str | None = None, **fields: Any) -> Quote:
    """A quote of the article's text from start to end."""
    text = article.text[start:end]
    return replace(
        Quote(
            quote_id=stable_id(article.version_id, str(start), str(end)),
            ordinal=start,
            paragraph=0,
            kind="indirect",
            text=text,
            spans=((start, end),),
            speaker_name=speaker,
            utterance_id=content_hash(text.lower()),
            model_version="1",
            article_id=article.article_id,
            version_id=article.version_id,
            domain=article.domain,
        ),
        **fields,
    )
