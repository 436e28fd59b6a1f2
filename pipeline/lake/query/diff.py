"""Compare two runs, or the rows of one run in two lakes, for instance before and after an upgrade of code or model.

The comparison is SQL (`diff.sql`). Pages are matched by ``article_id``, names by name and page. Quotes are matched by
their words, or else by their overlap if the text of the page is the same.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipeline.lake.manifest import manifests, read_manifest, run_ids
from pipeline.lake.query.catalog import quoted, table_views
from transforms.schema.errors import ExitCode, OnrecordError
from transforms.storage.base import Store
from transforms.storage.database import open_database

TITLES = {
    "runs": "Runs",
    "tables": "Rows",
    "outcomes": "URL outcomes",
    "failures": "Failures by stage and reason",
    "urls": "URLs with a different outcome",
    "articles": "Articles in only one run",
    "fields": "Changed metadata, by field",
    "metadata": "Changed metadata, by page",
    "texts": "Changed texts, least similar first",
    "quotes": "Quotes on pages in both runs",
    "speakers": "Changed speakers of the same quotes",
    "changed_quotes": "Changed quotes",
    "entities": "Changed names on pages in both runs",
}
"""The sections of a comparison in order, with their titles."""

_COUNTS = ("tables", "outcomes", "failures", "fields", "quotes")

_VERSIONS = """
    SELECT (SELECT string_agg(DISTINCT extractor_version, ', ' ORDER BY extractor_version) FROM {side}_articles),
      (SELECT string_agg(DISTINCT model_version, ', ' ORDER BY model_version) FROM
        (SELECT model_version FROM {side}_entities UNION ALL SELECT model_version FROM {side}_quotes))
"""


class NoSuchRunError(OnrecordError):
    """The run is not committed in its lake. The message is one sentence."""

    exit_code = ExitCode.REFUSED


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a comparison."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    """The first rows, up to the limit."""
    total: int
    """Total number of rows."""

    @property
    def title(self) -> str:
        """Title of the section."""
        return TITLES[self.name]

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries by column."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def diff(a: tuple[Store, str], b: tuple[Store, str], limit: int = 20) -> Iterator[Section]:
    """Compare two committed runs.

    Args:
        a: the lake and id of the earlier run.
        b: the lake and id of the later run.
        limit: maximum number of rows in a section. Sections of counts (`tables`, `outcomes`, `failures`, `fields`,
            `quotes`) are always complete.

    Yields:
        Every section, including those without rows.

    Raises:
        NoSuchRunError: a run is not committed.
    """
    with ExitStack() as stack:
        database = stack.enter_context(open_database())
        about = [_open(stack, database, side, *which) for side, which in (("a", a), ("b", b))]
        rows = list(zip(about[0], *(metadata.values() for metadata in about), strict=True))
        yield Section("runs", ("what", "a", "b"), rows, len(rows))
        database.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
        for name in list(TITLES)[1:]:
            most = "" if name in _COUNTS else f" LIMIT {limit:d}"
            found = database.execute(f"FROM diff_{name}{most}")
            columns = tuple(column[0] for column in found.description or ())
            rows = found.fetchall()
            total = database.execute(f"SELECT count(*) FROM diff_{name}").fetchall()[0][0]  # noqa: S608 - own names
            yield Section(name, columns, rows, total)


def _open(
    stack: ExitStack, database: duckdb.DuckDBPyConnection, side: str, store: Store, run_id: str
) -> dict[str, Any]:
    """Create the tables of one run in the database; returns the metadata of the run."""
    current = manifests(store)
    containing = [m for m in current if m.contains_run(run_id)]
    own = read_manifest(store, run_id)
    if not containing or own is None:
        existing = sorted(run_ids(current))
        found = f"its last runs are {', '.join(existing[-5:])}" if existing else "it has no run"
        raise NoSuchRunError(f"run {run_id} is not committed in the lake {store.root}; {found}")
    where = f" WHERE run_id = {quoted(run_id)}"
    stack.enter_context(table_views(database, store, containing, where=where, prefix=f"{side}_"))
    extractor, model = database.execute(_VERSIONS.format(side=side)).fetchall()[0]
    return {
        "run": run_id,
        "lake": store.root,
        "date": str(own.run_date),
        "committed at": f"{own.committed_at:%Y-%m-%d %H:%M:%S}",
        "URLs": own.urls,
        "extractor_version": extractor,
        "model_version": model,
        "schema_version": own.schema_version,
    }
