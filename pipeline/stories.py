"""Which articles tell one story, decided at commit from a few columns: here, those with the same text.

A story's id is a hash of the text, so the same text has the same story on every site and day, and rows of older days
never need to change.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb

from pipeline.lake import manifests
from transforms.records import Run, StagedFile, Story, stable_id
from transforms.store import Store, open_store
from transforms.write import write_rows

RECENT = timedelta(days=7)
"""How far back an article may stand whose text makes a later one a copy."""
BATCH = 1_000


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
    with (
        store.local_copies([f.path for f in articles]) as texts,
        store.local_copies(_recent_files(store, run)) as recent,
    ):
        return [write_rows(run, "stories", _stories(texts, recent), path)]


def _recent_files(store: Store, run: Run) -> list[str]:
    return [
        file.path
        for manifest in manifests(store)
        if manifest.run_id != run.run_id and abs(manifest.run_date - run.run_date) <= RECENT
        for file in manifest.files["stories"]
    ]


def _stories(articles: list[Path], recent: list[Path]) -> Iterator[Story]:
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("SET TimeZone = 'UTC'")
        known: set[str] = set()
        if recent:
            rows = database.execute("SELECT DISTINCT story_id FROM read_parquet(?)", [[str(p) for p in recent]])
            known = {story_id for (story_id,) in rows.fetchall()}
        rows = database.execute(
            "SELECT version_id, article_id, domain, published_at, text_hash, row_number() OVER "
            "(PARTITION BY text_hash ORDER BY published_at NULLS LAST, fetched_at, url) = 1 "
            "FROM read_parquet(?) ORDER BY domain, published_at NULLS LAST, version_id",
            [[str(p) for p in articles]],
        )
        while batch := rows.fetchmany(BATCH):
            for version_id, article_id, domain, published_at, text_hash, first in batch:
                story_id = stable_id("story", text_hash)
                yield Story(
                    version_id=version_id,
                    article_id=article_id,
                    story_id=story_id,
                    is_original=first and story_id not in known,
                    similarity=1.0,
                    domain=domain,
                    published_at=published_at,
                )
