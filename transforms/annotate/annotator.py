"""Annotate texts with entities and attributed quotations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.entities.clustering import find_entities
from transforms.annotate.entities.gazetteer import gazetteer
from transforms.annotate.model.tagger import Tagged, tagger
from transforms.annotate.nlp.parsed_text import ParsedText, parse_text
from transforms.annotate.quotes.finder import find_quotes
from transforms.schema.records import Annotation, Article
from transforms.text.language import detect_language

BATCH_SIZE = 16
"""Best number of texts to annotate together: the Viterbi search runs over all of them at once."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text to annotate: the arguments of `annotate`."""

    text: str
    language: str | None = None
    title: str | None = None
    version_id: str = ""


class Annotator:
    """Annotate several texts at a time: their windows share the batches of the model.

    Args:
        config: the stage's settings.
    """

    def __init__(self, config: AnnotateConfig | None = None) -> None:
        self._config = config or AnnotateConfig()
        self._tagger = tagger() if self._config.model == "shipped" else None
        self._gazetteer = gazetteer(self._config.gazetteers)

    def annotate(self, texts: Sequence[Text]) -> list[Annotation]:
        """Return one annotation per text, in order; it is empty for a text that is not in English.

        Args:
            texts: a few dozen at most, since the model's output for all of them is in memory at once.
        """
        english = [number for number, text in enumerate(texts) if is_english(text.language, text.text)]
        parsed_texts = [parse_text(texts[number].text) for number in english]
        tagged_texts = self._tagger.tag(parsed_texts) if self._tagger else [None] * len(parsed_texts)
        annotations = [Annotation()] * len(texts)
        for number, parsed, tagged in zip(english, parsed_texts, tagged_texts, strict=True):
            annotations[number] = self._annotate(texts[number], parsed, tagged)
        return annotations

    def _annotate(self, text: Text, parsed: ParsedText, tagged: Tagged | None) -> Annotation:
        found = find_entities(text.text, version_id=text.version_id, parsed=parsed, tagged=tagged)
        entities = self._gazetteer.apply(text.text, found, version_id=text.version_id)
        quotes = find_quotes(
            text.text, entities, title=text.title, version_id=text.version_id, parsed=parsed, tagged=tagged
        )
        return Annotation(tuple(entities), tuple(quotes))


@cache
def annotator(config: AnnotateConfig) -> Annotator:
    """Return the annotator for a configuration; each process creates it once."""
    return Annotator(config)


def annotate_articles(articles: Sequence[Article], config: AnnotateConfig) -> list[Annotation]:
    """Annotate articles together, and copy the article's columns into the rows of entities and quotes.

    Args:
        articles: ideally `BATCH_SIZE` of them.
        config: the stage's settings.

    Returns:
        One annotation per article, in order.
    """
    texts = [Text(article.text, article.language, article.title, article.version_id) for article in articles]
    found = annotator(config).annotate(texts) if texts else []
    return [_with_article_columns(annotation, article) for article, annotation in zip(articles, found, strict=True)]


def _with_article_columns(annotation: Annotation, article: Article) -> Annotation:
    columns: dict[str, Any] = {
        "article_id": article.article_id,
        "version_id": article.version_id,
        "published_at": article.published_at,
        "domain": article.domain,
    }
    return Annotation(
        tuple(replace(entity, **columns) for entity in annotation.entities),
        tuple(replace(quote, **columns) for quote in annotation.quotes),
    )


def annotate(
    text: str,
    *,
    language: str | None = None,
    title: str | None = None,
    version_id: str = "",
    config: AnnotateConfig | None = None,
) -> Annotation:
    """Annotate a text with entities and attributed quotations.

    Args:
        text: an article's text; each line is a paragraph.
        language: its ISO 639-1 code (``en``, ``en-GB``); None to detect it.
        title: the headline, to recognise it in the text.
        version_id: the version of the article; the ids of entities and quotes derive from it.
        config: the stage's settings.

    Returns:
        Entities and quotes in text order. Both are empty for a text that is not in English.
    """
    (annotation,) = annotator(config or AnnotateConfig()).annotate([Text(text, language, title, version_id)])
    return annotation


def is_english(language: str | None, text: str) -> bool:
    """Return whether a text can be annotated: its language, detected if None, is English.

    A text that is too short for detection counts as English.
    """
    return (language or detect_language(text) or "en").split("-")[0].split("_")[0].lower() == "en"
