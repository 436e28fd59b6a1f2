"""Run a streaming pipeline: hold its lock and run it until it is stopped."""

from collections.abc import Sequence
from datetime import datetime, timezone

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipeline.config.errors import ConfigError
from pipeline.config.load import check_for_stream
from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.commit import exclusive
from pipeline.lake.recovery import start_attempt
from pipeline.run.engines import PRISM, check_job, remote_options, runner_of
from pipeline.run.job import run_job
from pipeline.run.progress import ProgressListener
from pipeline.stream.progress import StreamProgress
from transforms.fetch.generator import close_persistent
from transforms.schema.errors import OnrecordError, cause_of
from transforms.schema.run import stream_id
from transforms.storage.open import open_store

_RESTART_SECONDS = 60.0
"""A stream that ran for at least this time before an error may be restarted; a faulty one would fail sooner."""


class StreamError(OnrecordError):
    """The engine of a stream failed. The message is one sentence.

    Args:
        message: the sentence.
        seconds: time from the start of the stream to its failure.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.can_restart = seconds >= _RESTART_SECONDS


def run_stream(config: RunConfig, beam_options: Sequence[str] = (), listener: ProgressListener | None = None) -> None:
    """Run a stream until it is stopped, or until its sources have ended.

    The first SIGINT or SIGTERM drains a stream on this machine: no request starts, fetched pages are committed, and the
    other URLs are fetched when the stream starts again. The second aborts.

    Args:
        config: the checked configuration.
        beam_options: Beam's own options; the default runner is Prism.
        listener: receives the progress.

    Raises:
        ConfigError: a source or an option is not allowed in a stream, or the engine cannot be used.
        RunLockedError: another process runs the same stream.
        StreamError: the engine failed; the same command fetches again what was not committed.
        KeyboardInterrupt: a second SIGINT or SIGTERM came.
    """
    check_for_stream(config)
    check_job(config, beam_options)
    options = stream_options(beam_options)
    store, listener = open_store(config.lake), listener or ProgressListener()
    started, run_id = datetime.now(timezone.utc), stream_id(config.name)
    with exclusive(store, run_id) as lease_owner:
        run = start_attempt(store, config, run_id, started, lease_owner=lease_owner)
        listener.run_started(run_id)

        def create() -> beam.Pipeline:
            pipeline = beam.Pipeline(options=options)
            build(pipeline, config, run)
            return pipeline

        try:
            progress = StreamProgress(store, run, config.stream.window.seconds)
            run_job(create, runner_of(options), listener, progress)
        except Exception as error:
            raise StreamError(
                f"stream {config.name} failed, restart it to continue: {cause_of(error)}",
                (datetime.now(timezone.utc) - started).total_seconds(),
            ) from error
        finally:
            close_persistent()


def stream_options(beam_options: Sequence[str]) -> PipelineOptions:
    """Beam's options for a stream, with the defaults filled in.

    Raises:
        ConfigError: the runner cannot run a stream, or Prism is not installed.
    """
    options = remote_options([f"--runner={PRISM}", *beam_options])
    options.view_as(StandardOptions).streaming = True
    runner = runner_of(options)
    if "direct" in runner.lower() or "fnapi" in runner.lower():
        raise ConfigError(
            f"--runner {runner} cannot run a stream, because it closes windows only at the end; expected prism, flink "
            "or dataflow"
        )
    return options
