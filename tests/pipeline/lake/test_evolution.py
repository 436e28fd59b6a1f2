"""Files of schema version 1 stay readable; `tests/data/lake-v1` is never rewritten."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.lake.manifest import manifests
from pipeline.lake.query.catalog import VIEWS, open_lake
from pipeline.lake.query.crawl_state import look_up, open_crawl_state
from tests.support.lakes import COPY_OF_STORM, LAKE_V1, STORM, column, lake_of_version_1, run_of
from tests.support.records import make_article
from transforms.schema.run import Run
from transforms.schema.tables import SCHEMA_VERSION, TABLES
from transforms.schema.urls import request_of
from transforms.storage.folder import FolderStore

ROWS = {"articles": 4, "entities": 33, "quotes": 42, "stories": 4, "fetches": 6, "failures": 1}
NEXT_DAY = date(2025, 3, 14)


@pytest.fixture
def v1(tmp_path: Path) -> FolderStore:
    return lake_of_version_1(tmp_path)


def test_files_have_schema_version_1() -> None:
    files = sorted(LAKE_V1.glob("*/dt=*/*.parquet"))
    assert len(files) == 11
    for file in files:
        schema = pq.read_schema(file)
        assert schema.metadata[b"onrecord.schema_version"] == b"1" != str(SCHEMA_VERSION).encode()
        assert "sketch" not in schema.names


def test_newer_columns_are_null(v1: FolderStore) -> None:
    with open_lake(v1) as database:
        for table, rows in ROWS.items():
            found = database.sql(f"FROM {table}")
            assert found.columns == [c.name for c in TABLES[table].columns]
            assert len(found.fetchall()) == rows
        text = database.execute(f"SELECT text, sketch FROM articles WHERE url = '{STORM}'").fetchall()
    [(words, sketch)] = text
    assert "The gates did what they were built for" in words
    assert sketch is None


def test_old_and_new_files_form_one_table(v1: FolderStore) -> None:
    run_of(v1, "new-20250314T0000", [make_article(1, sketch=(1, 2))], NEXT_DAY)
    assert column(v1, "SELECT sketch FROM articles ORDER BY run_date DESC") == [[1, 2], None, None, None, None]
    assert column(v1, "SELECT count(*) FROM fetches") == [7]


@pytest.mark.parametrize("view", VIEWS)
def test_views_read_old_files(v1: FolderStore, view: str, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name,party\nIngrid Sorley,Blues\n")
    with open_lake(v1, gazetteer=str(people)) as database:
        rows = database.execute(f"FROM {view}").fetchall()
    assert bool(rows) == (view != "disputed_utterances")


def test_crawl_state_reads_old_files(v1: FolderStore) -> None:
    run = Run(run_id="new", run_date=NEXT_DAY, attempt="a", lake=v1.root)
    storm = request_of(STORM, "urls")
    with open_crawl_state(v1) as database:
        [(article_id, known)] = look_up(database, [storm, request_of("http://new.example/", "urls")], run).items()
    assert article_id == storm.article_id
    assert (known.reason, known.first_at is not None, len(known.text_hash or "")) == ("", True, 32)


def test_copy_joins_a_story_without_sketch(v1: FolderStore) -> None:
    [(text, story)] = _storm(v1)
    cut = "\n\n".join(text.split("\n\n")[:-1])
    later = make_article(1, cut, url="http://third.example/1", published_at=None)
    run_of(v1, "new-20250314T0000", [later], NEXT_DAY)
    assert column(v1, f"SELECT story_id FROM stories WHERE version_id = '{later.version_id}'") == [story]
    late = make_article(2, cut)
    run_of(v1, "late-20250401T0000", [late], NEXT_DAY + timedelta(days=30))
    assert column(v1, f"SELECT story_id FROM stories WHERE version_id = '{late.version_id}'") != [story]


def _storm(store: FolderStore) -> list[tuple[str, str]]:
    with open_lake(store) as database:
        rows = database.execute(
            f"SELECT text, story_id FROM articles JOIN stories USING (version_id) WHERE url = '{COPY_OF_STORM}'"
        )
        return [(text, story) for text, story in rows.fetchall()]


def test_manifests_of_version_1_are_read(v1: FolderStore) -> None:
    assert [(m.run_id, m.schema_version, m.version.split(".")[1], m.excluded_runs) for m in manifests(v1)] == [
        ("v1-20250312T0000", 1, "0", frozenset()),
        ("v1-20250313T0000", 1, "0", frozenset()),
    ]
