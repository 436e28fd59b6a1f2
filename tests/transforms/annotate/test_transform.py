"""The Annotate transform."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to, is_empty
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.utils.windowed_value import WindowedValue

import transforms.annotate.transform
from tests.support.records import make_article
from transforms.annotate import AnnotateConfig, Annotator, Text, annotate
from transforms.annotate.annotator import BATCH
from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.transform import Annotate, Annotated
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Annotation, Article, Entity, Quote

TEXT = "“We sail at noon,” said Ida Marsh, the mayor of Brindle."
PUBLISHED = datetime(2026, 3, 1, tzinfo=timezone.utc)
ARTICLE = make_article(1, TEXT, language="en", published_at=PUBLISHED)


def _filled(record: Entity | Quote, article: Article) -> Entity | Quote:
    return replace(
        record,
        article_id=article.article_id,
        version_id=article.version_id,
        published_at=article.published_at,
        domain=article.domain,
    )


def _run(pipeline: beam.Pipeline, articles: Iterable[Article], config: AnnotateConfig | None = None) -> Annotated:
    annotated: Annotated = pipeline | beam.Create(list(articles)) | Annotate(config or AnnotateConfig())
    return annotated


def test_records_carry_their_articles_columns() -> None:
    found = annotate(TEXT, language="en", version_id=ARTICLE.version_id)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        annotated = _run(pipeline, [ARTICLE])
        assert_that(annotated.entities, equal_to([_filled(e, ARTICLE) for e in found.entities]), "entities")
        assert_that(annotated.quotes, equal_to([_filled(q, ARTICLE) for q in found.quotes]), "quotes")
        assert_that(annotated.failures, is_empty(), "failures")


def test_another_language_and_a_stage_turned_off_give_no_rows() -> None:
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        french = _run(pipeline, [replace(ARTICLE, language="fr")])
        assert_that(french.quotes, is_empty())
        assert_that(french.failures, is_empty(), "failures")
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        off = _run(pipeline, [ARTICLE], AnnotateConfig(enabled=False))
        assert_that(off.entities, is_empty())


def test_the_settings_of_the_stage_reach_its_articles(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("alias,id,type,name\nIda Marsh,mayor:1,PERSON,Ida Rose Marsh\n", encoding="utf-8")
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        ruled = _run(pipeline, [ARTICLE], AnnotateConfig(model="rules", gazetteers=(str(names),)))
        people = ruled.entities | beam.Filter(lambda e: e.type == "PERSON")
        told = people | beam.Map(lambda e: (e.name, e.kb_id, e.model_version))
        assert_that(told, equal_to([("Ida Rose Marsh", "mayor:1", RULES_VERSION)]), "entities")
        spoke = ruled.quotes | beam.Map(lambda q: (q.speaker_name, q.model_version))
        assert_that(spoke, equal_to([("Ida Rose Marsh", RULES_VERSION)]), "quotes")


def test_one_bad_article_is_a_failure_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"bad": KeyError("no such word"), "refused": Rejected(Reason.TOO_LARGE, "The text is too long.")}
    annotated_as_before = Annotator.annotate

    def sometimes(self: Annotator, texts: Sequence[Text]) -> list[Annotation]:
        for text in texts:
            if text.text in refused:
                raise refused[text.text]
        return annotated_as_before(self, texts)

    monkeypatch.setattr(Annotator, "annotate", sometimes)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        annotated = _run(pipeline, [make_article(2, "bad"), ARTICLE, make_article(3, "refused")])
        told = annotated.failures | beam.Map(lambda f: (f.url, f.stage, f.reason, f.message, f.retriable))
        expected = [
            (make_article(2).url, "annotate", "internal_error", "KeyError: 'no such word'", True),
            (make_article(3).url, "annotate", "too_large", "The text is too long.", False),
        ]
        assert_that(told, equal_to(expected), "failures")
        assert_that(annotated.quotes | beam.Map(lambda q: q.speaker_name), equal_to(["Ida Marsh"]), "quotes")


@pytest.mark.parametrize("most", [transforms.annotate.transform.LETTERS, 1], ids=["several at once", "each at once"])
def test_each_article_keeps_its_window_and_time(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Articles are read together, more of them than are read at once, and of several windows."""
    monkeypatch.setattr(transforms.annotate.transform, "LETTERS", most)
    count = BATCH + 3
    articles = [make_article(n, TEXT, language="en") for n in range(count)]
    times = {article.article_id: 60 * n + 7 for n, article in enumerate(articles)}

    def placed(record: Entity | Quote, element: WindowedValue = beam.DoFn.WindowedValueParam) -> tuple[str, int, int]:
        (window,) = element.windows
        return record.article_id, int(element.timestamp), int(window.start)

    def timed(article: Article) -> TimestampedValue:
        return TimestampedValue(article, times[article.article_id])

    with TestPipeline(runner=FnApiRunner()) as pipeline:
        at_times = pipeline | beam.Create(articles) | beam.Map(timed).with_output_types(Article)
        annotated = at_times | beam.WindowInto(FixedWindows(60)) | Annotate(AnnotateConfig())
        expected = [(key, time, time - 7) for key, time in times.items()]
        assert_that(annotated.quotes | "Quotes" >> beam.Map(placed), equal_to(expected), "quotes")
        people = annotated.entities | beam.Filter(lambda e: e.type == "PERSON")
        assert_that(people | "People" >> beam.Map(placed), equal_to(expected), "entities")


def test_several_articles_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    annotated_as_before = Annotator.annotate

    def seen(self: Annotator, texts: Sequence[Text]) -> list[Annotation]:
        sizes.append(len(texts))
        return annotated_as_before(self, texts)

    monkeypatch.setattr(Annotator, "annotate", seen)
    count = 2 * BATCH + 1
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        # One element that becomes many: they are of one bundle.
        articles = pipeline | beam.Create([count]) | beam.FlatMap(lambda n: [make_article(i, TEXT) for i in range(n)])
        articles.element_type = Article
        assert_that((articles | Annotate(AnnotateConfig())).failures, is_empty())
    assert sorted(sizes) == [1, BATCH, BATCH]
