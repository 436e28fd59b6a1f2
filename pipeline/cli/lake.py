"""The commands that look after a lake: `onrecord files`, `diff`, `forget` and `compact`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import (
    EXIT_FAILED,
    LakeOption,
    RowFormat,
    cell,
    fail,
    quiet,
    refuse,
    run_id_of_option,
    terminal,
)

if TYPE_CHECKING:
    from pipeline.lake.query.diff import Section
    from transforms.storage.base import Store


class FilesFormat(str, Enum):
    """How `files` prints a file."""

    URI = "uri"
    JSONL = "jsonl"


def files(
    run: Annotated[str | None, typer.Option("--run", help="Of this run alone.", callback=run_id_of_option)] = None,
    table: Annotated[str | None, typer.Option("--table", help="Of this table alone; _warc: archived pages.")] = None,
    lake: LakeOption = "lake",
    format_: Annotated[
        FilesFormat, typer.Option("--format", help="uri: one a line; jsonl: with table, run, rows, bytes.")
    ] = FilesFormat.URI,
) -> None:
    """Print the exact files of the lake: what its readers should read.

    Where runs were compacted, one file holds rows of several: --run names it for each of them, and the column run_id
    tells them apart.
    """
    from pipeline.lake.manifest import manifests
    from transforms.schema.tables import ARCHIVES, TABLES

    if table not in (None, *TABLES, ARCHIVES):
        refuse(f"--table {table}: there is no such table; allowed are {', '.join((*TABLES, ARCHIVES))}")
    with _opened(lake) as store:
        found = [m for m in manifests(store) if run is None or m.contains_run(run)]
        if run is not None and not found:
            refuse(f"--run {run}: no such run is committed in {lake}")
        for manifest in found:
            for name, listed in manifest.files.items():
                for file in listed if table in (None, name) else []:
                    uri = store.uri(file.path)
                    about = {"table": name, "run_id": manifest.run_id, "uri": uri, "rows": file.rows}
                    about |= {"bytes": file.bytes, "holds_runs": sorted(manifest.supersedes)}
                    typer.echo(uri if format_ is FilesFormat.URI else json.dumps(about))


def diff(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="What was before.", callback=run_id_of_option)],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="What is now.", callback=run_id_of_option)],
    lake: LakeOption = "lake",
    lake_b: Annotated[str | None, typer.Option("--lake-b", help="The lake of RUN_B, where it is another.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most rows of a section.")] = 20,
    format_: Annotated[
        RowFormat, typer.Option("--format", help="jsonl: a line for each section with its total, and one a row.")
    ] = RowFormat.TABLE,
) -> None:
    """Compare two runs: counts, failures, articles, texts, metadata, quotes, speakers and names that changed.

    The tool for an upgrade: make the run anew into a copy of the lake, and compare it with what it was (--lake-b).
    """
    from pipeline.lake.query.diff import NoSuchRunError
    from pipeline.lake.query.diff import diff as compare

    if (run_a, lake) == (run_b, lake_b or lake):
        refuse(f"{run_a} and {run_b} of {lake} are one run; --lake-b names the lake of the second, such as a copy")
    with _opened(lake) as store, _opened(lake_b or lake) as other:
        try:
            for section in compare((store, run_a), (other, run_b), limit):
                _print_section(section, format_)
        except NoSuchRunError as error:
            refuse(str(error))


def _print_section(section: "Section", format_: RowFormat) -> None:
    if format_ is RowFormat.JSONL:
        head = {"section": section.name, "total": section.total, "shown": len(section.rows)}
        for line in (head, *({"section": section.name, **row} for row in section.records())):
            typer.echo(json.dumps(line, ensure_ascii=False, default=str))
        return
    from rich.table import Table

    if not section.rows:
        terminal().print(f"{section.title}: none.")
        return
    part = f", {len(section.rows):,} of {section.total:,}" if len(section.rows) < section.total else ""
    table = Table(title=f"{section.title}{part}", title_justify="left")
    for column in section.columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in section.rows:
        table.add_row(*map(cell, row))
    terminal().print(table)


def forget(
    target: Annotated[
        str | None, typer.Argument(metavar="[URL|DOMAIN]", help="A page's address, or a site with all below it.")
    ] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="DATE", help="Runs of earlier days.")] = None,
    lake: LakeOption = "lake",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
) -> None:
    """Take a page, a site or old days out of all tables and archives, for good.

    Files that hold such rows are written anew without them and deleted. A tombstone keeps what was forgotten from
    coming back: later runs skip it (skipped / forgotten). A copy of the lake elsewhere, such as a warehouse, is not
    reached.
    """
    from pipeline.lake.forget import forget as take_out
    from pipeline.lake.forget import parse_target
    from transforms.schema.tables import ARCHIVES

    try:
        what = parse_target(target, before)
    except ValueError as error:
        refuse(str(error))
    with _opened(lake) as store:
        removed = take_out(store, what, dry_run=dry_run)
    verb = "would be removed" if dry_run else "removed"
    for table, rows in sorted(removed.rows.items()):
        typer.echo(f"{table}: {rows:,} {'page' if table == ARCHIVES else 'row'}{'s' if rows > 1 else ''} {verb}")
    found = (
        f"From {removed.runs:,} run{'s' if removed.runs > 1 else ''}."
        if removed.runs
        else "Nothing of it is in the lake."
    )
    typer.echo(found if dry_run else f"{found} It will not come back.")
    if removed.locked_runs:
        fail(
            f"being made anew right now, so that their earlier rows still stand: {', '.join(removed.locked_runs)}; "
            "give this command again when they have ended",
            EXIT_FAILED,
        )


def compact(
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="DATE", help="Days before this one, else before today."),
    ] = None,
    lake: LakeOption = "lake",
) -> None:
    """Merge what many small runs left in a day into few files. Rows stay as they are, each in its day and run."""
    from pipeline.lake.compaction import compact as merge

    try:
        limit = date.fromisoformat(before) if before is not None else datetime.now(timezone.utc).date()
    except ValueError:
        refuse(f"--before {before}: YYYY-MM-DD is expected, such as 2026-01-31")
    with _opened(lake) as store:
        days = 0
        for done in merge(store, limit):
            days += 1
            typer.echo(f"{done.day}: {done.files_before:,} files of {done.runs:,} runs became {done.files_after:,}")
    if not days:
        typer.echo(f"nothing to do: no day before {limit} has several small runs")


@contextmanager
def _opened(lake: str) -> "Iterator[Store]":
    """The store of a lake that has runs; what goes wrong with it is said in one sentence."""
    import duckdb

    from pipeline.lake.manifest import manifests
    from pipeline.lake.transaction import CommitError, RunLockedError
    from transforms.storage.base import StoreError
    from transforms.storage.open import open_store

    quiet()
    try:
        store = open_store(lake)
        if not manifests(store):
            refuse(f"--lake {lake}: no committed run lies there; `onrecord run` makes one")
        yield store
    except RunLockedError as error:
        refuse(str(error))
    except (StoreError, CommitError, OSError, duckdb.Error) as error:
        # DuckDB's go on with the statement.
        fail(str(error).splitlines()[0], EXIT_FAILED)
