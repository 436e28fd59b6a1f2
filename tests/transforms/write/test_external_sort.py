"""Rows of many files in one order, a part of them in memory at a time."""

import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.storage.database import open_database
from transforms.write import external_sort as sorting
from transforms.write.external_sort import external_sort

SCHEMA = pa.schema([pa.field("id", pa.int32(), nullable=False), pa.field("day", pa.date32()), ("text", pa.string())])
FILES = "FROM read_parquet($paths, filename = true, file_row_number = true)"


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_database() as opened:
        yield opened


def files_of(folder: Path, rows: list[dict[str, object]], number: int) -> list[str]:
    """The rows, dealt to so many files."""
    paths = []
    for file in range(number):
        paths.append(str(folder / f"{file:03}.parquet"))
        pq.write_table(pa.Table.from_pylist(rows[file::number], SCHEMA), paths[-1])
    return paths


def rows_of(numbers: list[int]) -> list[dict[str, object]]:
    return [{"id": n, "day": None if n % 7 == 0 else n // 10, "text": f"text {n}"} for n in numbers]


@pytest.mark.parametrize(("size", "partitions"), [(10, 500), (1_000, 500), (1, 9)], ids=["small", "all", "few files"])
def test_rows_of_many_files_are_sorted(
    size: int, partitions: int, database: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_MAX_PARTITIONS", partitions)
    monkeypatch.setattr(sorting, "_BATCH", 16)
    numbers = random.Random(1).sample(range(1, 200), 120)  # noqa: S311
    paths = files_of(tmp_path, rows_of(numbers), 7)
    batches = list(external_sort(database, FILES, paths, {}, SCHEMA, key=("id",), order=("day", "id"), size=size))
    assert {batch.schema for batch in batches} == {SCHEMA}
    # Each holds so many rows, or as many more as keeps the number of files.
    assert max(batch.num_rows for batch in batches) <= max(size, -(-120 // partitions))
    found = [row for batch in batches for row in batch.to_pylist()]
    assert [row["id"] for row in found] == sorted(numbers, key=lambda n: (n % 7 == 0, 0 if n % 7 == 0 else n // 10, n))
    assert all(row["text"] == f"text {row['id']}" for row in found)


def test_of_rows_with_an_equal_key_the_first_is_kept(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = rows_of([3, 1, 2])
    again = [{**row, "text": "again"} for row in rows]
    paths = files_of(tmp_path, [*rows, *again], 2)
    found = [
        row
        for batch in external_sort(
            database, f"{FILES} WHERE id < $most", paths, {"most": 3}, SCHEMA, key=("id",), order=("id",), size=2
        )
        for row in batch.to_pylist()
    ]
    # The second file begins with 1; the first holds 2 and then 1 again.
    assert [(row["id"], row["text"]) for row in found] == [(1, "again"), (2, "text 2")]


def test_no_rows_give_no_batches(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    paths = files_of(tmp_path, [], 2)
    assert list(external_sort(database, FILES, paths, {}, SCHEMA, key=("id",), order=("id",), size=5)) == []
