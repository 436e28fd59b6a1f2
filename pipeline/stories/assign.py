"""Which articles tell one story, decided at commit: those whose texts are nearly the same.

Each story is known by one text, that of its original. A run's articles come in the order of their publication; each
joins the story of an equal text, else that of an earlier version of its own page, else the one whose original it
shares most with, else it is the original of a new story. Only originals are compared, and found by hashes that they
share: a wire story on a thousand sites costs a thousand look-ups, and no chain of small changes makes one story of two.
A story's id is a hash of its original's text; rows of older days never change.
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
"""How far back an article may stand whose text makes a later one a copy."""
NEAR = 0.5
"""The least share of the shorter text that a copy has in common with its original."""
LEAST_RATIO = 0.15
"""A text shorter than this, by the longer one's length, is an item of a round-up rather than a copy that was cut."""
LEAST_SHARED = 3
"""Hashes that two sketches must share before they are compared: one common phrase is no likeness."""
BATCH = 500

_OF_ARTICLES = ("version_id", "article_id", "domain", "published_at", "text_hash", "sketch")
_PLACED = pa.schema(
    [
        *map(TABLES["articles"].schema.field, _OF_ARTICLES),
        pa.field("text", pa.string()),
        pa.field("again", pa.bool_()),
    ]
)


def write_stories(run: Run, articles: Sequence[StagedFile]) -> list[StagedFile]:
    """Writes the rows of ``stories`` for a run's articles.

    Args:
        run: the attempt.
        articles: its published files of the table ``articles``.

    Returns:
        Their published files; none when there are no articles.
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
        rows = (known.place(*row, is_repeated=again) for *row, again in _articles(database, new))
        return merge_staged_files(run, [write_rows(run, "stories", rows, path)])


@dataclass(slots=True)
class Stories:
    """The stories so far, and how an article is placed among them."""

    originals: SketchIndex = field(default_factory=SketchIndex)
    by_text: dict[str, int] = field(default_factory=dict)
    """text_hash -> its story's original"""
    by_page: dict[str, int] = field(default_factory=dict)
    """article_id -> the same"""

    def place(
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
        """The story of one article whose text has the sketch `own`; articles come in the order of publication.

        `is_repeated` says whether its text or its page may come again.
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
        near = []
        for number, count in self.originals.sharing(own).items():
            if count < LEAST_SHARED:
                continue
            share, ratio = likeness(own, self.originals.sketch(number))
            if share >= NEAR and ratio >= LEAST_RATIO:
                near.append((share, self.originals.story_ids[number], number))
        return max(near)[2] if near else None


def _known(
    database: duckdb.DuckDBPyConnection, run_id: str, new: list[Path], texts: list[Path], stories: list[Path]
) -> Stories:
    """The recent stories: each by its original, or by the oldest copy where the original is not recent.

    An earlier attempt at the same run does not count; a compacted file may hold its rows.
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
        "SELECT story_id, CASE WHEN is_original THEN article_id ELSE '' END, sketch, "  # noqa: S608 - names of ours
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
            f"SELECT {column}, first(story_id ORDER BY is_original DESC, published_at NULLS LAST, story_id)"  # noqa: S608 - names of ours
            f" FROM recent WHERE {column} IN (SELECT {column} FROM read_parquet(?)) GROUP BY 1",
            [[str(p) for p in new]],
        )
        stories_of.update((value, known.originals.numbers[story_id]) for value, story_id in found.fetchall())
    return known


_ARTICLES = (
    "(FROM (SELECT NULL::BIGINT[] AS sketch LIMIT 0) UNION ALL BY NAME FROM read_parquet(?, union_by_name = true))"
)
"""Articles, with a sketch that is null where it comes of a file of schema version 1."""


def _text_of(database: duckdb.DuckDBPyConnection, articles: list[Path]) -> str:
    """The column that `_sketch` takes beside the sketch: no texts, unless one of these articles has no sketch."""
    found = database.execute(f"SELECT 1 FROM {_ARTICLES} WHERE sketch IS NULL LIMIT 1", [[str(p) for p in articles]])  # noqa: S608 - names of ours
    return "CASE WHEN sketch IS NULL THEN text END" if found.fetchall() else "NULL::VARCHAR"


def _sketch(numbers: Sequence[int] | None, text: str | None) -> "array[int]":
    return from_column(numbers) if numbers is not None else sketch(text or "")


def _articles(database: duckdb.DuckDBPyConnection, new: list[Path]) -> Iterator[tuple[Any, ...]]:
    """A run's articles, the earliest published first; of those that name the same time, or none, the longest first.

    A page that names a day alone comes behind those that name a time on it, for a copy's day is often all it has. The
    last of a row says whether another article has the same text, or is of the same page.
    """
    paths = [str(path) for path in new]
    for column in ("text_hash", "article_id"):
        database.execute(
            f"CREATE TEMP TABLE again_{column} AS SELECT {column} FROM read_parquet(?) GROUP BY 1 HAVING count(*) > 1",  # noqa: S608 - names of ours
            [paths],
        )
    rows = (
        f"SELECT * REPLACE ({_text_of(database, new)} AS text), -word_count AS shortness, published_at + INTERVAL 1 DAY"  # noqa: S608 - names of ours
        " * (published_precision IS NOT DISTINCT FROM 'day')::INT AS moment, text_hash IN (FROM again_text_hash) OR"
        " article_id IN (FROM again_article_id) AS again FROM (FROM (SELECT NULL::BIGINT[] AS sketch LIMIT 0) UNION ALL"
        " BY NAME FROM read_parquet($paths, filename = true, file_row_number = true, union_by_name = true))"
    )
    batches = external_sort(
        database, rows, paths, {}, _PLACED, key=("version_id",), order=("moment", "shortness", "url"), size=BATCH
    )
    for batch in batches:
        for *row, numbers, text, again in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield (*row, _sketch(numbers, text), again)
