"""The report of an invented run."""

from collections.abc import Iterator

import duckdb
import pytest

from pipeline.lake.query.catalog import open_lake
from pipeline.report.page import render
from tests.support.invented import invented_run
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = FolderStore(str(tmp_path_factory.mktemp("report") / "lake"))
    invented_run(store)
    return store


@pytest.fixture(scope="module")
def database(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_lake(store, "invented") as opened:
        yield opened


@pytest.fixture(scope="module")
def page(database: duckdb.DuckDBPyConnection) -> str:
    return render(database, "invented").decode()
