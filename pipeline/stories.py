"""Which articles tell one story, decided at commit: those whose texts are nearly the same.

Each story is known by one text, that of its original. A run's articles come in the order of their publication; each
joins the story of an equal text, else that of an earlier version of its own page, else the one whose original it
shares most with, else it is the original of a new story. Only originals are compared, and found by hashes that they
share: a wire story on a thousand sites costs a thousand look-ups, and no chain of small changes makes one story of two.
A story's id is a hash of its original's text; rows of older days never change.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipeline.lake import manifests
from transforms.database import open_database
from transforms.extract.shingles import from_column, likeness, sketch
from transforms.files import write_rows
from transforms.records import Run, StagedFile, Story, stable_id
from transforms.store import open_store

RECENT = timedelta(days=7)
"""How far back an article may stand whose text makes a later one a copy."""
NEAR = 0.5
"""The least share of the shorter text that a copy has in common with its original."""
LEAST_RATIO = 0.15
"""A text shorter than this, by the longer one's length, is an item of a round-up rather than a copy that was cut."""
LEAST_SHARED = 3
"""Hashes that two sketches must share before they are compared: one common phrase is no likeness."""
INDEXED = 32
"""The smallest hashes of an original's sketch, by which it is found."""
COMMON = 100
"""A hash of more originals than this is a phrase that sites set under each article, and finds nothing any more."""
BATCH = 500


def write_stories(run: Run, articles: Sequence[StagedFile]) -> list[StagedFile]:
    """Writes the rows of ``stories`` for a run's articles.

    Args:
        run: the attempt.
        articles: its published files of the table ``articles``.

    Returns:
        One staged file, or none when there are no articles.
    """
    if not articles:
        return []
    store = open_store(run.lake)
    path = f"{run.staging}/publish/stories/{run.partition}/part-{run.run_id}-{run.attempt}-0.parquet"
    recent = [m for m in manifests(store) if m.run_id != run.run_id and abs(m.run_date - run.run_date) <= RECENT]
    with (
        store.local_copies([f.path for f in articles]) as new,
        store.local_copies([f.path for m in recent for f in m.files["articles"]]) as texts,
        store.local_copies([f.path for m in recent for f in m.files["stories"]]) as stories,
        open_database(threads=1) as database,
    ):
        known = _known(database, run.run_id, new, texts, stories) if texts and stories else Stories()
        rows = [known.place(*row) for row in _articles(database, new)]
        rows.sort(key=lambda row: (row.domain, row.published_at is None, row.published_at, row.version_id))
        return [write_rows(run, "stories", rows, path)]


@dataclass(frozen=True, slots=True)
class Original:
    """The text by which a story is known."""

    story_id: str
    article_id: str
    """Its page; empty when that is the page of a copy, as the original is older than `RECENT`."""
    sketch: "array[int]"


@dataclass(slots=True)
class Stories:
    """The stories so far, and how an article is placed among them. About 6 KB a story."""

    originals: dict[str, Original] = field(default_factory=dict)
    by_text: dict[str, str] = field(default_factory=dict)
    """text_hash -> story_id"""
    by_page: dict[str, str] = field(default_factory=dict)
    """article_id -> story_id"""
    by_hash: dict[int, list[Original]] = field(default_factory=lambda: defaultdict(list))

    def add(self, original: Original) -> None:
        """Takes the original of a story that later articles may join; one that is known already is left out."""
        if original.story_id in self.originals:
            return
        self.originals[original.story_id] = original
        for value in original.sketch[:INDEXED]:
            if len(found := self.by_hash[value]) <= COMMON:
                found.append(original)

    def place(
        self, version_id: str, article_id: str, domain: str, published_at: Any, text_hash: str, own: "array[int]"
    ) -> Story:
        """The story of one article whose text has the sketch `own`; articles come in the order of publication."""
        story_id = self.by_text.get(text_hash) or self.by_page.get(article_id) or self._nearest(own)
        if story_id is None:
            story_id = stable_id("story", text_hash)
            self.add(Original(story_id, article_id, own))
        self.by_text.setdefault(text_hash, story_id)
        self.by_page.setdefault(article_id, story_id)
        original = self.originals[story_id]
        return Story(
            version_id=version_id,
            article_id=article_id,
            story_id=story_id,
            is_original=article_id == original.article_id,
            similarity=likeness(own, original.sketch)[0],
            domain=domain,
            published_at=published_at,
        )

    def _nearest(self, own: "array[int]") -> str | None:
        shared = Counter(
            original.story_id
            for value in own
            if len(found := self.by_hash.get(value, ())) <= COMMON
            for original in found
        )
        near = []
        for story_id, count in shared.items():
            share, ratio = likeness(own, self.originals[story_id].sketch)
            if count >= LEAST_SHARED and share >= NEAR and ratio >= LEAST_RATIO:
                near.append((share, story_id))
        return max(near)[1] if near else None


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
    for column, stories_of in (("text_hash", known.by_text), ("article_id", known.by_page)):
        found = database.execute(
            f"SELECT {column}, first(story_id ORDER BY is_original DESC, published_at NULLS LAST, story_id)"  # noqa: S608 - names of ours
            f" FROM recent WHERE {column} IN (SELECT {column} FROM read_parquet(?)) GROUP BY 1",
            [[str(p) for p in new]],
        )
        stories_of.update(found.fetchall())
    rows = database.execute(
        f"SELECT story_id, CASE WHEN is_original THEN article_id ELSE '' END, {_sketched(database, texts)} FROM (FROM"  # noqa: S608 - names of ours
        " recent QUALIFY row_number() OVER (PARTITION BY story_id ORDER BY is_original DESC, published_at NULLS LAST,"
        f" url) = 1) JOIN (SELECT version_id, sketch, text FROM {_ARTICLES}) USING (version_id)",
        [[str(p) for p in texts]],
    )
    while batch := rows.fetchmany(BATCH):
        for story_id, article_id, numbers, text in batch:
            known.add(Original(story_id, article_id, _sketch(numbers, text)))
    return known


_ARTICLES = (
    "(FROM (SELECT NULL::BIGINT[] AS sketch LIMIT 0) UNION ALL BY NAME FROM read_parquet(?, union_by_name = true))"
)
"""Articles, with a sketch that is null where it comes of a file of schema version 1."""


def _sketched(database: duckdb.DuckDBPyConnection, articles: list[Path]) -> str:
    """The columns that `_sketch` takes: no texts, unless one of these articles has no sketch."""
    found = database.execute(f"SELECT 1 FROM {_ARTICLES} WHERE sketch IS NULL LIMIT 1", [[str(p) for p in articles]])  # noqa: S608 - names of ours
    return "sketch, CASE WHEN sketch IS NULL THEN text END" if found.fetchall() else "sketch, NULL"


def _sketch(numbers: Sequence[int] | None, text: str | None) -> "array[int]":
    return from_column(numbers) if numbers is not None else sketch(text or "")


def _articles(database: duckdb.DuckDBPyConnection, new: list[Path]) -> Iterator[tuple[Any, ...]]:
    """A run's articles, the earliest published first; of those that name the same time, or none, the longest first.

    A page that names a day alone comes behind those that name a time on it, for a copy's day is often all it has.
    """
    rows = database.execute(
        f"SELECT version_id, article_id, domain, published_at, text_hash, {_sketched(database, new)} FROM {_ARTICLES} ORDER BY"  # noqa: S608, E501 - names of ours
        " published_at + INTERVAL 1 DAY * (published_precision IS NOT DISTINCT FROM 'day')::INT NULLS LAST,"
        " word_count DESC, url",
        [[str(p) for p in new]],
    )
    while batch := rows.fetchmany(BATCH):
        for *row, numbers, text in batch:
            yield (*row, _sketch(numbers, text))
