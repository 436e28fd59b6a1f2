"""The command `onrecord export`: the tables of the lake in a DuckDB file, in BigQuery or as Iceberg tables."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import EXIT_REFUSED, LakeOption, exit_on_error, refuse, run_id_option
from transforms.text.counts import counted

app = typer.Typer(no_args_is_help=True, help="Export tables to DuckDB, BigQuery or Iceberg.")

RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Export only this run (default: all runs).", callback=run_id_option),
]


@app.command()
def duckdb(
    out: Annotated[Path, typer.Argument(metavar="OUT.duckdb", help="The file; an existing one is replaced.")],
    lake: LakeOption = "lake",
    run: RunOption = None,
    gazetteer: Annotated[
        str | None,
        typer.Option("--gazetteer", metavar="FILE", help="CSV or Parquet with `name` and attributes of speakers."),
    ] = None,
) -> None:
    """Write all tables and views to one DuckDB file."""
    with _errors():
        from pipeline.export.duckdb import export
        from transforms.storage.open import open_store

        for table, rows in export(open_store(lake), out, run, gazetteer).items():
            typer.echo(f"{table}: {counted(rows, 'row')}")


@app.command()
def bigquery(
    project: Annotated[str, typer.Option("--project", help="The Google Cloud project.")],
    dataset: Annotated[str, typer.Option("--dataset", help="The dataset; created if it does not exist.")],
    location: Annotated[
        str | None, typer.Option("--location", help="Location of a new dataset, such as EU (default: US).")
    ] = None,
    lake: LakeOption = "lake",
    run: RunOption = None,
) -> None:
    """Load the files of committed runs into BigQuery; files that are loaded already are skipped."""
    with _errors(extra="bigquery", module="google.cloud.bigquery"):
        from pipeline.export.bigquery import export
        from transforms.storage.open import open_store

        _print_changes(export(open_store(lake), project, dataset, location, run), "loaded")


@app.command()
def iceberg(
    namespace: Annotated[str, typer.Option("--namespace", help="Namespace; created if it does not exist.")],
    catalog_property: Annotated[
        list[str] | None,
        typer.Option(
            "--catalog-property",
            metavar="KEY=VALUE",
            help="Property of the pyiceberg catalog (default: a SQLite catalog in the lake).",
        ),
    ] = None,
    lake: LakeOption = "lake",
    run: RunOption = None,
) -> None:
    """Register the files of committed runs in Iceberg tables; no file is copied."""
    properties = dict(_parsed_property(option) for option in catalog_property or [])
    with _errors(extra="iceberg", module="pyiceberg"):
        from pipeline.export.iceberg import export, open_catalog
        from transforms.storage.open import open_store

        store = open_store(lake)
        with open_catalog(store, properties) as catalog:
            _print_changes(export(store, catalog, namespace, run), "registered")


def _print_changes(changes: Iterator[tuple[str, str, int]], verb: str) -> None:
    has_changes = False
    for table, run_id, rows in changes:
        has_changes = True
        typer.echo(f"{table}: {run_id}: {counted(rows, 'row')} {verb}")
    if not has_changes:
        typer.echo(f"Nothing to do: all rows are already {verb}.")


def _parsed_property(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals:
        refuse(f"--catalog-property {option}: expected KEY=VALUE, such as uri=sqlite:///catalog.db")
    return key, value


@contextmanager
def _errors(extra: str = "", module: str = "") -> Iterator[None]:
    """Handle errors; `module` is a library that only the extra of this name installs."""
    from transforms.storage.base import StoreError

    # Libraries warn of things that a user cannot act on, such as columns that contain only nulls.
    warnings.simplefilter("ignore")
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    try:
        with exit_on_error({StoreError: EXIT_REFUSED, ValueError: EXIT_REFUSED}):
            yield
    except ModuleNotFoundError as error:
        if not module or not (error.name or "").startswith(module):
            raise
        refuse(f"`export {extra}` needs an extra: pip install 'onrecord[{extra}]'")
