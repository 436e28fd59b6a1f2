"""`Annotate` on articles: rows, failures, windows and batches."""

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
from transforms.annotate.annotator import BATCH_SIZE
from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.annotate.transform import MAX_BATCH_CHARACTERS, Annotate, Annotated
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Annotation, Article, Entity, Failure, Quote

TEXT = "“We sail at noon,” said Ida Marsh, the mayor of Brindle."
PUBLISHED = datetime(2026, 3, 1, tzinfo=timezone.utc)
ARTICLE = make_article(1, TEXT, language="en", published_at=PUBLISHED)


def _with_article_columns(record: Entity | Quote, article: Article) -> Entity | Quote:
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


def test_outputs_have_element_types() -> None:
    annotated = _run(beam.Pipeline(), [ARTICLE])
    types = [outputs.element_type for outputs in annotated]
    assert types == [Entity, Quote, Failure]


def test_rows_have_the_columns_of_their_article() -> None:
    found = annotate(TEXT, language="en", version_id=ARTICLE.version_id)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        annotated = _run(pipeline, [ARTICLE])
        assert_that(
            annotated.entities, equal_to([_with_article_columns(e, ARTICLE) for e in found.entities]), "entities"
        )
        assert_that(annotated.quotes, equal_to([_with_article_columns(q, ARTICLE) for q in found.quotes]), "quotes")
        assert_that(annotated.failures, is_empty(), "failures")


def test_no_rows_for_other_languages_or_disabled_stage() -> None:
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        french = _run(pipeline, [replace(ARTICLE, language="fr")])
        assert_that(french.quotes, is_empty())
        assert_that(french.failures, is_empty(), "failures")
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        off = _run(pipeline, [ARTICLE], AnnotateConfig(enabled=False))
        assert_that(off.entities, is_empty())


def test_settings_reach_the_annotator(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("alias,id,type,name\nIda Marsh,mayor:1,PERSON,Ida Rose Marsh\n", encoding="utf-8")
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        annotated = _run(pipeline, [ARTICLE], AnnotateConfig(model="rules", gazetteers=(str(names),)))
        people = annotated.entities | beam.Filter(lambda e: e.type == "PERSON")
        named = people | beam.Map(lambda e: (e.name, e.kb_id, e.model_version))
        assert_that(named, equal_to([("Ida Rose Marsh", "mayor:1", RULES_VERSION)]), "entities")
        speakers = annotated.quotes | beam.Map(lambda q: (q.speaker_name, q.model_version))
        assert_that(speakers, equal_to([("Ida Rose Marsh", RULES_VERSION)]), "quotes")


def test_one_failing_article_does_not_affect_others(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {"bad": KeyError("no such word"), "refused": Rejected(Reason.TOO_LARGE, "The text is too long.")}
    original = Annotator.annotate

    def annotate_or_fail(self: Annotator, texts: Sequence[Text]) -> list[Annotation]:
        for text in texts:
            if text.text in errors:
                raise errors[text.text]
        return original(self, texts)

    monkeypatch.setattr(Annotator, "annotate", annotate_or_fail)
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        annotated = _run(pipeline, [make_article(2, "bad"), ARTICLE, make_article(3, "refused")])
        failures = annotated.failures | beam.Map(lambda f: (f.url, f.stage, f.reason, f.message, f.retriable))
        expected = [
            (make_article(2).url, "annotate", "internal_error", "KeyError: 'no such word'", True),
            (make_article(3).url, "annotate", "too_large", "The text is too long.", False),
        ]
        assert_that(failures, equal_to(expected), "failures")
        assert_that(annotated.quotes | beam.Map(lambda q: q.speaker_name), equal_to(["Ida Marsh"]), "quotes")


@pytest.mark.parametrize("characters", [MAX_BATCH_CHARACTERS, 1], ids=["full batches", "batches of one"])
def test_rows_keep_window_and_timestamp(monkeypatch: pytest.MonkeyPatch, characters: int) -> None:
    """A bundle has articles of several windows, and more of them than one batch holds."""
    monkeypatch.setattr(transforms.annotate.transform, "MAX_BATCH_CHARACTERS", characters)
    count = BATCH_SIZE + 3
    articles = [make_article(n, TEXT, language="en") for n in range(count)]
    times = {article.article_id: 60 * n + 7 for n, article in enumerate(articles)}

    def window_of(
        record: Entity | Quote, element: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> tuple[str, int, int]:
        (window,) = element.windows
        return record.article_id, int(element.timestamp), int(window.start)

    def timed(article: Article) -> TimestampedValue:
        return TimestampedValue(article, times[article.article_id])

    with TestPipeline(runner=FnApiRunner()) as pipeline:
        at_times = pipeline | beam.Create(articles) | beam.Map(timed).with_output_types(Article)
        annotated = at_times | beam.WindowInto(FixedWindows(60)) | Annotate(AnnotateConfig())
        expected = [(key, time, time - 7) for key, time in times.items()]
        assert_that(annotated.quotes | "Quotes" >> beam.Map(window_of), equal_to(expected), "quotes")
        people = annotated.entities | beam.Filter(lambda e: e.type == "PERSON")
        assert_that(people | "People" >> beam.Map(window_of), equal_to(expected), "entities")


def test_articles_are_annotated_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = Annotator.annotate

    def annotate_and_count(self: Annotator, texts: Sequence[Text]) -> list[Annotation]:
        sizes.append(len(texts))
        return original(self, texts)

    monkeypatch.setattr(Annotator, "annotate", annotate_and_count)
    count = 2 * BATCH_SIZE + 1
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        # A FlatMap of one element puts all articles into one bundle.
        articles = (
            pipeline
            | beam.Create([count])
            | beam.FlatMap(lambda n: [make_article(i, TEXT) for i in range(n)]).with_output_types(Article)
        )
        assert_that((articles | Annotate(AnnotateConfig())).failures, is_empty())
    assert sorted(sizes) == [1, BATCH_SIZE, BATCH_SIZE]
