"""Rows to staged files, staged files to published ones."""

from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline

import transforms.write
from tests.conftest import make_article, make_fetch
from transforms.records import Run, StagedFile
from transforms.tables import TABLES
from transforms.write import Publish, StageRows, publish_files, write_rows


def _rows(run: Run, file: StagedFile) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(Path(run.lake, file.path)).to_pylist()
    return rows


def test_staged_and_published_through_beam(run: Run) -> None:
    found: list[StagedFile] = []
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        articles = pipeline | "A" >> beam.Create([make_article(n) for n in range(20)]) | StageRows("articles", run)
        fetches = pipeline | "F" >> beam.Create([make_fetch(n) for n in range(30)]) | "SF" >> StageRows("fetches", run)
        published = (articles, fetches) | beam.Flatten() | Publish(run)
        published | beam.Map(lambda f: Path(run.lake, f"{f.table}.names").write_text(f.path))
    for table, rows in (("articles", 20), ("fetches", 30)):
        path = Path(run.lake, f"{table}.names").read_text()
        assert path == f"{run.staging}/publish/{table}/dt=2026-03-04/part-{run.run_id}-{run.attempt}-0.parquet"
        read = pq.read_table(Path(run.lake, path))
        assert read.num_rows == rows
        assert read.schema.equals(TABLES[table].schema, check_metadata=True)
    assert not found


def test_rows_of_equal_key_are_kept_once_and_all_are_sorted(run: Run) -> None:
    one = write_rows(run, "articles", [make_article(n) for n in (5, 1, 4)], "a.parquet")
    two = write_rows(run, "articles", [make_article(n) for n in (1, 2, 5)], "b.parquet")
    (published,) = publish_files(run, [two, one])
    rows = _rows(run, published)
    assert published.rows == len(rows) == 4
    assert [r["domain"] for r in rows] == sorted(str(r["domain"]) for r in rows)


def test_a_large_partition_becomes_several_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms.write, "ROWS_A_GROUP", 10)
    monkeypatch.setattr(transforms.write, "TARGET_BYTES", 20_000)
    staged = write_rows(run, "articles", [make_article(n, f"{n} " + str(n**99) * 9) for n in range(100)], "a.parquet")
    published = publish_files(run, [staged])
    assert len(published) > 1
    assert len({f.path for f in published}) == len(published)
    rows = [row for file in published for row in _rows(run, file)]
    assert len({r["version_id"] for r in rows}) == 100
    keys = [(str(r["domain"]), str(r["version_id"])) for r in rows]
    assert keys == sorted(keys)


def test_a_file_that_lost_rows_is_noticed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Footer:
        num_rows = 1

    monkeypatch.setattr(pq, "read_metadata", lambda _: Footer)
    with pytest.raises(OSError, match="holds 1 rows where 2 were written"):
        write_rows(run, "fetches", [make_fetch(1), make_fetch(2)], "f.parquet")


def test_an_unknown_table_is_refused_when_the_graph_is_built(run: Run) -> None:
    with pytest.raises(ValueError, match="allowed: articles, entities"):
        StageRows("article", run)
