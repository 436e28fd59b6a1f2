"""Makes one run: takes the lake's lock, runs the graph, and says what was committed."""

import logging
import multiprocessing
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, PipelineOptionsT, WorkerOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.commit import accept as accept_held
from pipeline.lake.commit import exclusive, held_error
from pipeline.lake.manifest import Manifest, check_run_id, read_manifest
from pipeline.lake.recovery import start_attempt
from pipeline.lake.transaction import CommitError, NothingHeldError
from pipeline.run.engines import PRISM, cancel, check_job, is_prism, remote_options, runner_of
from pipeline.run.progress import UNWATCHED, Watcher, watched
from transforms.runtime.drain import drain, shared_drain
from transforms.schema.run import Run
from transforms.storage.open import open_store

LOCAL_RUNNER = "FnApiRunner"
"""Beam's runner of this machine, by name: `DirectRunner` would be a switch that may download another engine."""
_LOCAL_NAMES = ("fnapirunner", "directrunner", "direct", "switchingdirectrunner")


@dataclass(frozen=True, slots=True)
class Executed:
    """What `execute` did: the run's manifest, and whether it had been committed before."""

    manifest: Manifest
    was_committed: bool


def run_id_of(name: str, logical_time: datetime) -> str:
    """The id of a run: the configuration's name and its logical time to the minute, in UTC."""
    return f"{name}-{logical_time:%Y%m%dT%H%M}"


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a graph."""

    runner: str
    mode: str | None = None
    """How a local runner's workers run: in_memory, multi_threading or multi_processing."""
    workers: int | None = None
    """None where the runner decides."""

    @property
    def is_local(self) -> bool:
        """Whether it is the runner of this machine."""
        return self.runner == LOCAL_RUNNER

    @property
    def drains(self) -> bool:
        """Whether its workers are of this machine, where a drain reaches them."""
        return self.runner in (LOCAL_RUNNER, PRISM)

    def __str__(self) -> str:
        of_workers = f"{self.workers} worker{'s' if self.workers != 1 else ''}" if self.workers else ""
        details = ", ".join(filter(None, (self.mode, of_workers)))
        return f"{self.runner} ({details})" if details else self.runner


def engine_of(beam_options: Sequence[str]) -> Engine:
    """What these Beam options choose; without any, and for the switch `DirectRunner`, it is `LOCAL_RUNNER`."""
    options = PipelineOptions(list(beam_options))
    runner = runner_of(options) or LOCAL_RUNNER
    if runner.lower() in _LOCAL_NAMES:
        direct = options.view_as(DirectOptions)
        workers = direct.direct_num_workers if direct.direct_num_workers is not None else 1
        return Engine(LOCAL_RUNNER, direct.direct_running_mode, workers or multiprocessing.cpu_count())
    if is_prism(options):
        return Engine(PRISM)
    return Engine(runner, workers=options.view_as(WorkerOptions).num_workers)


def execute(
    config: RunConfig,
    run_id: str,
    logical_time: datetime,
    *,
    replace: bool = False,
    accept: bool = False,
    beam_options: Sequence[str] = (),
    watcher: Watcher = UNWATCHED,
) -> Executed:
    """Runs the graph and waits for its commit.

    The first SIGINT or SIGTERM drains: no request begins, what was fetched is committed, and the other URLs are
    ``skipped / cancelled``. The second aborts.

    Args:
        config: the checked configuration.
        run_id: the run's id; a committed run of this id is left as it is.
        logical_time: its date is the partition of all rows.
        replace: make a committed run's rows anew and swap them in.
        accept: publish what the quality gate holds of the run, and make nothing.
        beam_options: Beam's own command line options.
        watcher: is told how the run goes.

    Raises:
        ValueError: `run_id` is no id for a run.
        ConfigError: Dataflow's workers would lack the lake or this version of the code.
        NothingHeldError: there is nothing to accept.
        RunLockedError: another process makes the same run.
        HeldError: the quality gate holds the run; the lake is as it was.
        CommitError: the run failed before its commit; the lake is as it was.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is as it was.
    """
    check_run_id(run_id, is_new=True)
    check_job(config, beam_options)
    store = open_store(config.lake)
    with exclusive(store, run_id) as lease_owner:
        if accept and (accepted := accept_held(store, run_id)) is not None:
            return Executed(accepted, was_committed=False)
        committed = read_manifest(store, run_id)
        if committed is not None and not replace:
            return Executed(committed, was_committed=True)
        if accept:
            raise NothingHeldError(
                f"nothing of run {run_id} is held in {store.root}, so there is nothing to accept: without --accept the "
                "run is made; --date and --run-id say which run is meant"
            )
        try:
            run = start_attempt(store, config, run_id, logical_time, lease_owner=lease_owner)
        except OSError as error:
            raise CommitError(f"run {run_id} was not committed, the lake is as it was: {error}") from error
        dealt = dealt_for(config, beam_options)
        manifest = make(run, lambda pipeline: build(pipeline, dealt, run), beam_options, watcher)
        return Executed(manifest, was_committed=False)


def make(
    run: Run,
    add_graph: Callable[[beam.Pipeline], None],
    beam_options: Sequence[str] = (),
    watcher: Watcher = UNWATCHED,
) -> Manifest:
    """Runs the graph of one attempt and waits for its commit. The caller holds the run's lock.

    Args:
        run: the attempt.
        add_graph: adds its graph to a pipeline.
        beam_options: Beam's own command line options.
        watcher: is told how the run goes.

    Raises:
        HeldError: the quality gate holds the run; the lake is as it was.
        CommitError: the graph failed before its commit; the lake is as it was.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is as it was.
    """
    stopped = threading.Event()
    watcher.begins(run.run_id)
    engine = engine_of(beam_options)
    drains = watcher.drains if engine.drains else None
    try:
        with shared_drain(), watched(watcher) as watch, stop_signals(stopped, drains):
            pipeline = _pipeline(beam_options)
            add_graph(pipeline)
            # A local runner comes back when the run has ended, any other at once.
            result = start(pipeline, engine.runner)
            if engine.runner != PRISM:
                watch.follow(result)
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                cancel(pipeline, result)
                raise
    except Exception as error:
        if (is_held := held_error(open_store(run.lake), run)) is not None:
            raise is_held from error
        if stopped.is_set():
            raise KeyboardInterrupt from error
        raise CommitError(f"run {run.run_id} was not committed, the lake is as it was: {cause_of(error)}") from error
    manifest = read_manifest(open_store(run.lake), run.run_id)
    if manifest is None or manifest.attempt != run.attempt:
        raise CommitError(f"run {run.run_id} ended without a commit; the lake is as it was")
    return manifest


def dealt_for(config: RunConfig, beam_options: Sequence[str]) -> RunConfig:
    """The configuration with a group of hosts for each worker of this machine: its runner gives each worker the same
    number of groups, whatever is in them, and only the groups are about as large as one another.
    """
    engine = engine_of(beam_options)
    if not engine.is_local:
        return config
    return config.model_copy(update={"fetch": config.fetch.model_copy(update={"shards": engine.workers})})


class Options(PipelineOptions):
    """Beam's options, each view of them made once: at every step of a graph Beam asks for one, which parses all
    arguments anew, and that was half of the time to build ours.
    """

    def view_as(self, cls: type[PipelineOptionsT]) -> PipelineOptionsT:
        views = self.__dict__.setdefault("_views", {})  # another attribute would be taken for an option
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: PipelineOptionsT = views[cls]
        return view


def _pipeline(beam_options: Sequence[str]) -> beam.Pipeline:
    engine, options = engine_of(beam_options), Options(list(beam_options))
    if not engine.is_local:
        return beam.Pipeline(options=remote_options(beam_options))
    runner = FnApiRunner()
    if engine.mode == "multi_processing":
        level = logging.getLogger().getEffectiveLevel()
        # In place of Beam's own command, which the runner would take for this mode.
        options.view_as(DirectOptions).direct_running_mode = None
        # Modules are found where this process finds them, whatever lies in the working folder.
        code = f"import sys; sys.path[:] = {sys.path!r}; from pipeline.run.worker import main; main({level})"
        command = shlex.join(["exec", sys.executable, "-c", code])
        runner = FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
    return beam.Pipeline(runner, options)


def start(pipeline: beam.Pipeline, runner: str) -> PipelineResult:
    """Runs a pipeline. A terminal's Ctrl-C goes to every process: Prism, started here, outlives it."""
    if runner != PRISM:
        return pipeline.run()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pipeline.run()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_signals(stopped: threading.Event, drains: Callable[[], None] | None) -> Iterator[None]:
    """The first SIGINT or SIGTERM inside drains, and calls `drains`; the next raises KeyboardInterrupt, and so does the
    first where there is none. `stopped` is set, since Beam wraps what is raised inside a stage.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if stopped.is_set() or drains is None:
            stopped.set()
            raise KeyboardInterrupt
        stopped.set()
        drain()
        drains()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def cause_of(error: Exception) -> str:
    """Beam's errors repeat the traceback in their message: their last line says what happened, or gRPC's details do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    details = [line.removeprefix("details = ").strip('"') for line in lines if line.startswith("details = ")]
    return (details or lines or [type(error).__name__])[-1]
