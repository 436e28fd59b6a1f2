"""Annotate articles as a Beam transform: `Annotate`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, NamedTuple, TypeAlias

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.annotate.annotator import BATCH_SIZE, annotate_articles
from transforms.annotate.config import AnnotateConfig
from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import Rejected, failure_of
from transforms.schema.records import Annotation, Article, Entity, Failure, Quote

MAX_BATCH_CHARACTERS = 200_000
"""Maximum code points in a batch before its last text: the model's output for the whole batch is in memory."""

TaggedQuote: TypeAlias = TaggedOutput[Literal["quotes"], Quote]
TaggedFailure: TypeAlias = TaggedOutput[Literal["failures"], Failure]


class Annotated(NamedTuple):
    """Outputs of `Annotate`; a failed article is only in ``failures``."""

    entities: "beam.PCollection[Entity]"
    quotes: "beam.PCollection[Quote]"
    failures: "beam.PCollection[Failure]"


@dataclass
class Annotate(beam.PTransform):
    """Annotate articles with entities and attributed quotations: PCollection[Article] -> `Annotated`.

    An article that is not in English has no rows and no failure. If ``config.enabled`` is false, no article has any.

    Args:
        config: the stage's settings.
    """

    config: AnnotateConfig

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, articles: "beam.PCollection[Article]") -> Annotated:
        annotated = articles | "Annotate" >> beam.ParDo(AnnotateBatches(self.config)).with_outputs(
            "quotes", "failures", main="entities"
        )
        return Annotated(annotated.entities, annotated.quotes, annotated.failures)


class AnnotateBatches(beam.DoFn):
    """Annotate the articles of a bundle in batches: Article -> Entity, and the tagged outputs ``quotes``, ``failures``.

    The rows of an article keep its window and timestamp.

    Args:
        config: the stage's settings.
    """

    def __init__(self, config: AnnotateConfig) -> None:
        self._config = config

    def start_bundle(self) -> None:
        self._batch: list[WindowedValue] = []
        self._characters = 0

    def process(
        self, article: Article, element: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> Iterator[Entity | TaggedQuote | TaggedFailure]:
        if not self._config.enabled:
            return
        self._batch.append(element)
        self._characters += len(article.text)
        if len(self._batch) == BATCH_SIZE or self._characters >= MAX_BATCH_CHARACTERS:
            yield from self._annotate_batch()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        yield from self._annotate_batch()

    def _annotate_batch(self) -> Iterator[WindowedValue | TaggedOutput]:
        batch, self._batch, self._characters = self._batch, [], 0
        for element, outcome in zip(batch, _outcomes([e.value for e in batch], self._config), strict=True):
            if isinstance(outcome, Failure):
                count("annotate", outcome.reason)
                yield TaggedOutput("failures", element.with_value(outcome))
                continue
            count("annotate", "ok")
            count("annotate", "quotes", len(outcome.quotes))
            for entity in outcome.entities:
                yield element.with_value(entity)
            for quote in outcome.quotes:
                yield TaggedOutput("quotes", element.with_value(quote))


def _outcomes(articles: Sequence[Article], config: AnnotateConfig) -> list[Annotation | Failure]:
    """Annotate a batch; on error, retry each article alone."""
    try:
        return list(annotate_articles(articles, config))
    except Exception as error:  # noqa: BLE001 - an error in one article must not fail the run
        if len(articles) > 1:
            return [outcome for article in articles for outcome in _outcomes([article], config)]
        rejected = error if isinstance(error, Rejected) else Rejected.of_error(error)
        now = datetime.now(timezone.utc)
        return [failure_of(articles[0], "annotate", rejected.reason, rejected.message, now)]
