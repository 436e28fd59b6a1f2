"""Makes one run: takes the lake's lock, runs the graph, and says what was committed."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from datetime import datetime
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipeline.config import RunConfig
from pipeline.graph import build
from pipeline.lake import CommitError, Manifest, exclusive, new_attempt, read_manifest
from pipeline.resume import begin
from transforms.fetch import drain, shared_drain
from transforms.records import Run
from transforms.store import open_store

LOCAL_RUNNER = "FnApiRunner"
"""Beam's in-memory runner, by name: `DirectRunner` would be a switch that may download another engine."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What `execute` did: the run's manifest, and whether it had been committed before."""

    manifest: Manifest
    was_committed: bool


def run_id_of(name: str, logical_time: datetime) -> str:
    """The id of a run: the configuration's name and its logical time to the minute, in UTC."""
    return f"{name}-{logical_time:%Y%m%dT%H%M}"


def runner_of(beam_options: Sequence[str]) -> str:
    """The runner that these Beam options choose."""
    return PipelineOptions(list(beam_options)).view_as(StandardOptions).runner or LOCAL_RUNNER


def execute(
    config: RunConfig,
    run_id: str,
    logical_time: datetime,
    *,
    replace: bool = False,
    beam_options: Sequence[str] = (),
    on_drain: Callable[[], None] = lambda: None,
) -> Executed:
    """Runs the graph and waits for its commit.

    The first SIGINT or SIGTERM drains: no request begins, what was fetched is committed, and the other URLs are
    ``skipped / cancelled``. The second aborts.

    Args:
        config: the checked configuration.
        run_id: the run's id; a committed run of this id is left as it is.
        logical_time: its date is the partition of all rows.
        replace: make a committed run's rows anew and swap them in.
        beam_options: Beam's own command line options.
        on_drain: called in the signal's handler when the drain begins.

    Raises:
        RunLockedError: another process makes the same run.
        CommitError: the run failed before its commit; the lake is as it was.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is as it was.
    """
    store = open_store(config.lake)
    with exclusive(store, run_id) as holder:
        committed = read_manifest(store, run_id)
        if committed is not None and not replace:
            return Executed(committed, was_committed=True)
        run = new_attempt(run_id, logical_time.date(), store.root, holder)
        try:
            run = begin(store, replace_fields(run, logical_time=logical_time), config)
        except OSError as error:
            raise CommitError(f"run {run_id} was not committed, the lake is as it was: {error}") from error
        manifest = make(run, lambda pipeline: build(pipeline, config, run), beam_options, on_drain)
        return Executed(manifest, was_committed=False)


def make(
    run: Run,
    add_graph: Callable[[beam.Pipeline], None],
    beam_options: Sequence[str] = (),
    on_drain: Callable[[], None] = lambda: None,
) -> Manifest:
    """Runs the graph of one attempt and waits for its commit. The caller holds the run's lock.

    Args:
        run: the attempt.
        add_graph: adds its graph to a pipeline.
        beam_options: Beam's own command line options.
        on_drain: called in the signal's handler when the drain begins.

    Raises:
        CommitError: the graph failed before its commit; the lake is as it was.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is as it was.
    """
    options = PipelineOptions(list(beam_options), runner=runner_of(beam_options))
    stopped = threading.Event()
    try:
        with shared_drain(), _stop_signals(stopped, on_drain), beam.Pipeline(options=options) as pipeline:
            add_graph(pipeline)
    except Exception as error:
        if stopped.is_set():
            raise KeyboardInterrupt from error
        raise CommitError(f"run {run.run_id} was not committed, the lake is as it was: {_cause(error)}") from error
    manifest = read_manifest(open_store(run.lake), run.run_id)
    if manifest is None or manifest.attempt != run.attempt:
        raise CommitError(f"run {run.run_id} ended without a commit; the lake is as it was")
    return manifest


@contextmanager
def _stop_signals(stopped: threading.Event, on_drain: Callable[[], None]) -> Iterator[None]:
    """The first stop signal drains, the next raises KeyboardInterrupt. Both leave a mark: Beam wraps what is raised
    inside a stage, and a terminal's Ctrl-C ends worker processes, which cannot drain then.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        drain()
        on_drain()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cause(error: Exception) -> str:
    """Beam's errors repeat the traceback in their message: their last line says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
