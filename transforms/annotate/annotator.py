"""A whole text, from words to entities and attributed quotations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.entities.clustering import find_entities
from transforms.annotate.entities.gazetteer import gazetteer
from transforms.annotate.model.tagger import Tagged, tagger
from transforms.annotate.nlp.parsed_text import Reading, read
from transforms.annotate.quotes.finder import find_quotes
from transforms.schema.records import Annotation, Article
from transforms.text.language import detect_language

BATCH = 16
"""Texts that are well read together: the search for the likeliest tags is shared."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be annotated: the arguments of `annotate`."""

    text: str
    language: str | None = None
    title: str | None = None
    version_id: str = ""


class Annotator:
    """Reads texts for names and quotations, many at a time: the model's windows of all of them share its batches.

    Args:
        config: the stage's settings.
    """

    def __init__(self, config: AnnotateConfig | None = None) -> None:
        self._config = config or AnnotateConfig()
        self._tagger = tagger() if self._config.model == "shipped" else None
        self._gazetteer = gazetteer(self._config.gazetteers)

    def annotate(self, texts: Sequence[Text]) -> list[Annotation]:
        """One annotation a text, in their order; one that is not English has no entities and no quotes.

        Args:
            texts: a few dozen at most: what the model sees in all of them is held at once.
        """
        english = [number for number, text in enumerate(texts) if is_english(text.language, text.text)]
        readings = [read(texts[number].text) for number in english]
        tagged = self._tagger.tag(readings) if self._tagger else [None] * len(readings)
        found = [Annotation()] * len(texts)
        for number, reading, seen in zip(english, readings, tagged, strict=True):
            found[number] = self._annotated(texts[number], reading, seen)
        return found

    def _annotated(self, text: Text, reading: Reading, tagged: Tagged | None) -> Annotation:
        found = find_entities(text.text, version_id=text.version_id, reading=reading, tagged=tagged)
        entities = self._gazetteer.apply(text.text, found, version_id=text.version_id)
        quotes = find_quotes(
            text.text, entities, title=text.title, version_id=text.version_id, reading=reading, tagged=tagged
        )
        return Annotation(tuple(entities), tuple(quotes))


@cache
def annotator(config: AnnotateConfig) -> Annotator:
    """The annotator of a configuration, one a process."""
    return Annotator(config)


def annotate_articles(articles: Sequence[Article], config: AnnotateConfig) -> list[Annotation]:
    """One annotation an article, read together, with what its rows say of their article.

    Args:
        articles: at best `BATCH` of them.
        config: the stage's settings.
    """
    texts = [Text(article.text, article.language, article.title, article.version_id) for article in articles]
    found = annotator(config).annotate(texts) if texts else []
    return [_of_article(article, annotation) for article, annotation in zip(articles, found, strict=True)]


def _of_article(article: Article, found: Annotation) -> Annotation:
    of_article: dict[str, Any] = {
        "article_id": article.article_id,
        "version_id": article.version_id,
        "published_at": article.published_at,
        "domain": article.domain,
    }
    return Annotation(
        tuple(replace(entity, **of_article) for entity in found.entities),
        tuple(replace(quote, **of_article) for quote in found.quotes),
    )


def annotate(
    text: str,
    *,
    language: str | None = None,
    title: str | None = None,
    version_id: str = "",
    config: AnnotateConfig | None = None,
) -> Annotation:
    """Read a text for names and quotations.

    Args:
        text: an article's text; a line is a paragraph.
        language: its ISO 639-1 code (``en``, ``en-GB``); None to detect it.
        title: the headline, to know it where it stands in the text.
        version_id: what the ids of entities and quotes hang on.
        config: the stage's settings.

    Returns:
        Entities and quotes in order. A text that is not English has none of either: nothing is invented.
    """
    (found,) = annotator(config or AnnotateConfig()).annotate([Text(text, language, title, version_id)])
    return found


def is_english(language: str | None, text: str) -> bool:
    """Whether a text of this language, detected where it is None, is one that can be annotated.

    A text too short to tell counts as English.
    """
    return (language or detect_language(text) or "en").split("-")[0].split("_")[0].lower() == "en"
