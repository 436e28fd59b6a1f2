"""Refused configurations, Beam options and the graph of `onrecord stream`."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.config.errors import ConfigError
from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.attempts import new_attempt
from pipeline.lake.manifest import check_run_id
from pipeline.lake.transaction import RunLockedError, locked
from pipeline.run.engines import PRISM, runner_of
from pipeline.stream.runner import run_stream, stream_options
from tests.support.gcs import serve_gcs
from transforms.storage.folder import FolderStore

QUEUE = "projects/news-site/subscriptions/urls"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def config_of(folder: Path, **more: Any) -> RunConfig:
    known = {"name": "live", "lake": str(folder), "sources": [{"type": "feeds", "urls": ["http://a.example/feed"]}]}
    return RunConfig.model_validate({**known, **more})


def graph_of(config: RunConfig, *options: str) -> beam_runner_api_pb2.Pipeline:
    pipeline = beam.Pipeline(options=stream_options(options))
    run = new_attempt("live-stream", datetime.now(timezone.utc).date(), config.lake)
    build(pipeline, config, replace(run, logical_time=datetime.now(timezone.utc)))
    return pipeline.to_runner_api()


def stages(graph: beam_runner_api_pb2.Pipeline) -> set[str]:
    return {transform.unique_name.split("/")[0] for transform in graph.components.transforms.values()}


@pytest.fixture(autouse=True)
def _prism(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called prism on the PATH, which none of these tests starts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "prism").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_default_runner_is_prism() -> None:
    options = stream_options([])
    assert runner_of(options) == PRISM
    assert options.view_as(StandardOptions).streaming is True
    assert runner_of(stream_options(["--runner=FlinkRunner"])) == "FlinkRunner"


@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner", "direct", "SwitchingDirectRunner"])
def test_local_runner_is_refused(runner: str) -> None:
    with pytest.raises(
        ConfigError,
        match="cannot run a stream, because it closes windows only at the end; expected prism, flink or dataflow",
    ):
        stream_options([f"--runner={runner}"])


def test_sources_of_runs_are_refused_before_locking(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="type warc"):
        run_stream(config_of(tmp_path / "lake", sources=[{"type": "warc", "path": "a.warc.gz"}]))
    with pytest.raises(ConfigError, match="archive: true"):
        run_stream(config_of(tmp_path / "lake", archive=True))
    assert not (tmp_path / "lake").exists()


def test_stream_is_locked(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    with locked(store, "live-stream"), pytest.raises(RunLockedError, match="is in progress in another process"):
        run_stream(config_of(tmp_path))


def test_run_with_the_id_of_a_stream_is_refused() -> None:
    check_run_id("live-stream")
    with pytest.raises(ValueError, match="IDs of streams end with -stream"):
        check_run_id("live-stream", is_new=True)


def test_graph_is_unbounded(tmp_path: Path) -> None:
    feeds = {"type": "feeds", "urls": ["http://a.example/feed"]}
    graph = graph_of(config_of(tmp_path, sources=[{"type": "pubsub", "subscription": QUEUE}, feeds]))
    found = stages(graph)
    assert {
        "WatchListings",
        f"ReadPubSub {QUEUE.replace('/', ' ')}",
        "RetryUrls",
        "Deduplicate",
        "FilterKnownUrls",
        "FetchPages",
        "CommitWindows",
    } <= found
    windows = {
        strategy.trigger.WhichOneof("trigger"): strategy for strategy in graph.components.windowing_strategies.values()
    }
    strategy = windows["after_end_of_window"]
    assert strategy.allowed_lateness == 3_600_000
    assert strategy.accumulation_mode == beam_runner_api_pb2.AccumulationMode.DISCARDING
    fetch = next(t for t in graph.components.transforms.values() if t.unique_name.endswith("FetchPages/Fetch"))
    assert b"FetchStream" in fetch.spec.payload
    [fetched] = fetch.inputs.values()
    is_bounded = graph.components.pcollections[fetched].is_bounded
    assert is_bounded == beam_runner_api_pb2.IsBounded.UNBOUNDED


def test_dataflow_reads_the_queue_with_its_own_source(tmp_path: Path) -> None:
    source = {"type": "pubsub", "subscription": QUEUE, "id_attribute": "uid"}
    with serve_gcs("news"):
        graph = graph_of(
            config_of(tmp_path, sources=[source], lake="gs://news/lake"),
            "--runner=DataflowRunner",
            "--project=news-site",
            "--region=europe-west1",
            "--temp_location=gs://news/temp",
        )
    reads = [t for t in graph.components.transforms.values() if t.spec.urn == "beam:transform:pubsub_read:v1"]
    [read] = reads
    payload = beam_runner_api_pb2.PubSubReadPayload.FromString(read.spec.payload)
    assert (payload.subscription, payload.id_attribute, payload.with_attributes) == (QUEUE, "uid", True)
    assert payload.timestamp_attribute == ""  # one broken message would stop the job


def test_keys_are_not_printed(tmp_path: Path) -> None:
    config = config_of(tmp_path, fetch={"headers": {"a.example": {"X-Key": "hidden1"}}})
    pipeline = beam.Pipeline(options=PipelineOptions())
    run = new_attempt("live-stream", datetime.now(timezone.utc).date(), config.lake)
    build(pipeline, config, replace(run, logical_time=datetime.now(timezone.utc)))
    shown = repr([(t.full_label, t.transform) for t in pipeline.transforms_stack]) + repr(config)
    assert "hidden1" not in shown
