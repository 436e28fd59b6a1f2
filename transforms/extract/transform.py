"""The `ExtractArticles` transform."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.extract.article import extract_page
from transforms.extract.config import ExtractConfig
from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.failures import Rejected, failed
from transforms.schema.records import Article, Failure, Fetch, Outcome, Page


class Extracted(NamedTuple):
    """Every page that came in has one row in ``fetches``, and an article or a failure."""

    articles: "beam.PCollection[Article]"
    fetches: "beam.PCollection[Fetch]"
    failures: "beam.PCollection[Failure]"


class ExtractArticles(beam.PTransform):
    """Makes articles of pages: PCollection[Page] -> `Extracted`.

    Args:
        config: the stage's settings.
    """

    def __init__(self, config: ExtractConfig) -> None:
        super().__init__()
        self._config = config

    @multiple_outputs
    def expand(self, pages: "beam.PCollection[Page]") -> Extracted:
        extracted = pages | beam.ParDo(_Extract(self._config)).with_outputs("fetches", "failures", main="articles")
        extracted.articles.element_type = Article
        extracted.fetches.element_type = Fetch
        extracted.failures.element_type = Failure
        return Extracted(extracted.articles, extracted.fetches, extracted.failures)


class _Extract(beam.DoFn):
    def __init__(self, config: ExtractConfig) -> None:
        self._config = config
        self._words = Metrics.distribution("extract", "words")

    def process(self, page: Page) -> Iterator[Article | TaggedOutput]:
        try:
            article = extract_page(page, self._config)
        except Rejected as refusal:
            yield from self._failed(page, refusal)
            return
        except Exception as error:  # noqa: BLE001 - one page with a fault never ends the run; it becomes a failure row
            yield from self._failed(page, Rejected.of_error(error))
            return
        outcome: Outcome = "unchanged" if article.text_hash == page.request.text_hash else "ok"
        count("extract", outcome)
        self._words.update(article.word_count)
        if outcome == "ok":
            yield article
        yield TaggedOutput("fetches", replace(page.fetch, outcome=outcome, text_hash=article.text_hash))

    def _failed(self, page: Page, refused: Rejected) -> Iterator[TaggedOutput]:
        count("extract", refused.reason.value)
        fetch, failure = failed(page.fetch, "extract", refused)
        yield TaggedOutput("fetches", fetch)
        yield TaggedOutput("failures", failure)
