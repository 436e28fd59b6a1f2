"""Rows to Parquet files, and files merged into those that are published."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import transforms.write.parquet
from tests.support.records import NOW, make_article, make_fetch
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import SCHEMA_VERSION, TABLES, Table
from transforms.storage.open import open_store
from transforms.write.parquet import merge_files, merge_staged_files, write_rows


def _rows(run: Run, file: StagedFile) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(Path(run.lake, file.path)).to_pylist()
    return rows


def test_rows_of_equal_key_are_kept_once_and_all_are_sorted(run: Run) -> None:
    one = write_rows(run, "articles", [make_article(n) for n in (5, 1, 4)], "a.parquet")
    two = write_rows(run, "articles", [make_article(n) for n in (1, 2, 5)], "b.parquet")
    (published,) = merge_staged_files(run, [two, one])
    rows = _rows(run, published)
    assert published.rows == len(rows) == 4
    assert [r["domain"] for r in rows] == sorted(str(r["domain"]) for r in rows)


def test_a_large_partition_becomes_several_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "articles", replace(TABLES["articles"], rows_a_group=10))
    monkeypatch.setattr(transforms.write.parquet, "TARGET_BYTES", 20_000)
    staged = write_rows(run, "articles", [make_article(n, f"{n} " + str(n**99) * 9) for n in range(100)], "a.parquet")
    published = merge_staged_files(run, [staged])
    assert len(published) > 1
    assert len({f.path for f in published}) == len(published)
    rows = [row for file in published for row in _rows(run, file)]
    assert len({r["version_id"] for r in rows}) == 100
    keys = [(str(r["domain"]), str(r["version_id"])) for r in rows]
    assert keys == sorted(keys)


def test_a_published_file_is_laid_out_for_readers_that_skip(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "articles", replace(TABLES["articles"], rows_a_group=100))
    times = [NOW + timedelta(hours=7 * n % 11) for n in range(300)]
    articles = [make_article(n, published_at=None if n == 5 else at, language="en") for n, at in enumerate(times)]
    [published] = merge_staged_files(run, [write_rows(run, "articles", articles, "a.parquet")])
    rows = _rows(run, published)
    order = [(r["domain"], r["published_at"] is None, r["published_at"], r["version_id"]) for r in rows]
    assert order == sorted(order)
    footer = pq.read_metadata(Path(run.lake, published.path))
    assert [footer.row_group(n).num_rows for n in range(footer.num_row_groups)] == [100, 100, 100]
    assert footer.metadata[b"onrecord.schema_version"] == str(SCHEMA_VERSION).encode()
    group = footer.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    assert all(c.has_offset_index for c in columns.values())
    by_order = [group.column(c.column_index).path_in_schema for c in group.sorting_columns]
    assert by_order == ["domain", "published_at", "version_id"]
    for name in ("domain", "published_at", "article_id", "run_date"):
        assert columns[name].statistics.has_min_max and columns[name].has_column_index
    assert footer.row_group(2).column(group.sorting_columns[0].column_index).statistics.min > "site0.example"
    for name, pays in (("domain", True), ("language", True), ("run_id", True), ("text", False), ("article_id", False)):
        assert ("RLE_DICTIONARY" in columns[name].encodings) is pays
    assert not columns["text"].has_column_index


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_what_a_table_says_of_its_layout_names_leaves_of_its_files(run: Run, table: Table) -> None:
    pq.write_table(table.schema.empty_table(), f"{run.lake}.parquet")
    schema = pq.read_metadata(f"{run.lake}.parquet").schema
    leaves = [schema.column(n).path for n in range(len(schema))]
    assert {*table.repeating, *table.comparable} <= {*leaves}
    assert {path.split(".")[0] for path in leaves} - {path.split(".")[0] for path in table.repeating} == {
        *table.distinct
    }
    assert [leaves[table.index(name)] for name in table.order] == [*table.order]


def test_rows_that_a_condition_excludes_are_left_out_and_nothing_left_is_no_file(run: Run) -> None:
    staged = write_rows(run, "articles", [make_article(n) for n in range(4)], "a.parquet")
    store, names = open_store(run.lake), {"gone": pa.table({"url": [make_article(n).url for n in (1, 2)]})}
    paths, partition = [staged.path], run.partition
    [kept] = merge_files(store, "articles", partition, paths, "kept-", "url NOT IN (FROM gone)", names)
    assert (kept.path, sorted(str(r["url"]) for r in _rows(run, kept))) == (
        "kept-0.parquet",
        [make_article(0).url, make_article(3).url],
    )
    assert merge_files(store, "articles", partition, paths, "none-", "false") == []


def test_a_file_that_lost_rows_is_noticed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Footer:
        num_rows = 1

    monkeypatch.setattr(pq, "read_metadata", lambda _: Footer)
    with pytest.raises(OSError, match="has 1 rows, but 2 were written"):
        write_rows(run, "fetches", [make_fetch(1), make_fetch(2)], "f.parquet")
