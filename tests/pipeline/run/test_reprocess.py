"""Reprocessing of committed runs from the lake, without requests."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.models import RunConfig
from pipeline.demo.server import Site
from pipeline.lake.compaction import compact
from pipeline.lake.manifest import manifests, runs_of
from pipeline.lake.query.catalog import open_lake
from pipeline.run.reprocess import Reprocessed, reprocess
from pipeline.run.runner import execute, run_id_of
from tests.support.lakes import daily_config, run_of
from tests.support.records import make_article
from transforms.annotate import annotate
from transforms.extract import extract_page
from transforms.schema.records import Article, Page, content_hash, stable_id
from transforms.schema.tables import TABLES
from transforms.storage.folder import FolderStore
from transforms.warc.members import complete_members

HOST = "http://wire.example"
FIRST = datetime(2026, 1, 1, 6, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


def publish_day(site: Site, day: int) -> None:
    """The feed of a day: a new article, and the previous one with another HTML comment but the same text."""
    for number in {max(0, day - 1), day}:
        quote = f"“Plan {number} costs {number + 3} million,” said Lena Ortega, the mayor of Ostrand. "
        body = "".join(f"<p>{quote}The council meets in week {n} to vote on the plan.</p>" for n in range(5))
        title = f"<title>Plan {number} of the harbour</title>"
        site.put(f"{HOST}/a/{number}", f"<!DOCTYPE html><html lang=en>{title}<article>{body}</article><!-- {day} -->")
    urls = [f"{HOST}/a/{number}" for number in range(day + 1)] + [f"{HOST}/gone"]
    items = "".join(f"<item><link>{url}</link></item>" for url in urls)
    site.put(f"{HOST}/daily.xml", f'<rss version="2.0"><channel>{items}</channel></rss>', "text/xml")


def make_runs(site: Site, lake: Path, days: int, **options: Any) -> RunConfig:
    config = daily_config(site, lake, f"{HOST}/daily.xml", **options)
    for day in range(days):
        publish_day(site, day)
        moment = FIRST + timedelta(days=day)
        execute(config, run_id_of(config.name, moment), moment)
    return config


def rows(lake: Path, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    with open_lake(FolderStore(str(lake))) as database:
        return sorted(database.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)


def age_rows(lake: Path, table: str) -> None:
    """Set the model version of a table's rows to an older one."""
    for file in lake.glob(f"{table}/*/*.parquet"):
        rows = pq.read_table(file)
        older = pa.array(["older"] * rows.num_rows)
        pq.write_table(rows.set_column(rows.schema.get_field_index("model_version"), "model_version", older), file)


@pytest.fixture(autouse=True)
def current_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the current model version to the one that the shipped model writes."""
    (first, *_) = annotate("“We begin in May,” said Rosa Tiller, the mayor of Ostrand.").entities
    monkeypatch.setattr("pipeline.lake.recovery.MODEL_VERSION", first.model_version)


@pytest.fixture
def newer_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    def extract_better(page: Page, *config: Any) -> Article:
        article = extract_page(page, *config)
        text = f"{article.text}\n\nRead by newer code."
        text_hash = content_hash(text)
        version = stable_id(article.article_id, text_hash)
        return replace(article, text=text, text_hash=text_hash, version_id=version, extractor_version="99")

    monkeypatch.setattr("transforms.extract.transform.extract_page", extract_better)
    monkeypatch.setattr("pipeline.lake.recovery.EXTRACTOR_VERSION", "99")


def test_newer_model_annotates_stored_texts(site: Site, tmp_path: Path) -> None:
    config = make_runs(site, tmp_path, 1)
    before = {table: rows(tmp_path, table) for table in TABLES}
    assert before["quotes"]
    for table in ("entities", "quotes"):
        age_rows(tmp_path, table)
    assert rows(tmp_path, "quotes") != before["quotes"]
    site.log.clear()
    assert list(reprocess(config)) == [Reprocessed("days-20260101T0600", is_made=True, pages=0, texts=1)]
    assert site.log == []
    assert {table: rows(tmp_path, table) for table in TABLES} == before
    assert FolderStore(str(tmp_path)).files("_staging") == []
    assert [run.is_made for run in reprocess(config)] == [False]


def test_newer_code_extracts_archived_pages(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = make_runs(site, tmp_path, 2, archive=True)
    columns = "run_id, url, outcome, reason, etag, http_status, attempts, elapsed_ms, fetched_at, source, run_time"
    before, failures = rows(tmp_path, "fetches", columns), rows(tmp_path, "failures")
    assert {row[2] for row in before} == {"ok", "unchanged", "failed", "skipped"}
    archives = {path.name for path in tmp_path.glob("_warc/*/*")}
    request.getfixturevalue("newer_extractor")
    site.log.clear()
    assert [(run.pages, run.texts) for run in reprocess(config)] == [(1, 0), (2, 0)]
    assert site.log == []
    # The new text equals the new text of the earlier run, so the article is still unchanged.
    assert rows(tmp_path, "fetches", columns) == before
    assert rows(tmp_path, "failures") == failures
    articles = rows(tmp_path, "articles", "url, extractor_version, text LIKE '%newer code.'")
    assert articles == [(f"{HOST}/a/{number}", "99", True) for number in (0, 1)]
    quoted = rows(tmp_path, "quotes", "DISTINCT version_id")
    assert quoted == rows(tmp_path, "articles", "version_id")
    again = list(tmp_path.glob("_warc/*/*"))
    assert len(again) == 2
    assert archives.isdisjoint(path.name for path in again)
    assert sum(bool(member.article_id) for path in again for member in complete_members(path)) == 3
    assert [run.is_made for run in reprocess(config)] == [False, False]


def test_newer_code_without_an_archive(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = make_runs(site, tmp_path, 1)
    before = rows(tmp_path, "articles")
    request.getfixturevalue("newer_extractor")
    assert [run.is_made for run in reprocess(config)] == [False]
    assert [run.is_made for run in reprocess(config, everything=True)] == [True]
    assert rows(tmp_path, "articles") == before


def test_compacted_run_gets_its_own_files(site: Site, tmp_path: Path) -> None:
    config = make_runs(site, tmp_path, 1)
    publish_day(site, 1)
    later = FIRST + timedelta(hours=2)
    execute(config, run_id_of(config.name, later), later)
    list(compact(FolderStore(str(tmp_path)), FIRST.date() + timedelta(days=1)))
    assert len(list(tmp_path.glob("fetches/*/*.parquet"))) == 1
    # The original of a story is determined again, now from both runs.
    tables = TABLES.keys() - {"stories"}
    before = {table: rows(tmp_path, table) for table in tables}
    age_rows(tmp_path, "quotes")
    assert [run.texts for run in reprocess(config)] == [1, 1]
    assert {table: rows(tmp_path, table) for table in tables} == before
    assert [path.name.split("-")[2] for path in sorted(tmp_path.glob("fetches/*/*.parquet"))] == [
        "20260101T0600",
        "20260101T0800",
    ]


def test_command(site: Site, tmp_path: Path) -> None:
    config = make_runs(site, tmp_path / "lake", 2)
    path = tmp_path / "days.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))

    def onrecord(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["reprocess", str(path), *arguments])
        return result.exit_code, result.stdout, result.stderr

    assert onrecord() == (0, "days-20260101T0600: up to date\ndays-20260102T0600: up to date\n", "")
    code, out, _ = onrecord("--date", "2026-01-02", "--all")
    assert (code, out.splitlines()[0]) == (0, "days-20260102T0600: reprocessed 0 pages and 1 text")
    code, _, err = onrecord("--date", "2026-02-01..2026-02-03")
    assert (code, f"{tmp_path}/lake has no run of days of 2026-02-01..2026-02-03" in err) == (2, True)
    tmp_path.joinpath("lake", "_runs", "days-20260102T0600.json").write_text("{}")
    code, _, err = onrecord()
    assert (code, "days-20260102T0600.json is not a valid manifest" in err) == (1, True)


def test_runs_are_selected_by_the_day_in_their_id(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    for run_id in ("days-20260102T0600", "days-20260101T0600", "days-20269999T0000", "days-own", "other-20260101T0600"):
        run_of(store, run_id, [make_article(1)])
    committed = manifests(store)
    assert runs_of(committed, "days") == ["days-20260101T0600", "days-20260102T0600", "days-20269999T0000"]
    assert runs_of(committed, "days", date(2026, 1, 2), date(2026, 12, 31)) == ["days-20260102T0600"]
