"""A small lake for the tests of exports."""

from pathlib import Path

import pytest

from tests.support.export_lakes import commit_run
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A lake of two runs with three articles."""
    store = FolderStore(str(tmp_path / "lake"))
    commit_run(store, "a-1", {1: "Ada one", 2: "Bo two"})
    commit_run(store, "b-1", {3: "Cy three"})
    return store
