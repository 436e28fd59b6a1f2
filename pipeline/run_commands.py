"""The commands that make runs: `onrecord run` and `reprocess`. Thin, like `pipeline.cli`; Beam is imported inside."""

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console import (
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

    from pipeline.config import RunConfig
    from pipeline.display import Silent
    from pipeline.lake import Manifest
    from transforms.store import Store

BeamArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[-- BEAM OPTIONS]", help="Options for Beam, such as --runner=...")
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
    from pipeline.config import ConfigError
    from pipeline.plan import planned_runs

    quiet(verbose)
    display = _display(
        "stopping; what is fetched is committed, the rest is left to the next run. Again to drop all.",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    is_backfill = date is not None and ".." in date
    if is_backfill and run_id is not None:
        refuse(f"--run-id {run_id} with --date {date}: each day's run has an id of its own")
    if accept and (is_backfill or replace):
        refuse(f"--accept with {'--replace' if replace else f'--date {date}'}: it takes one run, as it is held")
    moment: datetime | None = None
    try:
        for loaded, moment, left_out in planned_runs(config, set_ or [], lake, date):
            if left_out:
                display.say("sources_left_out", f"Left out, for it has no date: {', '.join(left_out)}")
            left = _make_run(
                loaded, run_id, moment, display, replace=replace, accept=accept, beam_options=beam_options or []
            )
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
    from pipeline.execute import engine_of, execute, run_id_of
    from pipeline.lake import CommitError, HeldError, NothingHeldError, RunLockedError
    from transforms.store import StoreError

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
    from pipeline.query import open_lake
    from pipeline.report.terminal import all_failed, cancelled, nothing_new, print_report
    from transforms.store import open_store

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
    from transforms.store import StoreError

    try:
        place = write_report(store, database, run_id)
    except (StoreError, OSError, duckdb.Error) as error:
        warn(f"the run is committed, but its report cannot be written: {error}; `onrecord report {run_id}` tries again")
    else:
        display.say("reported", f"Report: {place}", report=place)


def reprocess(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    date: Annotated[str | None, typer.Option("--date", help="Runs of this day alone, or of FIRST..LAST.")] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
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
    from pipeline.config import ConfigError, load_config
    from pipeline.plan import days_of

    quiet(verbose)
    display = _display(
        "stopping when what is under way is committed. Again to leave it as it was.",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    try:
        loaded = load_config(config, set_ or [], lake)
        days = days_of(date if date is None or ".." in date else f"{date}..{date}")
    except ConfigError as error:
        refuse(str(error))

    from pipeline.lake import CommitError, HeldError, RunLockedError, manifests, runs_of
    from pipeline.query import open_lake
    from pipeline.reprocess import reprocess as make_anew
    from transforms.store import StoreError, open_store

    try:
        store = open_store(loaded.lake)
        if not runs_of(manifests(store), loaded.name, *days):
            of_days = f" of {date}" if date else ""
            refuse(f"{loaded.lake} holds no run of {loaded.name}{of_days}; `onrecord run` makes one")
        for run in make_anew(loaded, *days, everything=everything, beam_options=beam_options or [], watcher=display):
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


def _display(stopping: str, *, as_json: bool, is_quiet: bool, is_verbose: bool) -> "Silent":
    from pipeline.display import display_for

    if as_json and is_quiet:
        refuse("--quiet with --json-logs: allowed is one of the two")
    return display_for(stopping, as_json=as_json, is_quiet=is_quiet, is_verbose=is_verbose)
