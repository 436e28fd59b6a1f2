"""The command line: parse arguments, call the pipeline, print results. Only commands that run it import Beam."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import lake as lake_commands
from pipeline.cli import run as run_commands
from pipeline.cli.console import (
    EXIT_REFUSED,
    ConfigArgument,
    LakeOption,
    LakeOverride,
    RowFormat,
    SetOption,
    cell,
    committed_store,
    exit_on_error,
    refuse,
    terminal,
)
from pipeline.cli.demo import demo
from pipeline.cli.export import app as export
from pipeline.cli.report import report
from pipeline.cli.stream import stream
from pipeline.run.malloc import configure_malloc

if TYPE_CHECKING:
    import duckdb

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
app.command()(lake_commands.files)
app.command()(lake_commands.diff)
app.command()(lake_commands.forget)
app.command()(lake_commands.compact)
app.add_typer(export, name="export")
app.add_typer(export, name="publish", hidden=True)  # the former name

InArgument = Annotated[str, typer.Argument(metavar="IN.jsonl", help="JSON lines; - for standard input.")]
OutArgument = Annotated[str, typer.Argument(metavar="OUT.jsonl", help="JSON lines; - for standard output.")]


@app.command()
def check(config: ConfigArgument, lake: LakeOverride = None, set_: SetOption = None) -> None:
    """Validate CONFIG and print what it does.

    Prints the effective configuration, the files and feeds to read, and the lake.
    """
    from pipeline.config.load import check_reachable, load_config, printed
    from transforms.schema.urls import without_secrets

    with exit_on_error():
        loaded = load_config(config, set_ or [], lake)
        files = check_reachable(loaded)
    typer.echo(printed(loaded), nl=False)
    typer.echo("# reads:")
    for line in [*files, *(url for source in loaded.listings for url in source.listings)]:
        typer.echo(f"#   {without_secrets(line)}")
    typer.echo(f"# writes: {loaded.lake}")


@app.command()
def extract(source: InArgument, target: OutArgument) -> None:
    """Extract articles from HTML pages.

    Each line {id, url, html} becomes {id, text, title, authors, published, language, ...}. {body_base64, content_type}
    may replace html. A page that is not an article gives a line with an empty text and the reason.
    """
    from transforms.extract import extract_line

    _map_lines(source, target, extract_line, needs=("html", "body_base64"), empty={"text": ""})


@app.command()
def annotate(source: InArgument, target: OutArgument) -> None:
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
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query on the tables articles, entities, quotes, ...")],
    lake: LakeOption = "lake",
    format_: Annotated[RowFormat, typer.Option("--format", help="Output format.")] = RowFormat.TABLE,
    gazetteer: Annotated[
        str | None,
        typer.Option("--gazetteer", metavar="FILE", help="Your own CSV or Parquet file about speakers (docs/lake.md)."),
    ] = None,
) -> None:
    """Query the lake with SQL.

    The SQL dialect is DuckDB's. The tables hold committed runs only; docs/lake.md lists the tables and views.
    """
    import duckdb

    from pipeline.lake.query.catalog import open_lake
    from transforms.storage.base import StoreError

    with (
        exit_on_error({StoreError: EXIT_REFUSED, ValueError: EXIT_REFUSED, duckdb.Error: EXIT_REFUSED}),
        open_lake(committed_store(lake), gazetteer=gazetteer) as database,
    ):
        try:
            _print_rows(database.execute(sql), format_)
        except duckdb.Error as error:
            refuse(str(error))


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
            except ValueError as error:
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


def _print_rows(result: "duckdb.DuckDBPyConnection", format_: RowFormat) -> None:
    names = [column[0] for column in result.description or []]
    if format_ is RowFormat.JSONL:
        while batch := result.fetchmany(1_000):
            for row in batch:
                typer.echo(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str))
        return
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(cell(name), overflow="fold")
    for row in result.fetchall():
        table.add_row(*map(cell, row))
    terminal().print(table)


def main() -> None:
    """Run the command line; entry point of the console script."""
    configure_malloc()
    app()


if __name__ == "__main__":
    main()
