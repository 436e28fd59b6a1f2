"""The graph of a run: steps follow the configuration, labels are stable, outputs have types."""

from dataclasses import replace
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipeline.config.models import RunConfig
from pipeline.graph import build
from transforms.schema.records import Article, Entity, Failure, Fetch, Quote, UrlRequest
from transforms.schema.run import Run, StagedFile, stream_id

LISTS = {"type": "urls", "path": "urls.txt"}
FEEDS = {"type": "feeds", "urls": ["http://a.example/feed"]}
ARCHIVES = {"type": "warc", "path": "a.warc.gz"}
QUEUE = {"type": "pubsub", "subscription": "projects/news-site/subscriptions/urls"}
RECOVERED = StagedFile(table="articles", partition="dt=2026-01-31", path="x/articles.parquet", rows=1, bytes=1)
STAGED = {
    "StageFilterKnownUrlsFetches",
    "StageFetchPagesFetches",
    "StageFetchPagesFailures",
    "StageExtractFetchedArticles",
    "StageExtractFetchedFetches",
    "StageExtractFetchedFailures",
    "StageAnnotateFetchedEntities",
    "StageAnnotateFetchedQuotes",
    "StageAnnotateFetchedFailures",
}
ALWAYS = {"ListUrls", "RetryUrls", "AllUrls", "FilterKnownUrls", "FetchPages", "ExtractFetched", "AnnotateFetched"}
BATCH = {*ALWAYS, *STAGED, "StagedFiles", "MergeStagedFiles", "Files", "Commit"}
LISTED = {"ReadListings", "StageReadListingsFetches", "StageReadListingsFailures"}
ARCHIVED = {"ReadArchives", "StageReadArchivesFetches", "StageReadArchivesFailures"}
RECOVERED_STEPS = {"ReadRecovered", *(step.replace("Fetched", "Recovered") for step in STAGED if "Annotate" in step)}


class Graph(PipelineVisitor):
    """The transforms of a run's graph by label."""

    def __init__(self, run: Run, *sources: dict[str, Any], **options: Any) -> None:
        self.transforms: dict[str, AppliedPTransform] = {}
        config = RunConfig.model_validate({"name": "x", "lake": run.lake, "sources": sources, **options})
        pipeline = beam.Pipeline()
        build(pipeline, config, run)
        pipeline.visit(self)

    @property
    def steps(self) -> set[str]:
        """Labels of the outermost transforms."""
        return {label for label in self.transforms if label and "/" not in label}

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        self.transforms[transform_node.full_label] = transform_node

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        self.transforms[transform_node.full_label] = transform_node


@pytest.mark.parametrize(
    ("sources", "options", "recovered", "added"),
    [
        ([LISTS], {}, (), set()),
        ([LISTS], {"archive": True}, (), {"ArchivePages"}),
        ([FEEDS], {}, (), LISTED),
        (
            [LISTS, ARCHIVES],
            {},
            (),
            {*ARCHIVED, *(step.replace("Fetched", "Archived") for step in BATCH if "Fetched" in step)},
        ),
        ([LISTS], {}, (RECOVERED,), {*RECOVERED_STEPS, "AnnotateRecovered"}),
    ],
    ids=["lists", "archive", "feeds", "archives", "recovered"],
)
def test_each_part_adds_its_own_steps_and_renames_none(
    run: Run, sources: list[dict[str, Any]], options: dict[str, Any], recovered: tuple[StagedFile, ...], added: set[str]
) -> None:
    assert Graph(replace(run, recovered=recovered), *sources, **options).steps == BATCH | added


def test_steps_of_a_stream(run: Run) -> None:
    stream = replace(run, run_id=stream_id("x"), recovered=(RECOVERED,))
    staged = {*STAGED, *(step for step in RECOVERED_STEPS if step.startswith("Stage"))}
    staged |= {step.replace("Read", "Watch") for step in LISTED if step.startswith("Stage")}
    assert Graph(stream, LISTS, FEEDS, QUEUE).steps == {
        *ALWAYS,
        *staged,
        *(step.replace("Stage", "Window", 1) for step in staged),
        "WatchListings",
        "ReadPubSub projects news-site subscriptions urls",
        "Deduplicate",
        "AcknowledgeDuplicates",
        "ReadRecovered",
        "AnnotateRecovered",
        "WindowRecoveredFiles",
        "StagedFiles",
        "CommitWindows",
    }


def test_filter_known_urls_has_typed_outputs(run: Run) -> None:
    outputs = Graph(run, LISTS).transforms["FilterKnownUrls/LookUp"].outputs
    assert {tag: output.element_type for tag, output in outputs.items()} == {None: UrlRequest, "fetches": Fetch}


def test_staged_rows_have_the_type_of_their_table(run: Run) -> None:
    graph = Graph(replace(run, recovered=(RECOVERED,)), LISTS, FEEDS, ARCHIVES)
    types = {"Articles": Article, "Fetches": Fetch, "Failures": Failure, "Entities": Entity, "Quotes": Quote}
    staging = {step for step in graph.steps if step.startswith("Stage") and step != "StagedFiles"}
    assert len(staging) == 22
    for step in staging:
        [table] = [name for name in types if step.endswith(name)]
        assert (step, graph.transforms[step].inputs[0].element_type) == (step, types[table])
