"""A run's graph has the parts that its configuration asks for."""

from dataclasses import replace
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.steps.commit import CountDistinct
from transforms.schema.run import Run, StagedFile

LISTS = {"type": "urls", "path": "urls.txt"}
FEEDS = {"type": "feeds", "urls": ["http://a.example/feed"]}
ARCHIVES = {"type": "warc", "path": "a.warc.gz"}
SPINE = {
    "ListUrls",
    "RetryUrls",
    "FilterKnownUrls",
    "FetchPages",
    "ExtractFetched",
    "AnnotateFetched",
    "Publish",
    "Commit",
}
ADOPTED = StagedFile(table="articles", partition="dt=2026-01-31", path="x/articles.parquet", rows=1, bytes=1)


@pytest.mark.parametrize(
    ("sources", "adopted", "parts"),
    [
        ([LISTS], (), set()),
        ([FEEDS], (), {"ReadListings"}),
        ([LISTS, ARCHIVES], (), {"ReadArchives", "ExtractArchived", "AnnotateArchived"}),
        ([LISTS], (ADOPTED,), {"ReadRecovered", "AnnotateResumed"}),
    ],
)
def test_parts_that_have_nothing_to_do_are_left_out(
    run: Run, sources: list[dict[str, Any]], adopted: tuple[StagedFile, ...], parts: set[str]
) -> None:
    pipeline = beam.Pipeline()
    config = RunConfig.model_validate({"name": "x", "lake": run.lake, "sources": sources})
    build(pipeline, config, replace(run, recovered=adopted))
    names = {transform.unique_name for transform in pipeline.to_runner_api().components.transforms.values()}
    found = {name.split("/")[0] for name in names}
    assert {name for name in found if name.startswith(("Read", "ReadRecovered", "Extract", "Annotate"))} == {
        "ExtractFetched",
        "AnnotateFetched",
        *parts,
    }
    assert found >= SPINE


@pytest.mark.parametrize(
    ("ids", "count"), [([], 0), ([bytes([first, second]) for first in range(3) for second in range(200)] * 2, 600)]
)
def test_equal_ids_count_once_and_none_count_zero(ids: list[bytes], count: int) -> None:
    with beam.Pipeline() as pipeline:
        assert_that(pipeline | beam.Create(ids).with_output_types(bytes) | CountDistinct(), equal_to([count]))
