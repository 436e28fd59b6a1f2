"""Rows to staged files, staged files to published ones."""

from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline

from tests.conftest import make_article, make_fetch
from transforms.records import Run, StagedFile
from transforms.tables import TABLES
from transforms.write import Publish, StageRows


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


def test_an_unknown_table_is_refused_when_the_graph_is_built(run: Run) -> None:
    with pytest.raises(ValueError, match="allowed: articles, entities"):
        StageRows("article", run)
