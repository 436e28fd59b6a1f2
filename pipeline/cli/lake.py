"""The commands that inspect and maintain a lake: `onrecord files`, `diff`, `forget` and `compact`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import (
    EXIT_FAILED,
    EXIT_LOCKED,
    LakeOption,
    RowFormat,
    cell,
    committed_store,
    exit_on_error,
    fail,
    quiet,
    refuse,
    run_id_option,
    terminal,
)
from transforms.text.counts import counted

if TYPE_CHECKING:
    from pipeline.lake.query.diff import Section
    from transforms.storage.base import Store


class FilesFormat(str, Enum):
    """Output format of `files`."""

    URI = "uri"
    JSONL = "jsonl"


def files(
    run: Annotated[str | None, typer.Option("--run", help="List only this run.", callback=run_id_option)] = None,
    table: Annotated[str | None, typer.Option("--table", help="List only this table; _warc: archived pages.")] = None,
    lake: LakeOption = "lake",
    format_: Annotated[
        FilesFormat, typer.Option("--format", help="uri: one per line; jsonl: with table, run, rows and bytes.")
    ] = FilesFormat.URI,
) -> None:
    """List the current files of the lake.

    These are the files that a reader should read. After a compaction, one file holds rows of several runs: it is listed
    for each of them, and the column run_id tells the rows apart.
    """
    from pipeline.lake.manifest import manifests
    from transforms.schema.tables import ARCHIVES, TABLES

    if table not in (None, *TABLES, ARCHIVES):
        refuse(f"--table {table} is not a table; allowed are {', '.join((*TABLES, ARCHIVES))}")
    with _opened(lake) as store:
        found = [m for m in manifests(store) if run is None or m.contains_run(run)]
        if run is not None and not found:
            refuse(f"--run {run} is not committed in {lake}")
        for manifest in found:
            for name, listed in manifest.files.items():
                for file in listed if table in (None, name) else []:
                    uri = store.uri(file.path)
                    fields = {"table": name, "run_id": manifest.run_id, "uri": uri, "rows": file.rows}
                    fields |= {"bytes": file.bytes, "holds_runs": sorted(manifest.supersedes)}
                    typer.echo(uri if format_ is FilesFormat.URI else json.dumps(fields))


def diff(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run before.", callback=run_id_option)],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run after.", callback=run_id_option)],
    lake: LakeOption = "lake",
    lake_b: Annotated[
        str | None, typer.Option("--lake-b", help="The lake of RUN_B (default: the lake of RUN_A).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Maximum number of rows per section.")] = 20,
    format_: Annotated[
        RowFormat, typer.Option("--format", help="jsonl: one line per section with its total, and one per row.")
    ] = RowFormat.TABLE,
) -> None:
    """Compare two runs.

    The comparison covers counts, failures, articles, texts, metadata, quotes, speakers and names. To check an upgrade,
    reprocess a run in a copy of the lake and compare it with the original (--lake-b).
    """
    from pipeline.lake.query.diff import diff as compare

    if (run_a, lake) == (run_b, lake_b or lake):
        refuse(f"{run_a} and {run_b} are the same run of {lake}; use --lake-b to name the lake of the second run")
    with _opened(lake) as store, _opened(lake_b or lake) as other:
        for section in compare((store, run_a), (other, run_b), limit):
            _print_section(section, format_)


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
    count = f", {len(section.rows):,} of {section.total:,}" if len(section.rows) < section.total else ""
    table = Table(title=f"{section.title}{count}", title_justify="left")
    for column in section.columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in section.rows:
        table.add_row(*map(cell, row))
    terminal().print(table)


def forget(
    target: Annotated[
        str | None, typer.Argument(metavar="[URL|DOMAIN]", help="The URL of a page, or a domain with its subdomains.")
    ] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="DATE", help="Runs before this day.")] = None,
    lake: LakeOption = "lake",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be deleted; change nothing.")] = False,
) -> None:
    """Permanently delete a page, a site or old days.

    They are deleted from all tables and archives: files that hold such rows are rewritten without them. A tombstone
    makes later runs skip the pages (skipped / forgotten). Copies outside the lake, such as a warehouse, are not
    changed.
    """
    from pipeline.lake.forget import forget as delete
    from pipeline.lake.forget import parse_target
    from transforms.schema.tables import ARCHIVES

    try:
        parsed = parse_target(target, before)
    except ValueError as error:
        refuse(str(error))
    with _opened(lake) as store:
        removed = delete(store, parsed, dry_run=dry_run)
    verb = "would be deleted" if dry_run else "deleted"
    for table, rows in sorted(removed.rows.items()):
        typer.echo(f"{table}: {counted(rows, 'page' if table == ARCHIVES else 'row')} {verb}")
    runs = counted(removed.runs, "run")
    found = f"{'Matching rows are in' if dry_run else 'Deleted from'} {runs}." if removed.runs else "No matching rows."
    typer.echo(found if dry_run else f"{found} Future runs will skip it.")
    if removed.locked_runs:
        fail(
            f"{', '.join(removed.locked_runs)}: the rows remain because these runs are running now; "
            "repeat this command when they have ended",
            EXIT_LOCKED,
        )


def compact(
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help="Compact days before this one (default: today).")
    ] = None,
    lake: LakeOption = "lake",
) -> None:
    """Merge the files of small runs.

    The files of several small runs of a day become few files; all rows keep their day and run id.
    """
    from pipeline.lake.compaction import compact as merge

    try:
        limit = date.fromisoformat(before) if before is not None else datetime.now(timezone.utc).date()
    except ValueError:
        refuse(f"--before {before}: expected YYYY-MM-DD, such as 2026-01-31")
    with _opened(lake) as store:
        days = 0
        for done in merge(store, limit):
            days += 1
            typer.echo(
                f"{done.day}: merged {done.files_before:,} files of {done.runs:,} runs into {done.files_after:,}"
            )
    if not days:
        typer.echo(f"Nothing to do: no day before {limit} has several small runs.")


@contextmanager
def _opened(lake: str) -> "Iterator[Store]":
    """Open a lake that has committed runs, and handle the errors of the code inside."""
    import duckdb

    quiet()
    with exit_on_error({OSError: EXIT_FAILED, duckdb.Error: EXIT_FAILED}):
        yield committed_store(lake)
