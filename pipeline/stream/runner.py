"""Makes a stream flow: takes its lock, runs its graph until it is stopped, and says which windows were committed."""

import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from pipeline.config.errors import ConfigError
from pipeline.config.load import check_for_stream
from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.commit import exclusive
from pipeline.lake.recovery import start_attempt
from pipeline.run.engines import PRISM, cancel, check_job, remote_options, runner_of
from pipeline.run.progress import UNWATCHED, Watcher, watched
from pipeline.run.runner import cause_of, start, stop_signals
from pipeline.stream.progress import StreamWatch
from transforms.fetch.generator import close_persistent
from transforms.runtime.drain import shared_drain
from transforms.schema.errors import OnrecordError
from transforms.schema.run import stream_id
from transforms.storage.open import open_store

LEAST_SECONDS = 60.0
"""A stream that flowed for so long and then ended by an error may be started again: it was not at fault itself."""


class StreamError(OnrecordError):
    """The stream ended by an error. The message is one sentence.

    Args:
        message: the sentence.
        seconds: how long the stream flowed.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.may_start_again = seconds >= LEAST_SECONDS


def flow(config: RunConfig, beam_options: Sequence[str] = (), watcher: Watcher = UNWATCHED) -> None:
    """Runs a stream until it is stopped, or until its sources have ended.

    The first SIGINT or SIGTERM drains a stream of this machine: no request begins, what was fetched is committed, and
    what was not is taken up when the stream starts again. The second aborts.

    Args:
        config: the checked configuration.
        beam_options: Beam's own options; Prism runs it where they name no runner.
        watcher: is told how it goes.

    Raises:
        ConfigError: it has a source or an option that no stream takes, or the engine cannot be used.
        RunLockedError: another process runs the same stream.
        StreamError: the engine gave up; what was not committed is asked for again by the same command.
        KeyboardInterrupt: a second SIGINT or SIGTERM came.
    """
    check_for_stream(config)
    check_job(config, beam_options)
    options = stream_options(beam_options)
    store = open_store(config.lake)
    now = datetime.now(timezone.utc)
    run_id = stream_id(config.name)
    with exclusive(store, run_id) as lease_owner:
        run = start_attempt(store, config, run_id, now, lease_owner=lease_owner)
        watcher.begins(run_id)
        stopped = threading.Event()
        figures = partial(StreamWatch, store=store, run=run, window_seconds=config.stream.window.seconds)
        runner = runner_of(options)
        is_local = runner == PRISM
        try:
            with (
                shared_drain(),
                watched(watcher, figures) as watch,
                stop_signals(stopped, watcher.drains if is_local else None),
            ):
                pipeline = beam.Pipeline(options=options)
                build(pipeline, config, run)
                result = start(pipeline, runner)
                if not is_local:
                    watch.follow(result)
                _wait(pipeline, result)
        except Exception as error:
            if stopped.is_set():
                raise KeyboardInterrupt from error
            raise StreamError(
                f"stream {config.name} ended by an error, and goes on when it is started again: {cause_of(error)}",
                (datetime.now(timezone.utc) - now).total_seconds(),
            ) from error
        finally:
            close_persistent()


def _wait(pipeline: beam.Pipeline, result: PipelineResult) -> None:
    try:
        result.wait_until_finish()
    except KeyboardInterrupt:
        cancel(pipeline, result)
        raise


def stream_options(beam_options: Sequence[str]) -> PipelineOptions:
    """Beam's options for a stream, with what they leave open.

    Raises:
        ConfigError: the runner groups nothing before its sources end, or there is no Prism.
    """
    options = remote_options([f"--runner={PRISM}", *beam_options])
    options.view_as(StandardOptions).streaming = True
    runner = runner_of(options)
    if "direct" in runner.lower() or "fnapi" in runner.lower():
        raise ConfigError(
            f"--runner {runner}: it closes no window before the end; allowed are prism, flink and dataflow"
        )
    return options
