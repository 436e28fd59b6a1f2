"""DuckDB, Polars, pandas and Spark read all tables by glob, including nested lists."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import duckdb
import pandas
import polars
import pytest

from tests.support.lakes import run_of
from tests.support.quotations import FERRY, common, entity, said
from tests.support.records import NOW, make_article, make_fetch
from transforms.schema.records import Failure, Mention
from transforms.schema.tables import TABLES
from transforms.storage.folder import FolderStore

NESTED = {
    "articles": ("authors", ["Rosa Tiller", "Kenji Nagasue"]),
    "entities": ("mentions", [{"start": 0, "end": 8, "text": "Ada Moss"}, {"start": 20, "end": 24, "text": "Moss"}]),
    "quotes": ("spans", [{"start": 0, "end": len(FERRY)}]),
}
"""For tables with lists, one such column and its value in one row."""

Reader = Callable[[str], tuple[int, Any]]
"""Table -> number of rows, and the value of its nested column in the row that has one, or None."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with two runs on one day, so that each table has several files."""
    store = FolderStore(str(tmp_path_factory.mktemp("readers")))
    for n in range(2):
        article = make_article(n, authors=("Rosa Tiller", "Kenji Nagasue"), tags=(), sketch=(-5, 7))
        mentions = (Mention(0, 8, "Ada Moss"), Mention(20, 24, "Moss"))
        failure = Failure(
            **{k: v for k, v in common(article).items() if k in ("article_id", "domain")},
            failure_id=f"f{n}", url=article.url, stage="fetch", reason="timeout", message="=1+1", retriable=True,
            source="urls", failed_at=NOW,
        )  # fmt: skip
        run_of(
            store,
            f"r{n}-20260304T0{n}00",
            [article],
            entities=[replace(entity(article, "Ada Moss"), mentions=mentions)],
            quotes=[said(article, 0, "Ada Moss", FERRY)],
            fetches=[make_fetch(n), make_fetch(10 + n, outcome="failed")],
            failures=[failure],
        )
    return store.root


def glob(lake: str, table: str) -> str:
    return f"{lake}/{table}/*/*.parquet"


def check(table: str, rows: int, nested: Any) -> None:
    """Check what a reader has read."""
    assert rows == (4 if table == "fetches" else 2)
    assert nested == NESTED.get(table, (None, None))[1]


@pytest.mark.parametrize("table", TABLES)
def test_duckdb(lake: str, table: str) -> None:
    rows = duckdb.execute(f"FROM '{glob(lake, table)}'").fetchall()
    names = duckdb.execute(f"DESCRIBE FROM '{glob(lake, table)}'").fetchall()
    nested = [n for n, *_ in names].index(NESTED[table][0]) if table in NESTED else None
    check(table, len(rows), rows[0][nested] if nested is not None else None)
    days = duckdb.execute(
        f"SELECT DISTINCT dt::VARCHAR FROM read_parquet('{lake}/{table}/*/*.parquet', hive_partitioning = true)"
    )
    assert days.fetchall() == [("2026-03-04",)]


@pytest.mark.parametrize("table", TABLES)
def test_polars(lake: str, table: str) -> None:
    frame = polars.scan_parquet(glob(lake, table), hive_partitioning=True).collect()
    check(table, frame.height, frame[NESTED[table][0]].to_list()[0] if table in NESTED else None)
    assert frame["dt"].unique().to_list() == frame["run_date"].unique().to_list()


@pytest.mark.parametrize("table", TABLES)
def test_pandas(lake: str, table: str) -> None:
    frame = pandas.read_parquet(f"{lake}/{table}")
    nested = (
        [v if isinstance(v, str) else dict(v) for v in frame[NESTED[table][0]].iloc[0]] if table in NESTED else None
    )
    check(table, len(frame), nested)
    assert frame["dt"].astype(str).unique().tolist() == ["2026-03-04"]


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local Spark session that listens on loopback only."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is no `java` on the PATH")
    sql = pytest.importorskip("pyspark.sql")
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.parametrize("table", TABLES)
def test_spark(lake: str, table: str, spark: Any) -> None:
    frame = spark.read.parquet(f"{lake}/{table}")
    rows = frame.collect()
    nested = [v if isinstance(v, str) else v.asDict() for v in rows[0][NESTED[table][0]]] if table in NESTED else None
    check(table, len(rows), nested)
    assert [str(row.dt) for row in frame.select("dt").distinct().collect()] == ["2026-03-04"]
    times = [name for name, kind in frame.dtypes if name.endswith("_at")]
    assert all(kind == "timestamp" for name, kind in frame.dtypes if name in times)
