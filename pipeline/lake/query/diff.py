"""What changed between two runs, or between two lakes' rows of one run: for whoever upgrades the code or a model.

The work is SQL (`diff.sql`). Pages are matched by ``article_id``; quotes by their words, else by the letters that they
share where the text is the same; names by name and page.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipeline.lake.manifest import manifests, read_manifest, run_ids
from pipeline.lake.query.catalog import quoted, table_views
from transforms.schema.errors import OnrecordError
from transforms.storage.base import Store
from transforms.storage.database import open_database

TITLES = {
    "runs": "The runs",
    "tables": "Rows",
    "outcomes": "What became of the URLs",
    "failures": "Failures by stage and reason",
    "urls": "URLs that fared otherwise",
    "articles": "Articles that one of the two has",
    "fields": "Metadata that changed, by field",
    "metadata": "Metadata that changed, page by page",
    "texts": "Texts that changed, the least alike first",
    "quotes": "Quotes of the pages that both have",
    "speakers": "Speakers of the same quotes",
    "changed_quotes": "Quotes that changed",
    "entities": "Names of the pages that both have",
}
"""The sections of a comparison, in their order."""

_COUNTS = ("tables", "outcomes", "failures", "fields", "quotes")

_VERSIONS = """
    SELECT (SELECT string_agg(DISTINCT extractor_version, ', ' ORDER BY extractor_version) FROM {side}_articles),
      (SELECT string_agg(DISTINCT model_version, ', ' ORDER BY model_version) FROM
        (SELECT model_version FROM {side}_entities UNION ALL SELECT model_version FROM {side}_quotes))
"""


class NoSuchRunError(OnrecordError):
    """A run is not committed in its lake; the message is one sentence."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a comparison."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    """The first of them."""
    total: int
    """How many there are."""

    @property
    def title(self) -> str:
        """What it shows, in words."""
        return TITLES[self.name]

    def records(self) -> Iterator[dict[str, Any]]:
        """Its rows by column."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def diff(a: tuple[Store, str], b: tuple[Store, str], limit: int = 20) -> Iterator[Section]:
    """Compares two committed runs.

    Args:
        a: a lake and the id of a run in it: what was before.
        b: the same for what is now.
        limit: most rows of a section; sections that count (`tables`, `outcomes`, `failures`, `fields`, `quotes`) come
            whole.

    Yields:
        Every section, also one without rows.

    Raises:
        NoSuchRunError: there is no such run.
    """
    with ExitStack() as stack:
        database = stack.enter_context(open_database())
        about = [_open(stack, database, side, *which) for side, which in (("a", a), ("b", b))]
        rows = list(zip(about[0], *(told.values() for told in about), strict=True))
        yield Section("runs", ("what", "a", "b"), rows, len(rows))
        database.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
        for name in list(TITLES)[1:]:
            most = "" if name in _COUNTS else f" LIMIT {limit:d}"
            found = database.execute(f"FROM diff_{name}{most}")
            columns = tuple(column[0] for column in found.description or ())
            rows = found.fetchall()
            total = database.execute(f"SELECT count(*) FROM diff_{name}").fetchall()[0][0]  # noqa: S608 - names of ours
            yield Section(name, columns, rows, total)


def _open(
    stack: ExitStack, database: duckdb.DuckDBPyConnection, side: str, store: Store, run_id: str
) -> dict[str, Any]:
    """Makes one run's tables there, and gives what is to be said of the run."""
    standing = manifests(store)
    holding = [m for m in standing if m.contains_run(run_id)]
    own = read_manifest(store, run_id)
    if not holding or own is None:
        known = sorted(run_ids(standing))
        there = f"the last ones there are {', '.join(known[-5:])}" if known else "no run is committed there"
        raise NoSuchRunError(f"no run {run_id} is committed in {store.root}: {there}")
    where = f" WHERE run_id = {quoted(run_id)}"
    stack.enter_context(table_views(database, store, holding, where=where, prefix=f"{side}_"))
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
