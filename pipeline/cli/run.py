"""The commands `onrecord run` and `onrecord reprocess`."""

import dataclasses
import os
import re
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigArgument,
    LakeOverride,
    SetOption,
    exit_on_error,
    fail,
    new_run_id_option,
    quiet,
    refuse,
    terminal,
    warn,
)
from transforms.schema.errors import cause_of
from transforms.text.counts import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipeline.cli.live_view import Display
    from pipeline.config.models import RunConfig
    from pipeline.lake.manifest import Manifest
    from pipeline.run.runner import Executed
    from transforms.storage.base import Store


class Runner(str, Enum):
    """The Beam runners that are tested with this graph."""

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
        help="Number of worker processes on this machine; auto: one per processor (default: 1).",
    ),
]
RunnerOption = Annotated[
    Runner | None,
    typer.Option("--runner", help="The engine (default: fnapi, Beam's local runner); see docs/engines.md."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show Beam's own log.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
JsonLogsOption = Annotated[
    bool, typer.Option("--json-logs", help="Print only JSON objects, one per line, on standard error.")
]

Schedule = Literal["now", "given", "days"]
"""Origin of a run id: the current minute, ``--date`` or ``--run-id``, or each day of a backfill."""


def run(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Logical time, YYYY-MM-DD or YYYY-MM-DDTHH:MM in UTC (default: now); FIRST..LAST: one run per day.",
        ),
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", help="Run ID (default: name and time).", callback=new_run_id_option),
    ] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    runner: RunnerOption = None,
    workers: WorkersOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Run a committed run again and replace its rows."),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Commit the run that the quality gate holds, without new requests."),
    ] = False,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Run CONFIG: fetch, extract, annotate, write.

    A run is identified by the name of its configuration and its logical time. A committed run is not run again, unless
    every URL failed: then its temporary failures are requested again. After a crash, repeat the command: readers see a
    complete run or nothing. The first Ctrl-C or SIGTERM commits the fetched pages and leaves the rest to the next run;
    the second aborts without a commit. Exit code: 0; 1 if every URL failed or the run could not be committed; 2 if the
    configuration or the command is not valid; 3 if the quality gate holds the run (docs/quality.md); 4 if another
    process holds its lock; 130 if it was aborted (docs/running.md).

    With --date FIRST..LAST, committed days are skipped. The first day that fails ends the command; repeat the command
    to continue with that day.
    """
    from pipeline.config.backfill import scheduled_runs

    quiet(verbose)
    display = display_of(
        "stopping: fetched pages will be committed, the next run fetches the rest; press Ctrl-C again to abort",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    options = with_workers(workers, _with_runner(runner, beam_options or []))
    is_backfill = date is not None and ".." in date
    if is_backfill and run_id is not None:
        refuse(f"--run-id {run_id} with --date {date}: not allowed together, because each day is a separate run")
    if accept and (is_backfill or replace):
        refuse(f"--accept with {'--replace' if replace else f'--date {date}'}: not allowed together")
    with exit_on_error():
        moment: datetime | None = None
        try:
            for loaded, moment, skipped in scheduled_runs(config, set_ or [], lake, date):
                if skipped:
                    display.say("sources_left_out", f"Skipped sources without a date: {', '.join(skipped)}")
                left = _run_once(
                    loaded,
                    run_id,
                    moment,
                    display,
                    replace=replace,
                    accept=accept,
                    schedule="days" if is_backfill else "now" if run_id is None and date is None else "given",
                    beam_options=options,
                )
                if is_backfill and left:
                    raise typer.Exit(EXIT_INTERRUPTED)
        except typer.Exit:
            if is_backfill:
                day = f"{moment:%Y-%m-%d}"
                warn(f"stopped at {day}; repeat the command to continue with that day, or give a later first day")
            raise


def _run_once(
    config: "RunConfig",
    run_id: str | None,
    moment: datetime,
    display: "Display",
    *,
    replace: bool,
    accept: bool,
    schedule: Schedule,
    beam_options: list[str],
) -> int:
    """Execute one run and print its report; return the number of URLs that were not fetched because it was stopped."""
    from pipeline.run.engines import engine_of
    from pipeline.run.runner import execute, run_id_of
    from transforms.storage.base import StoreError

    identity, engine = run_id or run_id_of(config.name, moment), engine_of(beam_options)
    display.run_started(identity)
    sentence = f"Run {identity} on {engine}, lake {config.lake}"
    display.say("started", sentence, **dataclasses.asdict(engine), lake=config.lake)
    interrupted = f"aborted: run {identity} is not committed; repeat the command to run it"
    with exit_on_error(interrupted=interrupted):
        done = execute(
            config, identity, moment, replace=replace, accept=accept, beam_options=beam_options, listener=display
        )
    if done.was_committed:
        _print_nothing_to_do(identity, done, display, schedule)
        return 0
    import duckdb

    try:
        return print_result(config.lake, done.manifest, display)
    except (StoreError, OSError, duckdb.Error) as error:
        warn(
            f"run {identity} is committed, but cannot be read: {cause_of(error)}; try again with "
            f"`onrecord report {identity}`"
        )
        return 0


def _print_nothing_to_do(run_id: str, done: "Executed", display: "Display", schedule: Schedule) -> None:
    """Print why a committed run is not run again; end the command if the user has to know.

    Args:
        run_id: the run.
        done: the result.
        display: prints the sentence.
        schedule: where the run id comes from. A failed day does not stop a backfill again.
    """
    if done.has_failed:
        message = (
            f"every URL of run {run_id} failed, and no failure is temporary, so nothing was requested again: correct "
            "the URLs, and use --replace to run it again"
        )
        if schedule != "days":
            fail(message)
        warn(message)
        return
    if done.has_other_config:
        message = (
            f"run {run_id} is already committed with another configuration: use --replace to run it again with this one"
        )
        if schedule == "now":
            refuse(f"{message}, or repeat the command in the next minute")
        warn(message)
    display.say(
        "already_committed", f"Nothing to do: run {run_id} is already committed. Use --replace to run it again."
    )


def print_result(lake: str, manifest: "Manifest", display: "Display") -> int:
    """Print the result of a committed run; return the number of URLs that were not fetched because it was stopped."""
    from pipeline.cli.report_table import count_cancelled, nothing_new, print_report
    from pipeline.lake.previous_run import has_failed
    from pipeline.lake.query.catalog import open_lake
    from transforms.storage.open import open_store

    store = open_store(lake)
    with open_lake(store, manifest.run_id) as database:
        if display.has_tables:
            print_report(terminal(), store.root, manifest, database)
        cancelled, is_failed, no_news = count_cancelled(database), has_failed(database), nothing_new(database)
        rows = {table: manifest.rows(table) for table in manifest.files}
        display.log("committed", f"Committed {counted(manifest.urls, 'URL')}", urls=manifest.urls, rows=rows)
        _write_report(store, database, manifest.run_id, display)
    if no_news:
        display.say("nothing_new", no_news)
    if cancelled:
        display.say(
            "stopped_early",
            f"Stopped early: {counted(cancelled, 'URL was', 'URLs were')} not fetched (skipped, cancelled). "
            "The next run of this configuration fetches them.",
            urls=cancelled,
        )
    if is_failed and not manifest.is_accepted:
        fail('every URL failed. To see why: `onrecord query "from failures"`')
    return cancelled


def _write_report(store: "Store", database: "DuckDBPyConnection", run_id: str, display: "Display") -> None:
    """Write the HTML report and print its location; an error here is a warning, because the run is committed."""
    import duckdb

    from pipeline.report.page import write_report
    from transforms.storage.base import StoreError

    try:
        place = write_report(store, database, run_id)
    except (StoreError, OSError, duckdb.Error) as error:
        warn(
            f"the run is committed, but its report cannot be written: {cause_of(error)}; try again: "
            f"`onrecord report {run_id}`"
        )
    else:
        display.say("reported", f"Report: {place}", report=place)


def reprocess(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    date: Annotated[
        str | None, typer.Option("--date", help="Reprocess only runs of this day, or of FIRST..LAST.")
    ] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    runner: RunnerOption = None,
    workers: WorkersOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Include runs that are already up to date.")] = False,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Reprocess committed runs without requests.

    Runs of CONFIG with rows of older code or models are processed again. Archived pages (`archive: true`) are extracted
    and annotated again, otherwise the stored texts are annotated again. The new rows of a run replace the old ones
    atomically. The first Ctrl-C stops after the current run. Exit code: 0; 1 if a run could not be committed; 2 if the
    configuration or the command is not valid; 3 if the quality gate holds a run (docs/quality.md); 4 if another process
    holds the lock of a run; 130 if it was stopped (docs/running.md).
    """
    from pipeline.config.backfill import parse_days
    from pipeline.config.load import load_config

    quiet(verbose)
    display = display_of(
        "stopping after the current run; press Ctrl-C again to abort it, which leaves it unchanged",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    options = with_workers(workers, _with_runner(runner, beam_options or []))
    interrupted = "stopped; the current run is unchanged, repeat the command to continue"
    with exit_on_error({OSError: EXIT_FAILED}, interrupted=interrupted):
        loaded = load_config(config, set_ or [], lake)
        days = parse_days(date if date is None or ".." in date else f"{date}..{date}")

        from pipeline.lake.manifest import manifests, runs_of
        from pipeline.lake.query.catalog import open_lake
        from pipeline.run.engines import check_job
        from pipeline.run.reprocess import reprocess as reprocess_runs
        from transforms.storage.open import open_store

        check_job(loaded, options)
        store = open_store(loaded.lake)
        if not runs_of(manifests(store), loaded.name, *days):
            of_days = f" of {date}" if date else ""
            refuse(f"{loaded.lake} has no run of {loaded.name}{of_days}; `onrecord run` creates one")
        for run in reprocess_runs(loaded, *days, everything=everything, beam_options=options, listener=display):
            result = (
                f"reprocessed {counted(run.pages, 'page')} and {counted(run.texts, 'text')}"
                if run.is_made
                else "up to date"
            )
            display.say("reprocessed", f"{run.run_id}: {result}", **run._asdict())
            if run.is_made:
                with open_lake(store, run.run_id) as database:
                    _write_report(store, database, run.run_id, display)
            if display.is_stopped:
                fail("stopped; repeat the command to continue", EXIT_INTERRUPTED)


def _with_runner(runner: Runner | None, beam_options: list[str]) -> list[str]:
    """Add the option for a runner to Beam's options."""
    if runner is None:
        return beam_options
    for option in beam_options:
        if option.partition("=")[0] == "--runner":
            refuse(f"--runner {runner.value} with {option} after --: give only one of them")
    return beam_options if runner is Runner.FNAPI else [f"--runner={runner.value.title()}Runner", *beam_options]


def with_workers(workers: str | None, beam_options: list[str]) -> list[str]:
    """Add the options for a number of local worker processes to Beam's options.

    Args:
        workers: the number, or ``auto`` for one per processor; None: leave it to `beam_options`.
        beam_options: Beam's own command line options.
    """
    if workers is None:
        return beam_options
    if not re.fullmatch(r"auto|[1-9][0-9]{0,2}", workers):
        refuse(f"--workers {workers}: expected a number of processes from 1 to 999, or auto")
    for option in beam_options:
        if option.partition("=")[0] in ("--runner", "--direct_running_mode", "--direct_num_workers"):
            refuse(f"--workers {workers} with {option}: give only one of them; --workers is only for this machine")
    number = _processors() if workers == "auto" else int(workers)
    if number == 1:
        return beam_options
    return [*beam_options, "--direct_running_mode=multi_processing", f"--direct_num_workers={number}"]


def _processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def display_of(drain_message: str, *, as_json: bool, is_quiet: bool, is_verbose: bool) -> "Display":
    """The display that the options choose (`pipeline.cli.live_view.display_for`)."""
    from pipeline.cli.live_view import display_for

    if as_json and is_quiet:
        refuse("--quiet with --json-logs: give only one of them")
    return display_for(drain_message, as_json=as_json, is_quiet=is_quiet, is_verbose=is_verbose)
