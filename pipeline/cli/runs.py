"""The command `onrecord runs`."""

import json
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from pipeline.cli.console import (
    EXIT_FAILED,
    LakeOption,
    RowFormat,
    cell,
    committed_store,
    exit_on_error,
    quiet,
    terminal,
)
from transforms.schema.records import Outcome

if TYPE_CHECKING:
    from transforms.storage.base import Store

OUTCOMES = get_args(Outcome)


def runs(
    lake: LakeOption = "lake",
    format_: Annotated[RowFormat, typer.Option("--format", help="Output format; jsonl has bytes.")] = RowFormat.TABLE,
) -> None:
    """List the runs of the lake, the newest first.

    Each run has its time, the number of its URLs by outcome, its articles and the size of its files. A run whose files
    were merged by `compact` has no size of its own.
    """
    import duckdb

    quiet()
    with exit_on_error({OSError: EXIT_FAILED, duckdb.Error: EXIT_FAILED}):
        found = list_runs(committed_store(lake))
    if format_ is RowFormat.JSONL:
        for run in found:
            typer.echo(json.dumps(run, default=str))
        return
    from rich.table import Table

    table = Table()
    for name in ("run", "time, UTC", "URLs", *OUTCOMES, "articles", "MB"):
        table.add_column(name.replace("_", " "), justify="left" if name in ("run", "time, UTC") else "right")
    for run in found:
        size = "" if run["bytes"] is None else f"{run['bytes'] / 1e6:,.1f}"
        counts = [f"{run[name]:,}" for name in ("urls", *OUTCOMES, "articles")]
        table.add_row(cell(run["run_id"]), f"{run['time']:%Y-%m-%d %H:%M}", *counts, size)
    terminal().print(table)


def list_runs(store: "Store") -> list[dict[str, Any]]:
    """Return the runs of a lake, the newest first.

    Args:
        store: the lake.

    Returns:
        Objects with the keys run_id, run_date, time (of the last fetch), urls, one for each outcome, articles and bytes
        (None for a compacted run).
    """
    from pipeline.lake.manifest import manifests
    from pipeline.lake.query.catalog import open_manifests

    current = manifests(store)
    sizes = {m.run_id: sum(f.bytes for files in m.files.values() for f in files) for m in current if not m.supersedes}
    articles = {m.run_id: m.rows("articles") for m in current if not m.supersedes}
    is_compacted = len(sizes) < len(current)
    with open_manifests(store, current, tables=("fetches", "articles") if is_compacted else ("fetches",)) as database:
        outcomes = ", ".join(f"count(*) FILTER (outcome = '{name}')" for name in OUTCOMES)
        rows = database.execute(
            f"SELECT run_id, min(run_date), max(fetched_at), count(*), {outcomes} FROM fetches GROUP BY run_id "  # noqa: S608 - our names
            "ORDER BY max(fetched_at) DESC, run_id DESC"
        ).fetchall()
        if is_compacted:
            counts = database.execute("SELECT run_id, count(*) FROM articles GROUP BY run_id").fetchall()
            articles = dict(counts) | articles
    names = ("run_id", "run_date", "time", "urls", *OUTCOMES)
    return [
        dict(zip(names, row, strict=True)) | {"articles": articles.get(row[0], 0), "bytes": sizes.get(row[0])}
        for row in rows
    ]
