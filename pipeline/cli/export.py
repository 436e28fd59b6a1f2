"""`onrecord publish`: the lake's tables in a DuckDB file, in BigQuery, as Iceberg tables."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import LakeOption, refuse, run_id_of_option

app = typer.Typer(
    no_args_is_help=True, help="Take the committed tables to a DuckDB file, to BigQuery or to an Iceberg catalog."
)

RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="This run alone; else all.", callback=run_id_of_option)
]


@app.command()
def duckdb(
    out: Annotated[Path, typer.Argument(metavar="OUT.duckdb", help="The file; one that is there is replaced.")],
    lake: LakeOption = "lake",
    run: RunOption = None,
    gazetteer: Annotated[
        str | None,
        typer.Option("--gazetteer", metavar="FILE", help="CSV or Parquet with `name` and attributes of speakers."),
    ] = None,
) -> None:
    """Write all tables and views into one DuckDB file."""
    with _refusing():
        from pipeline.export.duckdb import export
        from transforms.storage.open import open_store

        for table, rows in export(open_store(lake), out, run, gazetteer).items():
            typer.echo(f"{table}: {rows:,} rows")


@app.command()
def bigquery(
    project: Annotated[str, typer.Option("--project", help="The Google Cloud project.")],
    dataset: Annotated[str, typer.Option("--dataset", help="The dataset; made where it is not there.")],
    location: Annotated[str | None, typer.Option("--location", help="Of a new dataset, such as EU; else US.")] = None,
    lake: LakeOption = "lake",
    run: RunOption = None,
) -> None:
    """Load the files of committed runs into BigQuery; what is loaded already is left alone."""
    with _refusing(extra="bigquery", module="google.cloud.bigquery"):
        from pipeline.export.bigquery import publish
        from transforms.storage.open import open_store

        _report(publish(open_store(lake), project, dataset, location, run), "loaded")


@app.command()
def iceberg(
    namespace: Annotated[str, typer.Option("--namespace", help="Of the tables; made where it is not there.")],
    catalog_property: Annotated[
        list[str] | None,
        typer.Option("--catalog-property", metavar="KEY=VALUE", help="Of pyiceberg; else a SQLite file in the lake."),
    ] = None,
    lake: LakeOption = "lake",
    run: RunOption = None,
) -> None:
    """Register the files of committed runs in Iceberg tables; nothing is copied."""
    properties = dict(_pair(option) for option in catalog_property or [])
    with _refusing(extra="iceberg", module="pyiceberg"):
        from pipeline.export.iceberg import open_catalog, publish
        from transforms.storage.open import open_store

        store = open_store(lake)
        with open_catalog(store, properties) as catalog:
            _report(publish(store, catalog, namespace, run), "registered")


def _report(changes: Iterator[tuple[str, str, int]], done: str) -> None:
    changed = False
    for table, manifest, rows in changes:
        changed = True
        typer.echo(f"{table}: {manifest}: {rows:,} rows {done}")
    if not changed:
        typer.echo(f"All of it is {done} already.")


def _pair(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals:
        refuse(f"--catalog-property {option}: KEY=VALUE is expected, such as uri=sqlite:///catalog.db")
    return key, value


@contextmanager
def _refusing(extra: str = "", module: str = "") -> Iterator[None]:
    from pipeline.export.selection import ExportError
    from transforms.storage.base import StoreError

    # Libraries warn of their own affairs, such as columns that are null throughout.
    warnings.simplefilter("ignore")
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    try:
        yield
    except ModuleNotFoundError as error:
        if not module or not (error.name or "").startswith(module):
            raise
        refuse(f"`publish {extra}` needs an extra that is not installed: pip install 'onrecord[{extra}]'")
    except (ExportError, StoreError, ValueError) as error:
        refuse(str(error))
