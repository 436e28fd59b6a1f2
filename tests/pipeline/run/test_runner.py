"""The chosen engine, local shards, cached views of options, and interrupts of remote jobs."""

import multiprocessing
import os
import signal
from typing import ClassVar

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from pipeline.config.models import RunConfig
from pipeline.run.engines import Engine, engine_of
from pipeline.run.job import Options
from pipeline.run.runner import run_attempt, with_local_shards
from transforms.schema.run import Run


@pytest.mark.parametrize(
    ("options", "engine", "text"),
    [
        ([], Engine("FnApiRunner", "in_memory", 1), "FnApiRunner (in_memory, 1 worker)"),
        (["--runner=DirectRunner"], Engine("FnApiRunner", "in_memory", 1), "FnApiRunner (in_memory, 1 worker)"),
        (
            ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--direct_num_workers=0"],
            Engine("FnApiRunner", "in_memory", multiprocessing.cpu_count()),
            None,
        ),
        (
            ["--direct_running_mode=multi_processing", "--direct_num_workers=3"],
            Engine("FnApiRunner", "multi_processing", 3),
            "FnApiRunner (multi_processing, 3 workers)",
        ),
        (
            ["--runner=DataflowRunner", "--num_workers=9"],
            Engine("DataflowRunner", None, 9),
            "DataflowRunner (9 workers)",
        ),
        (["--runner=FlinkRunner"], Engine("FlinkRunner", None, None), "FlinkRunner"),
    ],
)
def test_chosen_engine(options: list[str], engine: Engine, text: str | None) -> None:
    assert engine_of(options) == engine
    assert text is None or str(engine_of(options)) == text


def test_one_shard_per_local_worker(run: Run) -> None:
    config = RunConfig.model_validate(
        {"name": "daily", "lake": "lake", "sources": [{"type": "urls", "path": "urls.txt"}]}
    )
    two = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    assert with_local_shards(config, two).fetch == config.fetch.model_copy(update={"shards": 2})
    assert with_local_shards(config, []).fetch.shards == 1
    assert with_local_shards(config, ["--runner=FlinkRunner"]) == config


def test_views_of_options_are_cached() -> None:
    options = Options(["--direct_num_workers=3"])
    direct = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is direct
    assert direct.direct_num_workers == 3
    direct.direct_running_mode = None
    assert options.get_all_options()["direct_running_mode"] is None
    assert (
        PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
        .view_as(DirectOptions)
        .direct_num_workers
        == 3
    )


class RemoteRunner(PipelineRunner):
    """A runner that returns while its job is running."""

    def run_pipeline(self, pipeline: beam.Pipeline, options: object) -> "Job":
        return Job()


class Job(PipelineResult):
    cancelled: ClassVar = 0

    def __init__(self) -> None:
        super().__init__(PipelineState.RUNNING)

    def wait_until_finish(self, duration: object = None) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def cancel(self) -> None:
        Job.cancelled += 1


def test_first_interrupt_cancels_a_remote_job(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_attempt(run, lambda pipeline: None, [f"--runner={__name__}.RemoteRunner"])
    assert Job.cancelled == 1
