"""The `Annotate` transform."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.annotate.annotator import BATCH, annotate_articles
from transforms.annotate.config import AnnotateConfig
from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import Rejected
from transforms.schema.records import Annotation, Article, Entity, Failure, Quote, stable_id

LETTERS = 200_000
"""Code points of text from which fewer are: what the model sees in all of them is held at once."""


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

    @multiple_outputs
    def expand(self, articles: "beam.PCollection[Article]") -> Annotated:
        annotated = articles | "Annotate" >> beam.ParDo(_Annotate(self._config)).with_outputs(
            "quotes", "failures", main="entities"
        )
        annotated.entities.element_type = Entity
        annotated.quotes.element_type = Quote
        annotated.failures.element_type = Failure
        return Annotated(annotated.entities, annotated.quotes, annotated.failures)


class _Annotate(beam.DoFn):
    """Gathers a bundle's articles; what comes of each keeps its article's window and timestamp."""

    def __init__(self, config: AnnotateConfig) -> None:
        self._config = config

    def start_bundle(self) -> None:
        self._waiting: list[WindowedValue] = []
        self._letters = 0

    def process(
        self, article: Article, element: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> Iterator[WindowedValue | TaggedOutput]:
        if not self._config.enabled:
            return
        self._waiting.append(element)
        self._letters += len(article.text)
        if len(self._waiting) == BATCH or self._letters >= LETTERS:
            yield from self._read()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        yield from self._read()

    def _read(self) -> Iterator[WindowedValue | TaggedOutput]:
        waiting, self._waiting, self._letters = self._waiting, [], 0
        for element, outcome in zip(waiting, _outcomes([e.value for e in waiting], self._config), strict=True):
            if isinstance(outcome, Failure):
                yield TaggedOutput("failures", element.with_value(outcome))
                continue
            count("annotate", "ok")
            count("annotate", "quotes", len(outcome.quotes))
            for entity in outcome.entities:
                yield element.with_value(entity)
            for quote in outcome.quotes:
                yield TaggedOutput("quotes", element.with_value(quote))


def _outcomes(articles: Sequence[Article], config: AnnotateConfig) -> list[Annotation | Failure]:
    """What comes of each article, read together; where one of several fails, each is read by itself."""
    try:
        return list(annotate_articles(articles, config))
    except Exception as error:  # noqa: BLE001 - one article must never end the run
        if len(articles) > 1:
            return [outcome for article in articles for outcome in _outcomes([article], config)]
        return [_failure(articles[0], error if isinstance(error, Rejected) else Rejected.of_error(error))]


def _failure(article: Article, refused: Rejected) -> Failure:
    reason = refused.reason
    count("annotate", reason.value)
    return Failure(
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
