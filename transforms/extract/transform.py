"""Extract articles from fetched pages: the `ExtractArticles` transform."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.extract.article import extract_page
from transforms.extract.config import ExtractConfig
from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import Rejected, failed
from transforms.schema.records import Article, Failure, Fetch, Outcome, Page

TaggedFetch: TypeAlias = TaggedOutput[Literal["fetches"], Fetch]
TaggedFailure: TypeAlias = TaggedOutput[Literal["failures"], Failure]


class Extracted(NamedTuple):
    """Outputs of `ExtractArticles`: one row in ``fetches`` per page, and an article or failure unless unchanged."""

    articles: "beam.PCollection[Article]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


@dataclass
class ExtractArticles(beam.PTransform):
    """Extract articles: PCollection[Page] -> `Extracted`.

    Args:
        config: the stage's settings.
    """

    config: ExtractConfig

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, pages: "beam.PCollection[Page]") -> Extracted:
        extracted = pages | beam.ParDo(_Extract(self.config)).with_outputs("fetches", "failures", main="articles")
        return Extracted(extracted.articles, extracted.fetches, extracted.failures)


class _Extract(beam.DoFn):
    def __init__(self, config: ExtractConfig) -> None:
        self._config = config
        self._words = Metrics.distribution("extract", "words")

    def process(self, page: Page) -> Iterator[Article | TaggedFetch | TaggedFailure]:
        try:
            article = extract_page(page, self._config)
        except Rejected as rejection:
            yield from self._failed(page, rejection)
            return
        except Exception as error:  # noqa: BLE001 - an error in one page must not fail the run
            yield from self._failed(page, Rejected.of_error(error))
            return
        outcome: Outcome = "unchanged" if article.text_hash == page.request.text_hash else "ok"
        count("extract", outcome)
        self._words.update(article.word_count)
        if outcome == "ok":
            yield article
        yield TaggedOutput("fetches", replace(page.fetch, outcome=outcome, text_hash=article.text_hash))

    def _failed(self, page: Page, rejection: Rejected) -> Iterator[TaggedFetch | TaggedFailure]:
        count("extract", rejection.reason.value)
        fetch, failure = failed(page.fetch, "extract", rejection)
        yield TaggedOutput("fetches", fetch)
        yield TaggedOutput("failures", failure)
