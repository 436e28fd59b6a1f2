"""A bucket as a store and as an input, over the real HTTP of a storage emulator.

The emulator does not check preconditions, so the lock's mutual exclusion is not tested here.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server
from google.cloud import storage

import transforms.store
from pipeline.config import ConfigError, RunConfig, check_reachable
from pipeline.lake import commit, exclusive, manifests
from tests.pipeline.test_lake import stage, texts
from transforms.store import BucketStore, StoreError, list_files, open_input, open_store


@pytest.fixture(scope="module")
def _emulator() -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        server.start()
        storage.Client().create_bucket("press")
        yield
        server.stop()


@pytest.fixture
def store(_emulator: None, request: pytest.FixtureRequest) -> BucketStore:
    found = open_store(f"gs://press/{request.node.name}/lake")
    assert isinstance(found, BucketStore)
    return found


def test_what_is_written_is_read_listed_moved_and_deleted(store: BucketStore) -> None:
    store.check()
    store.write("b/1.json", b"one")
    store.write("b/2.json", b"two")
    store.move("b/2.json", "c/3.json")
    store.move("b/2.json", "c/3.json")
    assert (store.files("b"), store.files("c"), store.read("c/3.json")) == (["b/1.json"], ["c/3.json"], b"two")
    store.delete(["b/1.json", "b/never.json"])
    assert (store.files("b"), store.read("b/1.json")) == ([], None)


def test_a_run_is_committed_and_queried(store: BucketStore) -> None:
    run, files = stage(store)
    with exclusive(store, run.run_id):
        assert store.files("_staging") == []
        run, files = stage(store)
        commit(store, run, files, urls=2)
    assert texts(store) == ["one", "two"]
    assert [m.run_id for m in manifests(store)] == [run.run_id]
    assert store.files("_staging") == []
    assert not [p for p in store.files("_runs") if p.endswith(".lock")]


def test_inputs_are_globbed_and_read(store: BucketStore) -> None:
    store.write("in/a.txt", b"http://site.example/1\n")
    store.write("in/b.csv", b"url\n")
    assert list_files(store.uri("in/*.txt")) == [store.uri("in/a.txt")]
    assert list_files(store.uri("in/none.txt")) == []
    with open_input(store.uri("in/a.txt")) as file:
        assert file.read() == b"http://site.example/1\n"


def test_a_missing_input_is_said(store: BucketStore) -> None:
    with pytest.raises(StoreError, match=r"none\.txt cannot be read"), open_input(store.uri("none.txt")):
        pass


def test_a_missing_bucket_is_said(_emulator: None) -> None:
    with pytest.raises(StoreError, match="gs://nowhere cannot be listed"):
        list_files("gs://nowhere/*.txt")
    with pytest.raises(StoreError, match="there is no bucket gs://nowhere"):
        open_store("gs://nowhere/lake").check()


def test_a_bucket_that_does_not_answer_is_said(_emulator: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(transforms.store, "CHECK_SECONDS", 0.5)
    with pytest.raises(StoreError, match="the bucket gs://press cannot be reached"):
        open_store("gs://press/lake").check()


def test_a_run_without_credentials_is_refused_with_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    (tmp_path / "urls.txt").write_text("")
    sources = [{"type": "urls", "path": str(tmp_path / "urls.txt")}]
    config = RunConfig.model_validate({"name": "x", "lake": "gs://press/lake", "sources": sources})
    with pytest.raises(ConfigError, match="lake: gs://press needs Google credentials: run `gcloud"):
        check_reachable(config)
