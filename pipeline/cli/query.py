"""The command `onrecord query`."""

import csv
import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import EXIT_REFUSED, LakeOption, cell, committed_store, exit_on_error, refuse, terminal

if TYPE_CHECKING:
    import duckdb

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a spreadsheet takes a text for a formula."""


class QueryFormat(str, Enum):
    """Output format of `query`."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL|FILE.sql|-",
            help="A query on the tables articles, entities, quotes, ...; a file with one; - for standard input.",
        ),
    ],
    lake: LakeOption = "lake",
    format_: Annotated[
        QueryFormat,
        typer.Option("--format", help="Output format. csv: texts that a spreadsheet takes for a formula begin with '."),
    ] = QueryFormat.TABLE,
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

    statement = _statement(sql)
    with (
        exit_on_error({StoreError: EXIT_REFUSED, ValueError: EXIT_REFUSED, duckdb.Error: EXIT_REFUSED}),
        open_lake(committed_store(lake), gazetteer=gazetteer) as database,
    ):
        try:
            if not database.extract_statements(statement):
                refuse("the query is empty; give an SQL statement, such as `onrecord query 'FROM articles'`")
            _print_rows(database.execute(statement), format_)
        except duckdb.Error as error:
            refuse(str(error))


def _statement(sql: str) -> str:
    """Return the text of the query, from standard input (``-``) or a file if the argument names one."""
    try:
        if sql == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        if sql.endswith(".sql") and not any(char.isspace() for char in sql):
            return Path(sql).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        refuse(f"query {sql}: the file cannot be read: {cause}; name a text file that contains one SQL statement")
    return sql


def _print_rows(result: "duckdb.DuckDBPyConnection", format_: QueryFormat) -> None:
    names = [column[0] for column in result.description or []]
    if format_ is QueryFormat.JSONL:
        for row in _rows(result):
            typer.echo(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str))
        return
    if format_ is QueryFormat.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(map(_csv_cell, names))
        writer.writerows(map(_csv_cell, row) for row in _rows(result))
        return
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(cell(name), overflow="fold")
    for row in _rows(result):
        table.add_row(*map(cell, row))
    terminal().print(table)


def _rows(result: "duckdb.DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    """Yield the rows; numbers of the type FLOAT have only the digits that they are stored with, such as 0.74."""
    singles = [at for at, column in enumerate(result.description or []) if str(column[1]) == "FLOAT"]
    while batch := result.fetchmany(1_000):
        for row in batch:
            yield tuple(_shortest(value) if at in singles else value for at, value in enumerate(row))


def _shortest(value: float | None) -> float | None:
    import numpy as np

    return None if value is None else float(str(np.float32(value)))


def _csv_cell(value: object) -> object:
    """Return a cell; lists and structs are JSON, and a text that begins like a formula gets an apostrophe."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
