"""Small lakes to export: runs of a few articles, each with one entity and one quote."""

from dataclasses import replace
from datetime import date
from typing import Any

from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import Manifest
from pipeline.lake.query.catalog import open_lake
from tests.support.records import NOW, make_article, make_fetch
from transforms.schema.records import Article, Entity, Mention, Quote, stable_id
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES, Row
from transforms.storage.base import Store
from transforms.write.parquet import merge_staged_files, write_rows

DAY = date(2026, 3, 4)


def commit_run(store: Store, run_id: str, texts: dict[int, str], day: date = DAY) -> Manifest:
    """Commit a run of articles (number -> text); a repeated call replaces its rows."""
    with exclusive(store, run_id) as lease_owner:
        run = new_attempt(run_id, day, store.root, lease_owner)
        articles = [make_article(n, text, published_at=NOW, tags=("a", "b")) for n, text in texts.items()]
        files = [
            *_staged(run, "articles", articles),
            *_staged(run, "entities", [_entity(a) for a in articles]),
            *_staged(run, "quotes", [_quote(a) for a in articles]),
            *_staged(run, "fetches", [make_fetch(n) for n in texts]),
        ]
        return commit(store, run, files, urls=len(texts))


def rows_of(store: Store, table: str) -> list[dict[str, Any]]:
    """Rows of a table in the lake, sorted by key and run."""
    with open_lake(store) as database:
        return in_order(table, database.sql(f"FROM {table}").to_arrow_table().to_pylist())


def in_order(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows of an export like `rows_of`."""
    return sorted(rows, key=lambda row: [row[c] for c in (*TABLES[table].key, "run_id")])


def _staged(run: Run, table: str, records: list[Any]) -> list[StagedFile]:
    rows: list[Row] = records
    return (
        merge_staged_files(run, [write_rows(run, table, rows, f"{run.staging}/rows/{table}/a.parquet")]) if rows else []
    )


def _entity(article: Article) -> Entity:
    word = article.text.split()[0]
    return Entity(
        entity_id=stable_id(article.version_id, "PERSON", word),
        name=word,
        type="PERSON",
        mentions=(Mention(0, len(word), word),),
        mention_count=1,
        first_start=0,
        salience=0.5,
        model_version="test",
        article_id=article.article_id,
        version_id=article.version_id,
        published_at=article.published_at,
        domain=article.domain,
    )


def _quote(article: Article) -> Quote:
    entity = _entity(article)
    quote = Quote(
        quote_id=stable_id(article.version_id, "quote"),
        ordinal=0,
        paragraph=0,
        kind="direct",
        text=article.text,
        verbatim_text=(article.text, "again"),
        spans=((0, 2), (3, len(article.text))),
        speaker=entity.name,
        speaker_name=entity.name,
        speaker_entity_id=entity.entity_id,
        confidence=0.25,
        utterance_id=stable_id(article.text),
        model_version="test",
    )
    return replace(
        quote,
        article_id=article.article_id,
        version_id=article.version_id,
        published_at=article.published_at,
        domain=article.domain,
    )
