"""The command `onrecord report`. Thin, like `pipeline.cli.app`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import EXIT_FAILED, LakeOption, fail, quiet, refuse, run_id_of_option


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A committed run, else the newest.", callback=run_id_of_option)
    ] = None,
    lake: LakeOption = "lake",
    everything: Annotated[bool, typer.Option("--all", help="Of all runs of the lake in one page.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it, else LAKE/_reports/<run>.html.")
    ] = None,
) -> None:
    """Write what a run brought as one HTML page, which needs no network and no lake to be read.

    It shows what became of the URLs and what to do about failures, who is quoted and written about, and pieces of
    articles with their names and quotes. Each run writes its own at its end.
    """
    import duckdb

    from pipeline.lake.manifest import newest_run, read_manifest
    from pipeline.lake.query.catalog import open_lake
    from pipeline.report.page import render, write_report
    from transforms.storage.base import StoreError
    from transforms.storage.open import open_store

    quiet()
    if run is not None and everything:
        refuse(f"report {run} --all: name a run or ask for all of them, not both")
    try:
        store = open_store(lake)
        newest = newest_run(store)
        if newest is None:
            refuse(f"--lake {lake}: no committed run lies there; `onrecord run` makes one")
        chosen = None if everything else run or newest
        if chosen is not None and read_manifest(store, chosen) is None:
            refuse(f"{chosen}: no such run is committed in {lake}; the table fetches has those that are in run_id")
        with open_lake(store, chosen) as database:
            if out is None:
                place = write_report(store, database, chosen)
            else:
                out.write_bytes(render(database, chosen))
                place = str(out.absolute())
        typer.echo(place)
    except StoreError as error:
        refuse(str(error))
    except (OSError, duckdb.Error) as error:
        fail(f"the report cannot be written: {error}", EXIT_FAILED)
