"""The command `onrecord report`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import (
    EXIT_REFUSED,
    NO_RUN,
    LakeOption,
    exit_on_error,
    fail,
    quiet,
    refuse,
    run_id_option,
)
from transforms.schema.errors import cause_of


def report(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A committed run (default: the newest).", callback=run_id_option),
    ] = None,
    lake: LakeOption = "lake",
    everything: Annotated[bool, typer.Option("--all", help="Report on all runs of the lake.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The file to write (default: LAKE/_reports/RUN.html)."),
    ] = None,
) -> None:
    """Write a self-contained HTML report of a run.

    The report shows the outcome of each URL and what to do about failures, the most quoted speakers and most mentioned
    names, and excerpts of articles with their names and quotes. Each run also writes its own report at its end.
    """
    import duckdb

    from pipeline.lake.manifest import newest_run, read_manifest
    from pipeline.lake.query.catalog import open_lake
    from pipeline.report.page import render, write_report
    from transforms.storage.base import StoreError
    from transforms.storage.open import open_store

    quiet()
    if run is not None and everything:
        refuse(f"report {run} --all: give either a run or --all")
    with exit_on_error({StoreError: EXIT_REFUSED}):
        store = open_store(lake)
        newest = newest_run(store)
        if newest is None:
            refuse(NO_RUN.format(lake))
        chosen = None if everything else run or newest
        if chosen is not None and read_manifest(store, chosen) is None:
            refuse(f"{chosen} is not committed in {lake}; `onrecord runs` lists the runs")
        try:
            with open_lake(store, chosen) as database:
                if out is None:
                    place = write_report(store, database, chosen)
                else:
                    out.write_bytes(render(database, chosen))
                    place = str(out.absolute())
        except (OSError, duckdb.Error) as error:
            fail(f"the report cannot be written: {cause_of(error)}")
    typer.echo(place)
