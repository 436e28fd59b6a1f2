"""The command line. Thin: it parses, calls and prints; Beam is imported by `run` alone."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import lake_commands
from pipeline.console import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NOT_COMMITTED, LakeOption, fail, quiet, refuse
from pipeline.publish.commands import app as publish

if TYPE_CHECKING:
    import duckdb
    from rich.console import Console

    from pipeline.config import RunConfig

app = typer.Typer(
    name="onrecord",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Article URLs in, Parquet tables out: clean text, true metadata, entities and who said what.",
)

app.command()(lake_commands.files)
app.command()(lake_commands.forget)
app.command()(lake_commands.compact)
app.add_typer(publish, name="publish")

ConfigArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")]
LakeOverride = Annotated[
    str | None, typer.Option("--lake", help="The lake: a folder or gs://bucket/prefix, in place of the configured one.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Overrides one option, such as fetch.shards=8.")
]
BeamArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[-- BEAM OPTIONS]", help="Options for Beam, such as --runner=...")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show Beam's own log.")]
InArgument = Annotated[str, typer.Argument(metavar="IN.jsonl", help="JSON lines; - is standard input.")]
OutArgument = Annotated[str, typer.Argument(metavar="OUT.jsonl", help="JSON lines; - is standard output.")]


class QueryFormat(str, Enum):
    """How `query` prints rows."""

    TABLE = "table"
    JSONL = "jsonl"


@app.command()
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
    run_id: Annotated[str | None, typer.Option("--run-id", help="The run's id, else configuration and time.")] = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Make a committed run's rows anew, and swap them in at once."),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Fetch, extract, annotate and write, as CONFIG says.

    A run is its configuration's name and logical time. One that is committed is not made again; one that died leaves
    nothing that a reader sees, and the same command makes it whole. The first Ctrl-C or SIGTERM commits what is fetched
    and leaves the rest to the next run, the second drops all. Exit code: 0; 1 when all that was tried failed; 2 when
    the configuration is refused; 3 when the run could not commit; 130 when it was dropped.

    With --date FIRST..LAST, days that are committed are left as they are; one that fails ends the command, and the same
    command goes on with it.
    """
    from pipeline.config import ConfigError
    from pipeline.plan import planned_runs

    quiet(verbose)
    is_backfill = date is not None and ".." in date
    if is_backfill and run_id is not None:
        refuse(f"--run-id {run_id} with --date {date}: each day's run has an id of its own")
    moment: datetime | None = None
    try:
        for loaded, moment, left_out in planned_runs(config, set_ or [], lake, date):
            if left_out:
                typer.echo(f"Left out, for it has no date: {', '.join(left_out)}")
            left = _make_run(loaded, run_id, moment, replace=replace, beam_options=beam_options or [])
            if is_backfill and left:
                raise typer.Exit(EXIT_INTERRUPTED)
    except ConfigError as error:
        refuse(str(error))
    except typer.Exit:
        if is_backfill:
            typer.echo(f"onrecord: the days end with {moment:%Y-%m-%d}; the same command goes on from there", err=True)
        raise


def _make_run(
    loaded: "RunConfig", run_id: str | None, moment: datetime, *, replace: bool, beam_options: list[str]
) -> int:
    """Makes one run and prints its report; gives the number of URLs that were not asked for, since it was stopped."""
    from pipeline.execute import execute, run_id_of, runner_of
    from pipeline.lake import CommitError, RunLockedError
    from pipeline.query import open_lake
    from pipeline.report import all_failed, cancelled, print_report
    from transforms.store import StoreError, open_store

    console = _console()
    identity = run_id or run_id_of(loaded.name, moment)
    console.print(f"Run {identity} on {runner_of(beam_options)}, lake {loaded.lake}", highlight=False)
    try:
        done = execute(loaded, identity, moment, replace=replace, beam_options=beam_options, on_drain=_say_draining)
    except RunLockedError as error:
        refuse(str(error))
    except (CommitError, StoreError) as error:
        fail(str(error), EXIT_NOT_COMMITTED)
    except KeyboardInterrupt:
        fail(f"stopped; nothing of run {identity} is visible, the same command makes it", EXIT_INTERRUPTED)
    if done.was_committed:
        console.print(f"Run {identity} is committed already: nothing to do. --replace makes it anew.", highlight=False)
        return 0
    store = open_store(loaded.lake)
    with open_lake(store, done.manifest.run_id) as database:
        print_report(console, store.root, done.manifest, database)
        left, nothing_came = cancelled(database), all_failed(database)
    if left:
        console.print(
            f"Stopped early: {left:,} URLs were not asked for (skipped, cancelled); the next run of this configuration "
            "takes them up.",
            highlight=False,
        )
    if nothing_came:
        fail('all that was tried failed; `onrecord query "from failures"` says why', EXIT_FAILED)
    return left


@app.command()
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
) -> None:
    """Make committed runs of CONFIG anew without a request, where code or models are newer than their rows.

    Archived pages (`archive: true`) are extracted and annotated again, else stored texts annotated again; each run
    changes over at once. The first Ctrl-C ends it after the run under way. Exit code: 0; 2 when it is refused; 3 when a
    run could not commit; 130 when it was stopped.
    """
    from pipeline.config import ConfigError, load_config
    from pipeline.plan import days_of

    quiet(verbose)
    try:
        loaded = load_config(config, set_ or [], lake)
        days = days_of(date if date is None or ".." in date else f"{date}..{date}")
    except ConfigError as error:
        refuse(str(error))

    from pipeline.lake import CommitError, RunLockedError
    from pipeline.reprocess import reprocess as make_anew
    from pipeline.reprocess import runs_of
    from transforms.store import StoreError, open_store

    stopped: list[bool] = []
    try:
        if not runs_of(open_store(loaded.lake), loaded.name, *days):
            of_days = f" of {date}" if date else ""
            refuse(f"{loaded.lake} holds no run of {loaded.name}{of_days}; `onrecord run` makes one")
        for run in make_anew(
            loaded, *days, everything=everything, beam_options=beam_options or [], on_drain=lambda: stopped.append(True)
        ):
            what = f"{run.pages:,} pages and {run.texts:,} texts read again" if run.is_made else "up to date"
            typer.echo(f"{run.run_id}: {what}")
            if stopped:
                fail("stopped; the same command goes on", EXIT_INTERRUPTED)
    except (RunLockedError, StoreError) as error:
        refuse(str(error))
    except (CommitError, OSError) as error:
        fail(str(error), EXIT_NOT_COMMITTED)
    except KeyboardInterrupt:
        fail("stopped; the run under way is as it was, the same command goes on", EXIT_INTERRUPTED)


@app.command()
def check(config: ConfigArgument, lake: LakeOverride = None, set_: SetOption = None) -> None:
    """Validate CONFIG, and print it whole with what would be read and written."""
    import yaml

    from pipeline.config import ConfigError, check_reachable, load_config

    try:
        loaded = load_config(config, set_ or [], lake)
        files = check_reachable(loaded)
    except ConfigError as error:
        refuse(str(error))
    typer.echo(yaml.safe_dump(loaded.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
    typer.echo("# reads:")
    for line in [*files, *(url for source in loaded.listings for url in source.listings)]:
        typer.echo(f"#   {line}")
    typer.echo(f"# writes: {loaded.lake}")


@app.command()
def extract(source: InArgument, target: OutArgument) -> None:
    """Pages to articles: {id, url, html} a line becomes {id, text, title, authors, published, language, ...}.

    {body_base64, content_type} may stand in place of html. A page that is no article keeps its line, with an empty
    text and the reason.
    """
    from transforms.extract import extract_line

    _map_lines(source, target, extract_line, needs=("html", "body_base64"), empty={"text": ""})


@app.command()
def annotate(source: InArgument, target: OutArgument) -> None:
    """Texts to names and quotes: {id, text} a line becomes {id, entities, quotes}; offsets are code points."""
    from transforms.annotate import annotate_line

    _map_lines(source, target, annotate_line, needs=("text",), empty={"entities": [], "quotes": []})


@app.command()
def show(
    page: Annotated[str, typer.Argument(metavar="URL|FILE", help="An address, an HTML or text file, or -.")],
) -> None:
    """Print one article with its names and quotes in colour."""
    from pipeline.show import ShowError, load_article, print_article

    try:
        article = load_article(page)
    except ShowError as error:
        fail(str(error), EXIT_FAILED)
    print_article(_console(), article)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="Over the tables articles, entities, quotes, ...")],
    lake: LakeOption = "lake",
    format_: Annotated[QueryFormat, typer.Option("--format", help="How rows are printed.")] = QueryFormat.TABLE,
    gazetteer: Annotated[
        str | None,
        typer.Option("--gazetteer", metavar="FILE", help="Your own CSV or Parquet about speakers (docs/lake.md)."),
    ] = None,
) -> None:
    """Ask the lake in SQL (DuckDB's), over its tables and the views of docs/lake.md; only committed runs are seen."""
    import duckdb

    from pipeline.lake import manifests
    from pipeline.query import open_lake
    from transforms.store import StoreError, open_store

    try:
        store = open_store(lake)
        if not manifests(store):
            refuse(f"--lake {lake}: no committed run lies there; `onrecord run` makes one")
        with open_lake(store, gazetteer=gazetteer) as database:
            _print_rows(database.execute(sql), format_)
    except (StoreError, ValueError, duckdb.Error) as error:
        refuse(str(error))


@app.command()
def schema() -> None:
    """Print every table's columns, their types and what they mean."""
    from rich.table import Table

    from transforms.tables import TABLES

    console = _console()
    for table in TABLES.values():
        shown = Table(title=f"{table.name}: {table.meaning}", title_justify="left")
        for heading in ("column", "type", "null", "meaning"):
            shown.add_column(heading, overflow="fold")
        for column in table.columns:
            shown.add_row(column.name, str(column.type), "yes" if column.nullable else "no", column.meaning)
        console.print(shown, markup=False)


def _console() -> "Console":
    from rich.console import Console

    # A pipe or a file has no width: nothing is cut there.
    return Console(width=None if sys.stdout.isatty() else 10_000)


def _say_draining() -> None:
    # Called in a signal handler, where the buffered stream may be in use.
    os.write(
        2, b"onrecord: stopping; what is fetched is committed, the rest is left to the next run. Again to drop all.\n"
    )


def _map_lines(
    source: str,
    target: str,
    function: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    needs: tuple[str, ...],
    empty: dict[str, Any],
) -> None:
    """Writes the function's answer to each JSON line; a line is an object with one of the keys of `needs`.

    A line that the function fails on for a fault of ours is answered with `empty` and the reason.
    """
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb"))
            out = sys.stdout.buffer if target == "-" else stack.enter_context(Path(target).open("wb"))
        except OSError as error:
            refuse(f"{error.filename} cannot be opened: {error.strerror}")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                refuse(f"{source}, line {number}: this is no JSON: {error}")
            if not isinstance(record, dict) or not record.keys() & set(needs):
                refuse(f"{source}, line {number}: an object with the key {' or '.join(needs)} is expected")
            try:
                result = function(record)
            except Exception as error:  # noqa: BLE001 - one line that we cannot take never costs the others
                fault = {"reason": "internal_error", "message": f"{type(error).__name__}: {error}"}
                result = {"id": record.get("id"), **empty, **fault}
            out.write((json.dumps(result, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
            out.flush()


def _print_rows(result: "duckdb.DuckDBPyConnection", format_: QueryFormat) -> None:
    names = [column[0] for column in result.description or []]
    if format_ is QueryFormat.JSONL:
        while batch := result.fetchmany(1_000):
            for row in batch:
                typer.echo(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(escape(name), overflow="fold")
    for row in result.fetchall():
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    _console().print(table)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
