"""Rows to staged files, staged files to published ones."""

import json
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from tests.support.records import make_article, make_fetch
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES
from transforms.write.transform import MergeStagedFiles, StageRows


def test_staged_and_published_through_beam(run: Run) -> None:
    found: list[StagedFile] = []
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        articles = pipeline | "A" >> beam.Create([make_article(n) for n in range(20)]) | StageRows("articles", run)
        fetches = pipeline | "F" >> beam.Create([make_fetch(n) for n in range(30)]) | "SF" >> StageRows("fetches", run)
        published = (articles, fetches) | beam.Flatten() | MergeStagedFiles(run)
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


def test_each_window_of_a_stream_has_files_of_its_own(run: Run) -> None:
    stream = replace(run, run_id="live-stream", logical_time=datetime(2026, 3, 4, tzinfo=timezone.utc))
    midnight = datetime(2026, 3, 5, tzinfo=timezone.utc).timestamp()
    rows = [(make_fetch(n, ack_handle=f"r{n}"), midnight + seconds) for n, seconds in enumerate((-2, -1, 1))]
    names = Path(run.lake, "names")
    names.parent.mkdir()
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        fetches = pipeline | beam.Create(rows) | beam.Map(lambda row: TimestampedValue(*row))
        files = fetches | beam.WindowInto(FixedWindows(60)) | StageRows("fetches", stream)
        files | beam.Map(note, names)
    found = [json.loads(line) for line in names.read_text().splitlines()]
    by_window: dict[tuple[float, str], list[str]] = {}
    for start, file in found:
        assert file["path"].startswith(f"{stream.staging}/rows/fetches/")
        table = pq.read_table(Path(run.lake, file["path"]), partitioning=None).to_pylist()
        assert len(table) == file["rows"] == len(file["ack_handles"])
        by_window.setdefault((start, file["partition"]), []).extend(file["ack_handles"])
        assert {row["run_id"] for row in table} <= {"live-20260304T235900", "live-20260305T000000"}
        assert {row["run_time"].timestamp() for row in table} == {start}
    assert {key: sorted(ack_handles) for key, ack_handles in by_window.items()} == {
        (midnight - 60, "dt=2026-03-04"): ["r0", "r1"],
        (midnight, "dt=2026-03-05"): ["r2"],
    }


def note(file: StagedFile, path: Path, window: Any = beam.DoFn.WindowParam) -> None:
    with path.open("a") as noted:
        noted.write(json.dumps([float(window.start), asdict(file)]) + "\n")
