"""Which articles tell one story, decided at commit: those whose texts are nearly the same.

Each story is known by one text, that of its original. A run's articles come in the order of their publication; each
joins the story of an equal text, else that of an earlier version of its own page, else the story whose original it
shares most with, else it is the original of a new one. Only originals are ever compared, found by the hashes that they
share, so a wire story on a thousand sites costs a thousand look-ups, and no chain of small changes makes one story of
two. A story's id is a hash of its original's text; rows of older days never change.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb

from pipeline.lake import Manifest, manifests
from transforms.extract.shingles import likeness, sketch
from transforms.records import Run, StagedFile, Story, stable_id
from transforms.store import Store, open_store
from transforms.write import write_rows

RECENT = timedelta(days=7)
"""How far back an article may stand whose text makes a later one a copy."""
NEAR = 0.5
"""The least share of the shorter text that a copy has in common with its original."""
LEAST_RATIO = 0.15
"""A text shorter than this, by the longer one's length, is an item of a round-up rather than a cut copy."""
LEAST_SHARED = 4
"""Hashes that two sketches must share before they are compared."""
INDEXED = 24
"""The smallest hashes of an original's sketch, by which it is found."""
COMMON = 200
"""A hash of more originals than this is a phrase of some site's every article, and finds nothing any more."""
BATCH = 500

Sketch = "array[int]"


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
    path = f"{run.staging}/publish/stories/{articles[0].partition}/part-{run.run_id}-{run.attempt}-0.parquet"
    recent = _recent_runs(store, run)
    with (
        store.local_copies([f.path for f in articles]) as texts,
        store.local_copies(_files(recent, "articles")) as recent_texts,
        store.local_copies(_files(recent, "stories")) as recent_stories,
        duckdb.connect(config={"threads": 1}) as database,
    ):
        database.execute("SET TimeZone = 'UTC'")
        _register(database, texts, recent_texts, recent_stories)
        return [write_rows(run, "stories", _stories(database), path)]


def _recent_runs(store: Store, run: Run) -> list[Manifest]:
    return [m for m in manifests(store) if m.run_id != run.run_id and abs(m.run_date - run.run_date) <= RECENT]


def _files(runs: list[Manifest], table: str) -> list[str]:
    return [file.path for manifest in runs for file in manifest.files[table]]


def _register(
    database: duckdb.DuckDBPyConnection, texts: list[Path], recent_texts: list[Path], recent_stories: list[Path]
) -> None:
    """Makes the views ``run``, and ``known``: the recent rows of ``stories`` with their texts, the originals first."""
    _view(database, "run", texts)
    if not (recent_texts and recent_stories):
        recent_texts, recent_stories = texts, []
    _view(database, "recent_articles", recent_texts)
    if recent_stories:
        _view(database, "recent_stories", recent_stories)
    else:
        database.execute(
            "CREATE VIEW recent_stories AS SELECT version_id, '' AS story_id, false AS is_original FROM run WHERE false"
        )
    database.execute(
        "CREATE VIEW known AS SELECT s.story_id, a.article_id, a.text_hash, a.text, row_number() OVER "
        "(PARTITION BY s.story_id ORDER BY s.is_original DESC, a.published_at NULLS LAST, a.fetched_at, a.url) AS place"
        " FROM recent_stories s JOIN recent_articles a USING (version_id)"
    )
