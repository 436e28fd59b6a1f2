"""The command line: parse arguments, call the pipeline, print results. Only commands that run it import Beam."""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import lake as lake_commands
from pipeline.cli import run as run_commands
from pipeline.cli.console import (
    ConfigArgument,
    LakeOverride,
    SetOption,
    exit_on_error,
    has_message,
    refuse,
    terminal,
    warn,
)
from pipeline.cli.demo import demo
from pipeline.cli.export import app as export
from pipeline.cli.query import query
from pipeline.cli.report import report
from pipeline.cli.runs import runs
from pipeline.cli.stream import stream
from pipeline.run.malloc import configure_malloc
from transforms.schema.errors import ExitCode

if TYPE_CHECKING:
    pass


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"onrecord {version('onrecord')}")
        raise typer.Exit


app = typer.Typer(
    name="onrecord",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Article URLs in, Parquet tables out: clean text, true metadata, entities and who said what.",
)

app.command()(demo)
app.command()(run_commands.run)
app.command()(stream)
app.command()(run_commands.reprocess)
app.command()(report)
app.command()(query)
app.command()(runs)
app.command()(lake_commands.files)
app.command()(lake_commands.diff)
app.command()(lake_commands.forget)
app.command()(lake_commands.compact)
app.add_typer(export, name="export")
app.add_typer(export, name="publish", hidden=True)  # the former name


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and exit.", callback=_print_version)
    ] = False,
) -> None:
    """Article URLs in, Parquet tables out: clean text, true metadata, entities and who said what."""


InArgument = Annotated[str, typer.Argument(metavar="IN.jsonl", help="JSON lines; - for standard input.")]
OutArgument = Annotated[str, typer.Argument(metavar="OUT.jsonl", help="JSON lines; - for standard output.")]


@app.command()
def check(config: ConfigArgument, lake: LakeOverride = None, set_: SetOption = None) -> None:
    """Validate CONFIG and print what it does.

    Reads the lists of URLs. Prints the effective configuration, the files and feeds to read, and the lake.
    """
    from pipeline.config.load import check_reachable, count_urls, load_config, printed
    from transforms.schema.urls import without_secrets

    with exit_on_error():
        loaded = load_config(config, set_ or [], lake)
        files = check_reachable(loaded)
        counts = count_urls(loaded)
    typer.echo(printed(loaded), nl=False)
    typer.echo("# reads:")
    for line in [*files, *(url for source in loaded.listings for url in source.listings)]:
        number = f": {counts[line]:,} URLs" if line in counts else ""
        typer.echo(f"#   {without_secrets(line)}{number}")
    typer.echo(f"# writes: {loaded.lake}")
    for file in (file for file, number in counts.items() if not number):
        warn(f"{file} contains no URL; expected one URL per line")


@app.command()
def extract(source: InArgument = "-", target: OutArgument = "-") -> None:
    """Extract articles from HTML pages.

    Each line {id, url, html} becomes {id, text, title, authors, published, language, ...}. {body_base64, content_type}
    may replace html. A page that is not an article gives a line with an empty text and the reason.
    """
    from transforms.extract import extract_line

    _map_lines(source, target, extract_line, needs=("html", "body_base64"), empty={"text": ""})


@app.command()
def annotate(source: InArgument = "-", target: OutArgument = "-") -> None:
    """Annotate names and quotes in texts.

    Each line {id, text} becomes {id, entities, quotes}; offsets count code points.
    """
    from transforms.annotate import annotate_line

    _map_lines(source, target, annotate_line, needs=("text",), empty={"entities": [], "quotes": []})


@app.command()
def show(
    page: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="A URL, an HTML or text file, or - for standard input.")
    ],
) -> None:
    """Print an article with its names and quotes."""
    from pipeline.cli.show import load_article, print_article

    with exit_on_error():
        article = load_article(page)
    print_article(terminal(), article)


@app.command()
def schema(
    config: Annotated[
        bool, typer.Option("--config", help="Print the JSON Schema of the configuration instead, for editors.")
    ] = False,
) -> None:
    """Print the columns of all tables."""
    if config:
        from pipeline.config.schema import config_schema

        typer.echo(json.dumps(config_schema(), indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    from transforms.schema.tables import TABLES

    console = terminal()
    for table in TABLES.values():
        printed_table = Table(title=f"{table.name}: {table.meaning}", title_justify="left")
        for heading in ("column", "type", "null", "meaning"):
            printed_table.add_column(heading, overflow="fold")
        for column in table.columns:
            printed_table.add_row(column.name, str(column.type), "yes" if column.nullable else "no", column.meaning)
        console.print(printed_table, markup=False)


def _map_lines(
    source: str,
    target: str,
    function: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    needs: tuple[str, ...],
    empty: dict[str, Any],
) -> None:
    """Apply a function to each JSON line; a line must be an object with one of the keys in `needs`.

    An unexpected exception gives a line with `empty` and the reason internal_error.
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
            except (ValueError, RecursionError) as error:
                refuse(f"{source}, line {number}: invalid JSON: {error}")
            if not isinstance(record, dict) or not record.keys() & set(needs):
                refuse(f"{source}, line {number}: expected an object with the key {' or '.join(needs)}")
            try:
                result = function(record)
            except Exception as error:  # noqa: BLE001 - a line that fails must not end the others
                failure = {"reason": "internal_error", "message": f"{type(error).__name__}: {error}"}
                result = {"id": record.get("id"), **empty, **failure}
            out.write((json.dumps(result, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
            out.flush()


def main() -> None:
    """Run the command line; entry point of the console script."""
    for argument in sys.argv[1:]:
        if any("\udc80" <= character <= "\udcff" for character in argument):
            shown = argument.encode("utf-8", "backslashreplace").decode()
            typer.echo(f"onrecord: the argument {shown} is not valid UTF-8: rename the file, or correct it", err=True)
            sys.exit(ExitCode.REFUSED)
    # Until a run has its own handlers, SIGTERM ends the command like Ctrl-C: with a message and exit code 130.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_malloc()
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        code = end.code if isinstance(end, SystemExit) else ExitCode.INTERRUPTED
        if code == ExitCode.INTERRUPTED and not has_message():
            warn("aborted before its end; repeat the command", "failed", exit_code=int(ExitCode.INTERRUPTED))
        sys.exit(code)


if __name__ == "__main__":
    main()
