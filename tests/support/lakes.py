"""Small lakes for tests: runs with any rows, a lake of schema version 1, and reader views."""

import shutil
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipeline.config.models import RunConfig
from pipeline.demo.server import Site
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import Manifest, manifests
from pipeline.lake.query.catalog import open_lake
from pipeline.stories.assign import write_stories
from tests.support.records import make_fetch
from transforms.schema.records import Article
from transforms.schema.tables import ARCHIVES, TABLES, Row
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.write.parquet import merge_staged_files, write_rows

DAY = date(2026, 3, 4)
LAKE_V1 = Path(__file__).parents[1] / "data" / "lake-v1"
STORM = "http://wire.example/2025/storm-gates"
COPY_OF_STORM = "http://brindle-post.example/articles/1044-storm-gates"


def lake_of_version_1(folder: Path) -> FolderStore:
    """A copy of a lake of schema version 1: two runs on two days, four articles of the demo site, WARC files."""
    shutil.copytree(LAKE_V1, folder / "lake")
    return FolderStore(str(folder / "lake"))


def run_of(
    store: Store, run_id: str, articles: Iterable[Article] = (), day: date = DAY, **more: Sequence[Row]
) -> Manifest:
    """Commit a run with these articles, a row of ``fetches`` for each, and rows of other tables."""
    with exclusive(store, run_id):
        run = new_attempt(run_id, day, store.root)
        rows: dict[str, Sequence[Any]] = {"articles": [*articles], **more}
        if "fetches" not in rows:
            rows["fetches"] = [
                make_fetch(0, url=a.url, article_id=a.article_id, domain=a.domain, text_hash=a.text_hash)
                for a in rows["articles"]
            ]
        files = [
            file
            for table, records in rows.items()
            if records
            for file in merge_staged_files(
                run, [write_rows(run, table, records, f"{run.staging}/rows/{table}/a.parquet")]
            )
        ]
        files += write_stories(run, [f for f in files if f.table == "articles"])
        return commit(store, run, files, urls=len(rows["fetches"]))


def by_manifest(store: Store, run_id: str | None = None) -> dict[str, list[Any]]:
    """Sorted rows of all tables, read by the manifests."""
    with open_lake(store, run_id) as database:
        return {table: database.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


def by_glob(store: Store) -> dict[str, list[Any]]:
    """Sorted rows of all tables, read by listing the folders."""
    found = {}
    for name, table in TABLES.items():
        empty = table.schema.empty_table()
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.register("empty", empty)
            files = [str(f) for f in sorted(Path(store.root).glob(f"{name}/*/*.parquet"))]
            source = " UNION ALL BY NAME FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"
            query = f"FROM (FROM empty{source if files else ''}) ORDER BY ALL"
            found[name] = database.execute(query, [files] if files else []).fetchall()
    return found


def column(store: Store, query: str) -> list[Any]:
    """First column of the result of a query."""
    with open_lake(store) as database:
        return [row[0] for row in database.execute(query).fetchall()]


def on_disk(store: Store) -> dict[str, bytes]:
    """Content of all files of the lake except locks."""
    return {p: Path(store.root, p).read_bytes() for p in store.files("") if not p.endswith(".lock")}


def manifest_files(store: Store) -> list[str]:
    """Paths of all files in the manifests."""
    return sorted(path for manifest in manifests(store) for path in manifest.paths)


def tables_on_disk(store: Store) -> list[str]:
    """Paths of all files in the folders of tables and archives."""
    return [p for p in store.files("") if p.split("/")[0] in {*TABLES, ARCHIVES}]


def daily_config(site: Site, lake: Path, feed: str, **options: Any) -> RunConfig:
    """A configuration that reads one feed of a test site without delays."""
    return RunConfig.model_validate(
        {
            "name": "days",
            "lake": str(lake),
            "sources": [{"type": "feeds", "urls": [feed]}],
            "fetch": {
                "resolve": {"*.example": site.address},
                "allow_private_hosts": ["*.example"],
                "delay_seconds": 0,
                "shards": 1,
            },
            **options,
        }
    )
