"""Which engine really runs, and how a signal ends what runs elsewhere."""

import multiprocessing
import os
import signal
from typing import ClassVar

import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from pipeline.execute import Engine, engine_of, make
from transforms.records import Run


@pytest.mark.parametrize(
    ("options", "engine", "said"),
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
def test_the_engine_that_really_runs_is_named(options: list[str], engine: Engine, said: str | None) -> None:
    assert engine_of(options) == engine
    assert said is None or str(engine_of(options)) == said


class Elsewhere(PipelineRunner):
    """A runner that comes back at once, while its job goes on."""

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


def test_the_first_interrupt_cancels_a_job_elsewhere(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(run, lambda pipeline: None, [f"--runner={__name__}.Elsewhere"])
    assert Job.cancelled == 1
