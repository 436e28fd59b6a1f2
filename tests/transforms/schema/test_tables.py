"""Schemas, and records that become rows."""

import dataclasses
import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.records import load_cases, make_article, make_fetch
from transforms.schema.records import Article, Entity, Failure, Fetch, Mention, Quote, Story
from transforms.schema.run import Run
from transforms.schema.tables import SCHEMA_VERSION, TABLES, to_batch
from transforms.write.parquet import write_rows

DAY = date(2026, 3, 4)
RECORDS = {
    "articles": Article,
    "entities": Entity,
    "quotes": Quote,
    "stories": Story,
    "fetches": Fetch,
    "failures": Failure,
}
CASES = load_cases("tables")


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_the_fields_of_the_record(name: str) -> None:
    # A queue's ack_handle goes its way with the row, and ends at the commit.
    fields = {f.name for f in dataclasses.fields(RECORDS[name])} - {"ack_handle"}
    assert {c.name for c in TABLES[name].columns} - {"run_time"} == fields | {"run_id", "run_date"}


@pytest.mark.parametrize("name", TABLES)
def test_each_column_says_what_it_means(name: str) -> None:
    table = TABLES[name]
    assert all(c.meaning for c in table.columns)
    assert table.schema.metadata[b"onrecord.schema_version"] == str(SCHEMA_VERSION).encode()
    assert {*table.key, *table.order} <= {c.name for c in table.columns}


def test_times_become_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    article = make_article(1, published_at=datetime(2026, 3, 4, 1, 30, tzinfo=berlin))
    row = to_batch(TABLES["articles"], [article], "r", DAY).to_pylist()[0]
    assert row["published_at"] == datetime(2026, 3, 3, 23, 30, tzinfo=timezone.utc)
    assert (row["run_id"], row["run_date"]) == ("r", DAY)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        to_batch(TABLES["articles"], [make_article(1, published_at=datetime(2026, 3, 4))], "r", DAY)


def test_a_missing_required_value_is_refused(run: Run) -> None:
    with pytest.raises(pa.ArrowInvalid, match="null"):
        write_rows(run, "articles", [make_article(1, domain=None)], "a.parquet")


def test_letters_that_readers_choke_on_do_not_reach_the_table() -> None:
    article = make_article(1, "a\0b \ud800 é 𝄞", authors=("R\0osa",))
    row = to_batch(TABLES["articles"], [article], "r", DAY).to_pylist()[0]
    assert (row["text"], row["authors"]) == ("ab \ufffd é 𝄞", ["Rosa"])


def _value(column: str, value: Any) -> Any:
    if column == "mentions":
        return tuple(Mention(m["start"], m["end"], m["text"]) for m in value)
    if column.endswith("_at"):
        return datetime.fromisoformat(value[:26].rstrip("Z") + "+00:00")
    return tuple(value) if isinstance(value, list) else value


def _record(column: str, value: Any) -> tuple[str, Any]:
    if column == "mentions":
        entity = Entity(
            entity_id="e",
            name="Rosa",
            type="PERSON",
            mentions=value,
            mention_count=1,
            first_start=0,
            model_version="m",
        )
        return "entities", entity
    return "articles", make_article(1, **{column: value})


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_public_complaints(case: dict[str, Any], run: Run) -> None:
    given, expected = case["input"], case["expected"]
    if "path" in given:
        assert given["path"].split("/")[1] == f"{expected['partition_key']}={expected['value']}"
        Path(run.lake, given["path"]).parent.mkdir(parents=True)
        written = write_rows(run, "fetches", [make_fetch(1)], given["path"])
        found = duckdb.execute("SELECT dt FROM read_parquet(?)", [f"{run.lake}/{written.path}"]).fetchall()
        assert found == [(date.fromisoformat(expected["value"]),)]
        return
    column = given["column"]
    files = given.get("files") or [given["rows"] if "rows" in given else [_raw(given)]]
    tables = []
    for n, values in enumerate(files):
        records = [_record(column, _value(column, v)) for v in values]
        staged = write_rows(run, records[0][0], [r for _, r in records], f"{n}.parquet")
        tables.append(Path(run.lake, staged.path))
    _check(column, tables, expected)


def _raw(given: dict[str, Any]) -> Any:
    return json.loads(given["value_json"]) if "value_json" in given else given["value"]


def _check(column: str, files: list[Path], expected: dict[str, Any]) -> None:
    parquet = pq.read_metadata(files[0]).schema
    leaf = next(parquet.column(i) for i in range(len(parquet)) if parquet.column(i).path.split(".")[0] == column)
    read = pa.concat_tables([pq.read_table(f) for f in files]).column(column)
    if "parquet_type" in expected:
        assert leaf.physical_type == "INT64"
        assert "isAdjustedToUTC=true, timeUnit=microseconds" in str(leaf.logical_type)
    if "parquet_path" in expected:
        assert leaf.path == expected["parquet_path"]
    if "arrow_type" in expected:
        assert str(read.type) == expected["arrow_type"]
    for file, kind in zip(files, expected.get("arrow_types", []), strict=False):
        assert str(pq.read_schema(file).field(column).type) == kind
    if "rows" in expected:
        assert sorted(read.to_pylist(), key=str) == sorted(expected["rows"], key=str)
    if "value" in expected:
        assert read.to_pylist() == [_plain(column, expected["value"])]


def _plain(column: str, value: Any) -> Any:
    return datetime.fromisoformat(value.rstrip("Z") + "+00:00") if column.endswith("_at") else value
