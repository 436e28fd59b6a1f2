"""Execute one run: hold its lock, run the graph, and return the committed manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam

from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.commit import accept as accept_held
from pipeline.lake.commit import exclusive, held_error
from pipeline.lake.manifest import Manifest, check_run_id, read_manifest
from pipeline.lake.previous_run import previous_run
from pipeline.lake.recovery import start_attempt
from pipeline.lake.transaction import CommitError, NothingHeldError
from pipeline.run.engines import check_job, engine_of
from pipeline.run.job import create_pipeline, run_job
from pipeline.run.progress import ProgressListener
from transforms.schema.errors import cause_of
from transforms.schema.run import Run
from transforms.storage.open import open_store


@dataclass(frozen=True, slots=True)
class Executed:
    """The result of `execute`."""

    manifest: Manifest
    was_committed: bool
    """Whether the run had been committed before, and was not run again."""
    has_failed: bool = False
    """If it was committed before: whether every URL failed, none of them for a temporary reason."""
    has_other_config: bool = False
    """If it was committed before: whether its configuration was another one."""


def run_id_of(name: str, logical_time: datetime) -> str:
    """The default id of a run: the name of the configuration and the logical time to the minute, in UTC."""
    return f"{name}-{logical_time:%Y%m%dT%H%M}"


def execute(
    config: RunConfig,
    run_id: str,
    logical_time: datetime,
    *,
    replace: bool = False,
    accept: bool = False,
    beam_options: Sequence[str] = (),
    listener: ProgressListener | None = None,
) -> Executed:
    """Run the graph and wait for the commit.

    The first SIGINT or SIGTERM drains: no request starts, fetched pages are committed, and the other URLs are
    ``skipped / cancelled``. The second aborts.

    Args:
        config: the checked configuration.
        run_id: the run's id; a committed run is left as it is, unless every URL failed (`pipeline.lake.previous_run`).
        logical_time: its date is the partition of all rows.
        replace: run a committed run again and replace its rows.
        accept: commit the attempt that the quality gate holds, and run nothing.
        beam_options: Beam's own command line options.
        listener: receives the progress.

    Raises:
        ValueError: `run_id` is not a valid run id.
        ConfigError: the workers of another machine cannot reach the lake, or have another version of the code.
        NothingHeldError: the quality gate holds no attempt at the run.
        RunLockedError: another process holds the lock of the run.
        HeldError: the quality gate holds the run; the lake is unchanged.
        CommitError: the run failed before its commit; the lake is unchanged.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is unchanged.
    """
    check_run_id(run_id, is_new=True)
    check_job(config, beam_options)
    store = open_store(config.lake)
    with exclusive(store, run_id) as lease_owner:
        if accept and (accepted := accept_held(store, run_id)) is not None:
            return Executed(accepted, was_committed=False)
        previous = None if replace else previous_run(store, config, run_id)
        if previous is not None and (accept or not previous.is_repeated):
            failed, other = previous.has_failed, previous.has_other_config
            return Executed(previous.manifest, was_committed=True, has_failed=failed, has_other_config=other)
        if accept:
            raise NothingHeldError(
                f"the quality gate holds no attempt at run {run_id} in {store.root}, so there is nothing to accept: "
                "select another run with --date or --run-id, or run it without --accept"
            )
        to_retry = previous.to_retry if previous is not None else []
        if previous is not None and listener is not None:
            listener.retrying(previous.retriable if to_retry else previous.urls, previous.urls)
        try:
            run = start_attempt(store, config, run_id, logical_time, lease_owner=lease_owner, to_retry=to_retry)
        except OSError as error:
            raise CommitError(f"run {run_id} was not committed, the lake is unchanged: {cause_of(error)}") from error
        sharded = with_local_shards(config, beam_options)
        manifest = run_attempt(run, lambda pipeline: build(pipeline, sharded, run), beam_options, listener)
        return Executed(manifest, was_committed=False)


def run_attempt(
    run: Run,
    add_graph: Callable[[beam.Pipeline], None],
    beam_options: Sequence[str] = (),
    listener: ProgressListener | None = None,
) -> Manifest:
    """Run the graph of one attempt and wait for its commit. The caller holds the run's lock.

    Args:
        run: the attempt.
        add_graph: adds its graph to a pipeline.
        beam_options: Beam's own command line options.
        listener: receives the progress.

    Raises:
        HeldError: the quality gate holds the run; the lake is unchanged.
        CommitError: the graph failed before its commit; the lake is unchanged.
        KeyboardInterrupt: a second SIGINT or SIGTERM came before the commit; the lake is unchanged.
    """
    listener = listener or ProgressListener()
    listener.run_started(run.run_id)

    def create() -> beam.Pipeline:
        pipeline = create_pipeline(beam_options)
        add_graph(pipeline)
        return pipeline

    try:
        run_job(create, engine_of(beam_options).runner, listener)
    except (Exception, KeyboardInterrupt) as error:
        # The runner reports any exception of a stage as its own.
        if (is_held := held_error(open_store(run.lake), run)) is not None:
            raise is_held from error
        if isinstance(error, KeyboardInterrupt):
            raise
        raise CommitError(f"run {run.run_id} was not committed, the lake is unchanged: {cause_of(error)}") from error
    manifest = read_manifest(open_store(run.lake), run.run_id)
    if manifest is None or manifest.attempt != run.attempt:
        raise CommitError(f"run {run.run_id} ended without a commit, the lake is unchanged")
    return manifest


def with_local_shards(config: RunConfig, beam_options: Sequence[str]) -> RunConfig:
    """The configuration with one shard of hosts per local worker.

    The local runner gives each worker the same number of shards, however large they are; shards are of about the same
    size only if there is one for each worker.
    """
    engine = engine_of(beam_options)
    if not engine.is_local:
        return config
    return config.model_copy(update={"fetch": config.fetch.model_copy(update={"shards": engine.workers})})
