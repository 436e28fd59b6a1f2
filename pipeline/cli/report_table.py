"""Print the report of a run in the terminal: URL outcomes, most quoted speakers, quotes, and files of the tables."""

import duckdb
from rich.console import Console
from rich.table import Table

from pipeline.cli.console import cell
from pipeline.lake.manifest import Manifest

SAMPLES = 6
"""Number of quotes and speakers to print."""

_OUTCOMES = """
    SELECT outcome, coalesce(reason, ''), count(*), min(url) FROM fetches
    GROUP BY outcome, reason ORDER BY outcome <> 'ok', count(*) DESC, outcome, reason
"""
_NEWS = """
    WITH urls AS (
      SELECT outcome = 'ok' AND source = 'listing' AS is_listing, coalesce(reason IN ('not_due', 'forgotten'), false) AS
        is_known, outcome IN ('not_modified', 'unchanged') AS is_same FROM fetches
    )
    SELECT count(*) FILTER (is_listing), count(*) FILTER (is_known), count(*) FILTER (is_same),
      count(*) FILTER (NOT (is_listing OR is_known OR is_same)) FROM urls
"""
_SPEAKERS = """
    SELECT speaker_name, coalesce(mode(speaker_role), ''), count(*), count(DISTINCT version_id)
    FROM quotes WHERE speaker_name IS NOT NULL AND is_speech(kind, cue_class)
    GROUP BY speaker_name ORDER BY 3 DESC, 4 DESC, 1 LIMIT ?
"""
_QUOTES = """
    SELECT speaker_name, quotation(q.text, kind), q.domain FROM quotes q
    WHERE speaker_name IS NOT NULL AND kind = 'direct' AND length(q.text) BETWEEN 40 AND 110 AND len(q.spans) = 1
    QUALIFY row_number() OVER (PARTITION BY q.domain ORDER BY confidence DESC, quote_id) <= 2
    ORDER BY quote_id LIMIT ?
"""


def print_report(console: Console, root: str, manifest: Manifest, database: duckdb.DuckDBPyConnection) -> None:
    """Print the report of a committed run.

    Args:
        console: the terminal.
        root: root of the lake.
        manifest: manifest of the run.
        database: only this run (`pipeline.lake.query.catalog.open_lake`).
    """
    _print(console, "URL outcomes", ("outcome", "reason", "#URLs", "for example"), database, _OUTCOMES)
    _print(console, "Most quoted", ("speaker", "role", "#quotes", "#articles"), database, _SPEAKERS, SAMPLES)
    _print(console, "Quotes", ("speaker", "quote", "site"), database, _QUOTES, SAMPLES)
    lake = Table(title=f"Tables in {cell(root)}", title_justify="left")
    for heading in ("table", "rows", "bytes", "files"):
        lake.add_column(heading, justify="left" if heading in ("table", "files") else "right")
    for name, files in manifest.files.items():
        size = f"{sum(f.bytes for f in files):,}"
        lake.add_row(name, f"{manifest.rows(name):,}", size, "\n".join(cell(f.path) for f in files))
    console.print(lake)
    console.print(f"{'The only URL is' if manifest.urls == 1 else f'All {manifest.urls:,} URLs'} accounted for.")


def count_cancelled(database: duckdb.DuckDBPyConnection) -> int:
    """Number of URLs that were not fetched because the run was stopped."""
    row = database.execute("SELECT count(*) FROM fetches WHERE reason = 'cancelled'").fetchone()
    return int(row[0]) if row else 0


def nothing_new(database: duckdb.DuckDBPyConnection) -> str | None:
    """A sentence for a run without new content, with the reasons; None if there is new content."""
    listings, known, same, other = database.execute(_NEWS).fetchone() or (0, 0, 0, 0)
    if other:
        return None
    counts = {"not due or forgotten": known, "unchanged": same, "feeds and sitemaps read": listings}
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in counts.items() if number)
    return f"Nothing new: {reasons or 'the sources list no URL'}."


def _print(
    console: Console,
    title: str,
    headings: tuple[str, ...],
    database: duckdb.DuckDBPyConnection,
    sql: str,
    limit: int | None = None,
) -> None:
    """Print the rows of a query as a table; columns with # in their heading are right-aligned."""
    rows = database.execute(sql, [limit] if limit is not None else []).fetchall()
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading.lstrip("#"), justify="right" if heading.startswith("#") else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    console.print(table if rows else f"{title}: none.")
