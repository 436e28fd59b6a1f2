"""The `Annotate` transform."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.document import annotate
from transforms.counters import count
from transforms.records import Annotation, Article, Entity, Failure, Quote, Rejected, stable_id


class Annotated(NamedTuple):
    """What the texts say of names and voices; an article that failed is in ``failures`` alone."""

    entities: "beam.PCollection[Entity]"
    quotes: "beam.PCollection[Quote]"
    failures: "beam.PCollection[Failure]"


class Annotate(beam.PTransform):
    """Reads articles for names and quotations: PCollection[Article] -> `Annotated`.

    Articles in another language than English, and all of them when the stage is off, give no rows and no failure.

    Args:
        config: the stage's settings.
    """

    def __init__(self, config: AnnotateConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, articles: "beam.PCollection[Article]") -> Annotated:
        annotated = articles | "Annotate" >> beam.ParDo(_Annotate(self._config)).with_outputs(
            "quotes", "failures", main="entities"
        )
        annotated.entities.element_type = Entity
        annotated.quotes.element_type = Quote
        annotated.failures.element_type = Failure
        return Annotated(annotated.entities, annotated.quotes, annotated.failures)


class _Annotate(beam.DoFn):
    def __init__(self, config: AnnotateConfig) -> None:
        self._config = config

    def process(self, article: Article) -> Iterator[Entity | TaggedOutput]:
        if not self._config.enabled:
            return
        try:
            found = _annotated(article, self._config)
        except Rejected as refusal:
            yield _failure(article, refusal)
            return
        except Exception as error:  # noqa: BLE001 - one article must never end the run
            yield _failure(article, Rejected.of_fault(error))
            return
        count("annotate", "ok")
        count("annotate", "quotes", len(found.quotes))
        yield from found.entities
        for quote in found.quotes:
            yield TaggedOutput("quotes", quote)


def _annotated(article: Article, config: AnnotateConfig) -> Annotation:
    found = annotate(
        article.text,
        language=article.language,
        title=article.title,
        version_id=article.version_id,
        config=config,
    )
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


def _failure(article: Article, refused: Rejected) -> TaggedOutput:
    reason = refused.reason
    count("annotate", reason.value)
    failure = Failure(
        failure_id=stable_id(article.article_id, "annotate", reason.value),
        url=article.url,
        article_id=article.article_id,
        domain=article.domain,
        stage="annotate",
        reason=reason.value,
        message=refused.message[:2000],
        retriable=reason.retriable,
        source="",
        failed_at=datetime.now(timezone.utc),
    )
    return TaggedOutput("failures", failure)
