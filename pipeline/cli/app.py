"""The command line. Thin: it parses, calls and prints; Beam is imported by `run` and `reprocess` alone."""

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
    EXIT_FAILED,
    ConfigArgument,
    LakeOption,
    LakeOverride,
    RowFormat,
    SetOption,
    cell,
    fail,
    refuse,
    terminal,
)
from pipeline.cli.export import app as publish
from pipeline.cli.report import report
from pipeline.run.malloc import give_back_memory

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

app.command()(run_commands.run)
app.command()(run_commands.stream)
app.command()(run_commands.reprocess)
app.command()(report)
app.command()(lake_commands.files)
app.command()(lake_commands.diff)
app.command()(lake_commands.forget)
app.command()(lake_commands.compact)
app.add_typer(publish, name="publish")

InArgument = Annotated[str, typer.Argument(metavar="IN.jsonl", help="JSON lines; - is standard input.")]
OutArgument = Annotated[str, typer.Argument(metavar="OUT.jsonl", help="JSON lines; - is standard output.")]


@app.command()
def check(config: ConfigArgument, lake: LakeOverride = None, set_: SetOption = None) -> None:
    """Validate CONFIG, and print it whole with what would be read and written."""
    from pipeline.config.errors import ConfigError
    from pipeline.config.load import check_reachable, load_config, printed
    from transforms.schema.urls import without_secrets

    try:
        loaded = load_config(config, set_ or [], lake)
        files = check_reachable(loaded)
    except ConfigError as error:
        refuse(str(error))
    typer.echo(printed(loaded), nl=False)
    typer.echo("# reads:")
    for line in [*files, *(url for source in loaded.listings for url in source.listings)]:
        typer.echo(f"#   {without_secrets(line)}")
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
    from pipeline.cli.show import ShowError, load_article, print_article

    try:
        article = load_article(page)
    except ShowError as error:
        fail(str(error), EXIT_FAILED)
    print_article(terminal(), article)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="Over the tables articles, entities, quotes, ...")],
    lake: LakeOption = "lake",
    format_: Annotated[RowFormat, typer.Option("--format", help="How rows are printed.")] = RowFormat.TABLE,
    gazetteer: Annotated[
        str | None,
        typer.Option("--gazetteer", metavar="FILE", help="Your own CSV or Parquet about speakers (docs/lake.md)."),
    ] = None,
) -> None:
    """Ask the lake in SQL (DuckDB's), over its tables and the views of docs/lake.md; only committed runs are seen."""
    import duckdb

    from pipeline.lake.manifest import manifests
    from pipeline.lake.query.catalog import open_lake
    from transforms.storage.base import StoreError
    from transforms.storage.open import open_store

    try:
        store = open_store(lake)
        if not manifests(store):
            refuse(f"--lake {lake}: no committed run lies there; `onrecord run` makes one")
        with open_lake(store, gazetteer=gazetteer) as database:
            _print_rows(database.execute(sql), format_)
    except (StoreError, ValueError, duckdb.Error) as error:
        refuse(str(error))


@app.command()
def schema(
    config: Annotated[
        bool, typer.Option("--config", help="Print the JSON Schema of a configuration instead, for editors.")
    ] = False,
) -> None:
    """Print every table's columns, their types and what they mean."""
    if config:
        from pipeline.config.schema import config_schema

        typer.echo(json.dumps(config_schema(), indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    from transforms.schema.tables import TABLES

    console = terminal()
    for table in TABLES.values():
        shown = Table(title=f"{table.name}: {table.meaning}", title_justify="left")
        for heading in ("column", "type", "null", "meaning"):
            shown.add_column(heading, overflow="fold")
        for column in table.columns:
            shown.add_row(column.name, str(column.type), "yes" if column.nullable else "no", column.meaning)
        console.print(shown, markup=False)


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
    """The console script."""
    give_back_memory()
    app()


if __name__ == "__main__":
    main()
