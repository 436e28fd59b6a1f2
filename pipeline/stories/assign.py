"""Assign the articles of a run to stories of near-duplicate texts.

A story is represented by the text of its original. The articles of a run are processed in the order of their
publication. Each joins the story of an equal text, or else of an earlier version of its page, or else of the most
similar original; otherwise it is the original of a new story. Only originals are compared, and they are found by shared
hashes, so a wire story on a thousand sites costs a thousand look-ups, and a chain of small changes does not join two
stories. The id of a story is a hash of its original's text; rows of earlier days never change.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.lake.manifest import manifests
from pipeline.stories.sketch_index import SketchIndex
from transforms.schema.records import Story, stable_id
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES
from transforms.storage.database import open_database
from transforms.storage.open import open_store
from transforms.text.near_duplicates import from_column, likeness, sketch
from transforms.write.external_sort import external_sort
from transforms.write.parquet import merge_staged_files, write_rows

RECENT = timedelta(days=7)
"""Maximum distance in days between an original and a copy."""
NEAR = 0.5
"""Minimum share of the shorter text that a copy has in common with its original."""
LEAST_RATIO = 0.15
"""Minimum ratio of the two lengths; a shorter text is an item of a round-up instead of a shortened copy."""
LEAST_SHARED = 3
"""Minimum number of shared hashes before two sketches are compared; a common phrase alone has fewer."""
BATCH = 500

_COLUMNS = ("version_id", "article_id", "domain", "published_at", "text_hash", "sketch")
_SORTED = pa.schema(
    [
        *map(TABLES["articles"].schema.field, _COLUMNS),
        pa.field("text", pa.string()),
        pa.field("is_repeated", pa.bool_()),
    ]
)


def write_stories(run: Run, articles: Sequence[StagedFile]) -> list[StagedFile]:
    """Write the rows of ``stories`` for the articles of a run.

    Args:
        run: the attempt.
        articles: its merged files of the table ``articles``.

    Returns:
        The merged files of ``stories``; none without articles.
    """
    if not articles:
        return []
    store = open_store(run.lake)
    path = f"{run.staging}/rows/stories/{run.attempt}.parquet"
    recent = [m for m in manifests(store) if m.run_id != run.run_id and abs(m.run_date - run.run_date) <= RECENT]
    with (
        store.local_copies([f.path for f in articles]) as new,
        store.local_copies([f.path for m in recent for f in m.files["articles"]]) as texts,
        store.local_copies([f.path for m in recent for f in m.files["stories"]]) as stories,
        open_database(threads=1) as database,
    ):
        known = _known(database, run.run_id, new, texts, stories) if texts and stories else Stories()
        rows = (known.assign(*row, is_repeated=is_repeated) for *row, is_repeated in _articles(database, new))
        return merge_staged_files(run, [write_rows(run, "stories", rows, path)])


@dataclass(slots=True)
class Stories:
    """The known stories; assigns articles to them."""

    originals: SketchIndex = field(default_factory=SketchIndex)
    by_text: dict[str, int] = field(default_factory=dict)
    """text_hash -> number of the story's original"""
    by_page: dict[str, int] = field(default_factory=dict)
    """article_id -> number of the story's original"""

    def assign(
        self,
        version_id: str,
        article_id: str,
        domain: str,
        published_at: Any,
        text_hash: str,
        own: "array[int]",
        *,
        is_repeated: bool = True,
    ) -> Story:
        """Assign an article to a story. Call it in the order of publication.

        Args:
            version_id: id of the article version.
            article_id: id of its page.
            domain: domain of the page.
            published_at: time of publication.
            text_hash: hash of the text.
            own: sketch of the text.
            is_repeated: whether the text or the page may occur again.
        """
        number = self.by_text.get(text_hash, self.by_page.get(article_id))
        if number is None:
            number = self._nearest(own)
        if number is None:
            number = self.originals.add(stable_id("story", text_hash), article_id, own)
        if is_repeated:
            self.by_text.setdefault(text_hash, number)
            self.by_page.setdefault(article_id, number)
        return Story(
            version_id=version_id,
            article_id=article_id,
            story_id=self.originals.story_ids[number],
            is_original=article_id == self.originals.article_ids[number],
            similarity=likeness(own, self.originals.sketch(number))[0],
            domain=domain,
            published_at=published_at,
        )

    def _nearest(self, own: "array[int]") -> int | None:
        candidates = []
        for number, count in self.originals.sharing(own).items():
            if count < LEAST_SHARED:
                continue
            share, ratio = likeness(own, self.originals.sketch(number))
            if share >= NEAR and ratio >= LEAST_RATIO:
                candidates.append((share, self.originals.story_ids[number], number))
        return max(candidates)[2] if candidates else None


def _known(
    database: duckdb.DuckDBPyConnection, run_id: str, new: list[Path], texts: list[Path], stories: list[Path]
) -> Stories:
    """The recent stories, each with its original, or with its oldest copy if the original is not recent.

    Rows of an earlier attempt at the same run, which compacted files may contain, are ignored.
    """
    known = Stories()
    database.execute(
        "CREATE TABLE recent AS SELECT DISTINCT ON (s.story_id, a.version_id) s.story_id, s.is_original, a.version_id,"
        " a.article_id, a.text_hash, a.published_at, a.url FROM read_parquet(?) s"
        " JOIN read_parquet(?) a USING (version_id) WHERE a.run_id <> ? AND s.run_id <> ?"
        " ORDER BY s.is_original DESC, s.run_date, s.run_id",
        [[str(p) for p in stories], [str(p) for p in texts], run_id, run_id],
    )
    rows = database.execute(
        "SELECT story_id, CASE WHEN is_original THEN article_id ELSE '' END, sketch, "  # noqa: S608 - own names
        f"{_text_of(database, texts)} FROM (FROM recent QUALIFY row_number() OVER (PARTITION BY story_id ORDER BY"
        " is_original DESC, published_at NULLS LAST, url) = 1) JOIN"
        f" (SELECT version_id, sketch, text FROM {_ARTICLES}) USING (version_id)",
        [[str(p) for p in texts]],
    )
    while batch := rows.fetchmany(BATCH):
        for story_id, article_id, numbers, text in batch:
            known.originals.add(story_id, article_id, _sketch(numbers, text))
    for column, stories_of in (("text_hash", known.by_text), ("article_id", known.by_page)):
        found = database.execute(
            f"SELECT {column}, first(story_id ORDER BY is_original DESC, published_at NULLS LAST, story_id)"  # noqa: S608 - own names
            f" FROM recent WHERE {column} IN (SELECT {column} FROM read_parquet(?)) GROUP BY 1",
            [[str(p) for p in new]],
        )
        stories_of.update((value, known.originals.numbers[story_id]) for value, story_id in found.fetchall())
    return known


_ARTICLES = (
    "(FROM (SELECT NULL::BIGINT[] AS sketch LIMIT 0) UNION ALL BY NAME FROM read_parquet(?, union_by_name = true))"
)
"""Articles; the sketch is null in files of schema version 1."""


def _text_of(database: duckdb.DuckDBPyConnection, articles: list[Path]) -> str:
    """SQL expression of the text that `_sketch` needs: null, unless an article has no sketch."""
    found = database.execute(f"SELECT 1 FROM {_ARTICLES} WHERE sketch IS NULL LIMIT 1", [[str(p) for p in articles]])  # noqa: S608 - own names
    return "CASE WHEN sketch IS NULL THEN text END" if found.fetchall() else "NULL::VARCHAR"


def _sketch(numbers: Sequence[int] | None, text: str | None) -> "array[int]":
    return from_column(numbers) if numbers is not None else sketch(text or "")


def _articles(database: duckdb.DuckDBPyConnection, new: list[Path]) -> Iterator[tuple[Any, ...]]:
    """The articles of a run in the order of publication; those with the same time or without one, longest first.

    A page with a date only comes after those with a time on that day, because copies often have only a date. The last
    value of each row is whether another article has the same text or page.
    """
    paths = [str(path) for path in new]
    for column in ("text_hash", "article_id"):
        database.execute(
            f"CREATE TEMP TABLE repeated_{column} AS"  # noqa: S608 - own names
            f" SELECT {column} FROM read_parquet(?) GROUP BY 1 HAVING count(*) > 1",
            [paths],
        )
    rows = (
        f"SELECT * REPLACE ({_text_of(database, new)} AS text), -word_count AS shortness, published_at + INTERVAL 1 DAY"  # noqa: S608 - own names
        " * (published_precision IS NOT DISTINCT FROM 'day')::INT AS moment, text_hash IN (FROM repeated_text_hash) OR"
        " article_id IN (FROM repeated_article_id) AS is_repeated"
        " FROM (FROM (SELECT NULL::BIGINT[] AS sketch LIMIT 0) UNION ALL BY NAME FROM read_parquet($paths,"
        " filename = true, file_row_number = true, union_by_name = true))"
    )
    batches = external_sort(
        database, rows, paths, {}, _SORTED, key=("version_id",), order=("moment", "shortness", "url"), size=BATCH
    )
    for batch in batches:
        for *row, numbers, text, is_repeated in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield (*row, _sketch(numbers, text), is_repeated)
