"""A run's report for the terminal: what became of the URLs, who spoke most, and where the tables lie."""

import duckdb
from rich.console import Console
from rich.table import Table

from pipeline.cli.console import cell
from pipeline.lake.manifest import Manifest

SAMPLES = 6
"""How many quotes and speakers are shown."""

_OUTCOMES = """
    SELECT outcome, coalesce(reason, ''), count(*), min(url) FROM fetches
    GROUP BY outcome, reason ORDER BY outcome <> 'ok', count(*) DESC, outcome, reason
"""
_NEWS = """
    WITH met AS (
      SELECT outcome = 'ok' AND source = 'listing' AS is_listing, coalesce(reason IN ('not_due', 'forgotten'), false) AS
        is_known, outcome IN ('not_modified', 'unchanged') AS is_same FROM fetches
    )
    SELECT count(*) FILTER (is_listing), count(*) FILTER (is_known), count(*) FILTER (is_same),
      count(*) FILTER (NOT (is_listing OR is_known OR is_same)) FROM met
"""
_SPEAKERS = """
    SELECT speaker_name, coalesce(mode(speaker_role), ''), count(*), count(DISTINCT version_id)
    FROM quotes WHERE speaker_name IS NOT NULL GROUP BY speaker_name ORDER BY 3 DESC, 4 DESC, 1 LIMIT ?
"""
_QUOTES = """
    SELECT speaker_name, q.text, q.domain FROM quotes q WHERE speaker_name IS NOT NULL AND kind = 'direct'
    AND length(q.text) BETWEEN 40 AND 110 AND len(q.spans) = 1
    QUALIFY row_number() OVER (PARTITION BY q.domain ORDER BY confidence DESC, quote_id) <= 2
    ORDER BY quote_id LIMIT ?
"""


def print_report(console: Console, root: str, manifest: Manifest, database: duckdb.DuckDBPyConnection) -> None:
    """Prints what a committed run brought.

    Args:
        console: where to.
        root: the lake's.
        manifest: the run's.
        database: the run alone (`pipeline.lake.query.catalog.open_lake`).
    """
    _print(console, "What became of the URLs", ("outcome", "reason", "#URLs", "for example"), database, _OUTCOMES)
    _print(console, "Most quoted", ("speaker", "role", "#quotes", "#articles"), database, _SPEAKERS, SAMPLES)
    _print(console, "Quotes", ("speaker", "words", "site"), database, _QUOTES, SAMPLES)
    lake = Table(title=f"Tables in {cell(root)}", title_justify="left")
    for heading in ("table", "rows", "bytes", "files"):
        lake.add_column(heading, justify="left" if heading in ("table", "files") else "right")
    for name, files in manifest.files.items():
        size = f"{sum(f.bytes for f in files):,}"
        lake.add_row(name, f"{manifest.rows(name):,}", size, "\n".join(cell(f.path) for f in files))
    console.print(lake)
    console.print(f"Books balance: {manifest.urls} URLs in, {manifest.rows('fetches')} rows in fetches.")


def all_failed(database: duckdb.DuckDBPyConnection) -> bool:
    """Whether the run tried something and every bit of it failed."""
    row = database.execute("SELECT count(*), count(*) FILTER (outcome = 'failed') FROM fetches").fetchone()
    tried, failed = row or (0, 0)
    return bool(tried) and tried == failed


def cancelled(database: duckdb.DuckDBPyConnection) -> int:
    """How many URLs the run did not come to, because it was stopped."""
    row = database.execute("SELECT count(*) FROM fetches WHERE reason = 'cancelled'").fetchone()
    return int(row[0]) if row else 0


def nothing_new(database: duckdb.DuckDBPyConnection) -> str | None:
    """A sentence that says why a run brought no article, where all is as earlier runs know it; else None."""
    listings, known, same, other = database.execute(_NEWS).fetchone() or (0, 0, 0, 0)
    if other:
        return None
    told = {"not due or forgotten": known, "as they were": same, "feeds and sitemaps read": listings}
    met = ", ".join(f"{number:,} {what}" for what, number in told.items() if number)
    return f"Nothing new: {met or 'the sources name no URL'}."


def _print(
    console: Console,
    title: str,
    headings: tuple[str, ...],
    database: duckdb.DuckDBPyConnection,
    sql: str,
    limit: int | None = None,
) -> None:
    """Prints a query's rows as a table; a heading with # is a right-aligned number."""
    rows = database.execute(sql, [limit] if limit is not None else []).fetchall()
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading.lstrip("#"), justify="right" if heading.startswith("#") else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    console.print(table if rows else f"{title}: none.")
