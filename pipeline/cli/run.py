"""The commands that make runs: `onrecord run` and `reprocess`."""

import dataclasses
import os
import re
import sys
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import (
    EXIT_FAILED,
    EXIT_HELD,
    EXIT_INTERRUPTED,
    ConfigArgument,
    LakeOverride,
    SetOption,
    fail,
    new_run_id_of_option,
    quiet,
    refuse,
    terminal,
    warn,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipeline.cli.live_view import Silent, View
    from pipeline.config.models import RunConfig
    from pipeline.lake.manifest import Manifest
    from transforms.storage.base import Store


class Runner(str, Enum):
    """Beam's runners that are tried with this graph."""

    FNAPI = "fnapi"
    PRISM = "prism"
    FLINK = "flink"
    DATAFLOW = "dataflow"


BeamArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[-- BEAM OPTIONS]", help="Options for Beam, such as --parallelism=8")
]
WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|auto",
        help="Processes of this machine that work at once, auto: one for each processor. Else 1.",
    ),
]
RunnerOption = Annotated[
    Runner | None,
    typer.Option("--runner", help="The engine that runs it, else fnapi: Beam's own on this machine (docs/engines.md)."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show Beam's own log.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
JsonLogsOption = Annotated[
    bool, typer.Option("--json-logs", help="One JSON object a line on standard error, and nothing else.")
]


def run(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Logical time, YYYY-MM-DD or YYYY-MM-DDTHH:MM in UTC, else now; FIRST..LAST makes a run for each day.",
        ),
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", help="The run's id, else configuration and time.", callback=new_run_id_of_option),
    ] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    runner: RunnerOption = None,
    workers: WorkersOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Make a committed run's rows anew, and swap them in at once."),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Publish what the quality gate holds of this run as it is, without a request."),
    ] = False,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Fetch, extract, annotate and write, as CONFIG says.

    A run is its configuration's name and logical time. One that is committed is not made again; one that died leaves
    nothing that a reader sees, and the same command makes it whole. The first Ctrl-C or SIGTERM commits what is fetched
    and leaves the rest to the next run, the second drops all. Exit code: 0; 1 when all that was tried failed, or the
    run could not commit; 2 when the configuration is refused; 3 when the quality gate holds the run (docs/quality.md);
    130 when it was dropped.

    With --date FIRST..LAST, days that are committed are left as they are; one that fails ends the command, and the same
    command goes on with it.
    """
    from pipeline.config.backfill import scheduled_runs
    from pipeline.config.errors import ConfigError

    quiet(verbose)
    display = _display(
        "stopping; what is fetched is committed, the rest is left to the next run. Again to drop all.",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    options = with_workers(workers, _with_runner(runner, beam_options or []))
    is_backfill = date is not None and ".." in date
    if is_backfill and run_id is not None:
        refuse(f"--run-id {run_id} with --date {date}: each day's run has an id of its own")
    if accept and (is_backfill or replace):
        refuse(f"--accept with {'--replace' if replace else f'--date {date}'}: it takes one run, as it is held")
    moment: datetime | None = None
    try:
        for loaded, moment, left_out in scheduled_runs(config, set_ or [], lake, date):
            if left_out:
                display.say("sources_left_out", f"Left out, for it has no date: {', '.join(left_out)}")
            left = _make_run(loaded, run_id, moment, display, replace=replace, accept=accept, beam_options=options)
            if is_backfill and left:
                raise typer.Exit(EXIT_INTERRUPTED)
    except ConfigError as error:
        refuse(str(error))
    except typer.Exit:
        if is_backfill:
            warn(f"the days end with {moment:%Y-%m-%d}; the same command goes on from there")
        raise


def _make_run(
    loaded: "RunConfig",
    run_id: str | None,
    moment: datetime,
    display: "Silent",
    *,
    replace: bool,
    accept: bool,
    beam_options: list[str],
) -> int:
    """Makes one run and prints its report; gives the number of URLs that were not asked for, since it was stopped."""
    from pipeline.lake.transaction import CommitError, HeldError, NothingHeldError, RunLockedError
    from pipeline.run.runner import engine_of, execute, run_id_of
    from transforms.storage.base import StoreError

    identity = run_id or run_id_of(loaded.name, moment)
    engine = engine_of(beam_options)
    display.begins(identity)
    display.say(
        "started", f"Run {identity} on {engine}, lake {loaded.lake}", **dataclasses.asdict(engine), lake=loaded.lake
    )
    try:
        done = execute(
            loaded, identity, moment, replace=replace, accept=accept, beam_options=beam_options, watcher=display
        )
    except (RunLockedError, NothingHeldError) as error:
        refuse(str(error))
    except HeldError as error:
        fail(str(error), EXIT_HELD)
    except (CommitError, StoreError) as error:
        fail(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        fail(f"stopped; nothing of run {identity} is visible, the same command makes it", EXIT_INTERRUPTED)
    if done.was_committed:
        display.say(
            "already_committed", f"Run {identity} is committed already: nothing to do. --replace makes it anew."
        )
        return 0
    import duckdb

    try:
        return _tell(loaded.lake, done.manifest, display)
    except (StoreError, OSError, duckdb.Error) as error:
        warn(f"run {identity} is committed, but cannot be read back: {error}; `onrecord report {identity}` tries again")
        return 0


def _tell(lake: str, manifest: "Manifest", display: "Silent") -> int:
    """Says what a committed run brought; gives the number of URLs that were not asked for, since it was stopped."""
    from pipeline.cli.report_table import all_failed, cancelled, nothing_new, print_report
    from pipeline.lake.query.catalog import open_lake
    from transforms.storage.open import open_store

    store = open_store(lake)
    with open_lake(store, manifest.run_id) as database:
        if display.has_tables:
            print_report(terminal(), store.root, manifest, database)
        left, nothing_came, no_news = cancelled(database), all_failed(database), nothing_new(database)
        tables = {table: manifest.rows(table) for table in manifest.files}
        display.log("committed", f"{manifest.urls:,} URLs in; the run is committed", urls=manifest.urls, rows=tables)
        _write_report(store, database, manifest.run_id, display)
    if no_news:
        display.say("nothing_new", no_news)
    if left:
        display.say(
            "stopped_early",
            f"Stopped early: {left:,} URLs were not asked for (skipped, cancelled); the next run of this configuration "
            "takes them up.",
            urls=left,
        )
    if nothing_came and not manifest.is_accepted:
        fail('all that was tried failed; `onrecord query "from failures"` says why', EXIT_FAILED)
    return left


def _write_report(store: "Store", database: "DuckDBPyConnection", run_id: str, display: "Silent") -> None:
    """Writes the run's page and says where; the run is committed, so that a fault here does not fail it."""
    import duckdb

    from pipeline.report.page import write_report
    from transforms.storage.base import StoreError

    try:
        place = write_report(store, database, run_id)
    except (StoreError, OSError, duckdb.Error) as error:
        warn(f"the run is committed, but its report cannot be written: {error}; `onrecord report {run_id}` tries again")
    else:
        display.say("reported", f"Report: {place}", report=place)


def stream(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Follow the sources of a configuration without end: each window of time becomes a run of its own.

    The first Ctrl-C drains: what was fetched is committed, and the same command goes on with the rest. The second stops
    at once.
    """
    quiet(verbose)
    from pipeline.cli.stream_view import STREAM_VIEW
    from pipeline.config.errors import ConfigError
    from pipeline.config.load import check_reachable, load_config
    from pipeline.lake.transaction import RunLockedError
    from pipeline.run.engines import runner_of
    from pipeline.stream.runner import StreamError, flow, stream_options
    from transforms.schema.run import stream_id
    from transforms.sources import ListError
    from transforms.storage.base import StoreError

    display = _display(
        "stopping: what was fetched is committed, what was not is taken up again; Ctrl-C stops at once",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
        view=STREAM_VIEW,
    )
    try:
        loaded = load_config(config, set_ or [], lake)
        check_reachable(loaded)
        about = {
            "runner": runner_of(stream_options(beam_options or [])),
            "window": loaded.stream.window,
            "lake": loaded.lake,
        }
        display.begins(stream_id(loaded.name))
        display.say(
            "started", "Stream {} on {runner}, windows of {window}, lake {lake}".format(loaded.name, **about), **about
        )
        flow(loaded, beam_options or [], display)
    except (ConfigError, ListError, StoreError, RunLockedError) as error:
        refuse(str(error))
    except StreamError as error:
        if error.may_start_again:
            warn(str(error))
            # A new process in place of this one: nothing is left of the engine that failed.
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the command itself
        fail(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        fail("stopped at once; what was not committed is asked for again by the same command", EXIT_INTERRUPTED)
    display.say("stream_ended", f"Stream {loaded.name} has ended; its windows stand in {loaded.lake}")


def reprocess(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    date: Annotated[str | None, typer.Option("--date", help="Runs of this day alone, or of FIRST..LAST.")] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    runner: RunnerOption = None,
    workers: WorkersOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also runs whose rows are of this code and these models.")
    ] = False,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Make committed runs of CONFIG anew without a request, where code or models are newer than their rows.

    Archived pages (`archive: true`) are extracted and annotated again, else stored texts annotated again; each run
    changes over at once. The first Ctrl-C ends it after the run under way. Exit code: 0; 1 when a run could not commit;
    2 when it is refused; 3 when the quality gate holds a run (docs/quality.md); 130 when it was stopped.
    """
    from pipeline.config.backfill import parse_days
    from pipeline.config.errors import ConfigError
    from pipeline.config.load import load_config
    from pipeline.run.engines import check_job

    quiet(verbose)
    display = _display(
        "stopping when what is under way is committed. Again to leave it as it was.",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    options = with_workers(workers, _with_runner(runner, beam_options or []))
    try:
        loaded = load_config(config, set_ or [], lake)
        days = parse_days(date if date is None or ".." in date else f"{date}..{date}")
        check_job(loaded, options)
    except ConfigError as error:
        refuse(str(error))

    from pipeline.lake.manifest import manifests, runs_of
    from pipeline.lake.query.catalog import open_lake
    from pipeline.lake.transaction import CommitError, HeldError, RunLockedError
    from pipeline.run.reprocess import reprocess as make_anew
    from transforms.storage.base import StoreError
    from transforms.storage.open import open_store

    try:
        store = open_store(loaded.lake)
        if not runs_of(manifests(store), loaded.name, *days):
            of_days = f" of {date}" if date else ""
            refuse(f"{loaded.lake} holds no run of {loaded.name}{of_days}; `onrecord run` makes one")
        for run in make_anew(loaded, *days, everything=everything, beam_options=options, watcher=display):
            what = f"{run.pages:,} pages and {run.texts:,} texts read again" if run.is_made else "up to date"
            display.say("reprocessed", f"{run.run_id}: {what}", **run._asdict())
            if run.is_made:
                with open_lake(store, run.run_id) as database:
                    _write_report(store, database, run.run_id, display)
            if display.is_stopped:
                fail("stopped; the same command goes on", EXIT_INTERRUPTED)
    except RunLockedError as error:
        refuse(str(error))
    except HeldError as error:
        fail(str(error), EXIT_HELD)
    except (CommitError, StoreError, OSError) as error:
        fail(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        fail("stopped; the run under way is as it was, the same command goes on", EXIT_INTERRUPTED)


def _with_runner(runner: Runner | None, beam_options: list[str]) -> list[str]:
    """Beam's options, with the one that names this runner."""
    if runner is None:
        return beam_options
    for option in beam_options:
        if option.partition("=")[0] == "--runner":
            refuse(f"--runner {runner.value} with {option} after --: allowed is one of the two")
    return beam_options if runner is Runner.FNAPI else [f"--runner={runner.value.title()}Runner", *beam_options]


def with_workers(workers: str | None, beam_options: list[str]) -> list[str]:
    """Beam's options, with those for so many worker processes of this machine.

    Args:
        workers: how many: a number, or ``auto`` for one a processor; None: as `beam_options` say.
        beam_options: what was given for Beam itself.
    """
    if workers is None:
        return beam_options
    if not re.fullmatch(r"auto|[1-9][0-9]{0,2}", workers):
        refuse(f"--workers {workers}: allowed are a number of processes from 1 to 999, and auto")
    for option in beam_options:
        if option.partition("=")[0] in ("--runner", "--direct_running_mode", "--direct_num_workers"):
            refuse(f"--workers {workers} with {option}: allowed is one of the two; --workers is for this machine alone")
    number = _processors() if workers == "auto" else int(workers)
    if number == 1:
        return beam_options
    return [*beam_options, "--direct_running_mode=multi_processing", f"--direct_num_workers={number}"]


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _display(stopping: str, *, as_json: bool, is_quiet: bool, is_verbose: bool, view: "View | None" = None) -> "Silent":
    from pipeline.cli.live_view import display_for

    if as_json and is_quiet:
        refuse("--quiet with --json-logs: allowed is one of the two")
    return display_for(stopping, as_json=as_json, is_quiet=is_quiet, is_verbose=is_verbose, view=view)
