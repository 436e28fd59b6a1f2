"""Run a Beam pipeline to its end, with progress reports, a drain on the first signal and cancellation on the second."""

import logging
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, PipelineOptionsT
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipeline.run.engines import LOCAL_RUNNER, PRISM, cancel, engine_of, remote_options
from pipeline.run.progress import Figures, ProgressListener, watched
from transforms.runtime.drain import drain, shared_drain

if TYPE_CHECKING:
    from transforms.runtime.metrics import Counts


def run_job(
    create: Callable[[], beam.Pipeline],
    runner: str,
    listener: ProgressListener,
    figures_of: "Callable[[float, Counts], Figures] | None" = None,
) -> None:
    """Run a pipeline and wait for its end.

    The first SIGINT or SIGTERM drains a pipeline with workers on this machine: no request starts, and the fetched pages
    are committed. The second signal cancels it. On other engines the first signal cancels it.

    Args:
        create: creates the pipeline with its graph.
        runner: name of its runner.
        listener: receives the progress.
        figures_of: computes the figures (`pipeline.run.progress.watched`).

    Raises:
        KeyboardInterrupt: the pipeline was cancelled, or it failed after a signal.
    """
    stopped = threading.Event()
    drains = runner in (LOCAL_RUNNER, PRISM)
    try:
        with (
            shared_drain(),
            watched(listener, figures_of) as follow,
            _stop_signals(stopped, listener.draining if drains else None),
        ):
            pipeline = create()
            # A local runner returns at the end of the run, any other at once.
            result = _start(pipeline, runner)
            if runner != PRISM:
                follow(result)
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                cancel(pipeline, result)
                raise
    except Exception as error:
        # Beam wraps a KeyboardInterrupt that is raised inside a stage.
        if stopped.is_set():
            raise KeyboardInterrupt from error
        raise


def _start(pipeline: beam.Pipeline, runner: str) -> PipelineResult:
    if runner != PRISM:
        return pipeline.run()
    # A Ctrl-C in a terminal reaches all processes; Prism inherits that it is ignored, so that it survives the drain.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pipeline.run()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _stop_signals(stopped: threading.Event, draining: Callable[[], None] | None) -> Iterator[None]:
    """Drain and call `draining` on the first SIGINT or SIGTERM; on the next, or without it, raise KeyboardInterrupt."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if stopped.is_set() or draining is None:
            stopped.set()
            raise KeyboardInterrupt
        stopped.set()
        drain()
        draining()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Options(PipelineOptions):
    """Beam's options with one cached view per class.

    Beam requests a view at every step of a graph and parses all arguments again for each; that took half of the time to
    build our graph.
    """

    def view_as(self, cls: type[PipelineOptionsT]) -> PipelineOptionsT:
        views = self.__dict__.setdefault("_views", {})  # Beam takes any other attribute for an option
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: PipelineOptionsT = views[cls]
        return view


def create_pipeline(beam_options: Sequence[str]) -> beam.Pipeline:
    """Create an empty batch pipeline for the chosen engine.

    Args:
        beam_options: Beam's own command line options.

    Raises:
        ConfigError: the options name Prism, which is not installed.
    """
    engine, options = engine_of(beam_options), Options(list(beam_options))
    if not engine.is_local:
        return beam.Pipeline(options=remote_options(beam_options))
    runner = FnApiRunner()
    if engine.mode == "multi_processing":
        level = logging.getLogger().getEffectiveLevel()
        # In this mode the runner would take Beam's own worker command instead of ours.
        options.view_as(DirectOptions).direct_running_mode = None
        # The worker must find the modules where this process found them, whatever its working folder contains.
        code = f"import sys; sys.path[:] = {sys.path!r}; from pipeline.run.worker import main; main({level})"
        command = shlex.join(["exec", sys.executable, "-c", code])
        runner = FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
    return beam.Pipeline(runner, options)
