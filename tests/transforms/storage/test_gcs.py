"""A bucket as a store and as an input, over the real HTTP of a storage emulator with its preconditions checked."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import transforms.storage.gcs
from pipeline.config.errors import ConfigError
from pipeline.config.load import check_reachable
from pipeline.config.models import RunConfig
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import manifests, read_manifest
from pipeline.lake.transaction import CommitError, RunLockedError
from tests.support.gcs import Fault, Gcs, serve_gcs
from tests.support.staging import stage, texts
from transforms.storage.base import Changed, Locked, StoreError
from transforms.storage.gcs import BucketStore
from transforms.storage.open import list_files, open_input, open_store

RUN = "daily-20260304T0000"


@pytest.fixture(scope="module")
def _gcs() -> Iterator[Gcs]:
    with serve_gcs("press") as served:
        yield served


@pytest.fixture
def gcs(_gcs: Gcs) -> Iterator[Gcs]:
    yield _gcs
    _gcs.faults.clear()
    _gcs.log.clear()


@pytest.fixture
def store(gcs: Gcs, request: pytest.FixtureRequest) -> BucketStore:
    found = open_store(f"gs://press/{request.node.name}/lake")
    assert isinstance(found, BucketStore)
    return found


def test_what_is_written_is_read_listed_moved_and_deleted(store: BucketStore) -> None:
    store.write("b/1.json", b"one")
    store.write("b/2.json", b"two")
    store.move("b/2.json", "c/3.json")
    store.move("b/2.json", "c/3.json")
    assert (store.files("b"), store.files("c"), store.read("c/3.json")) == (["b/1.json"], ["c/3.json"], b"two")
    store.delete(["b/1.json", "b/never.json"])
    assert (store.files("b"), store.read("b/1.json")) == ([], None)


def test_moving_what_never_was_is_an_error(store: BucketStore) -> None:
    with pytest.raises(StoreError, match=r"lake/a cannot be read: there is no such object"):
        store.move("a", "b")


def test_a_check_needs_no_more_than_a_run_and_leaves_nothing_behind(store: BucketStore, gcs: Gcs) -> None:
    gcs.faults.append(Fault("GET", r"/b/press(\?|$)", 403))
    store.check()
    assert store.files("") == []


def test_a_large_file_is_sent_in_a_resumable_upload(store: BucketStore, gcs: Gcs) -> None:
    content = os.urandom(9 << 20)
    gcs.faults.append(Fault("PUT", "upload_id", 503, times=1))
    with store.new_file("part.parquet") as file:
        file.write_bytes(content)
    with store.local_copies(["part.parquet"]) as copies:
        assert copies[0].read_bytes() == content
    assert [line for line in gcs.log if "uploadType=resumable" in line]


def test_local_copies_stand_in_the_given_order_inside_one_folder(store: BucketStore) -> None:
    store.write("y/same", b"first")
    store.write("x/same", b"second")
    with store.local_copies(["y/same", "x/same"]) as copies:
        assert [copy.read_bytes() for copy in copies] == [b"first", b"second"]
        assert copies == sorted(copies)
        assert len({copy.parent for copy in copies}) == 1


def test_a_file_is_swapped_only_where_what_was_read_stands(store: BucketStore, gcs: Gcs) -> None:
    store.swap("m.json", b"one", None)
    store.swap("m.json", b"two", b"one")
    for before in (None, b"one"):
        with pytest.raises(Changed):
            store.swap("m.json", b"three", before)
    assert store.read("m.json") == b"two"


def test_a_file_that_another_process_writes_during_a_swap_stays_its(store: BucketStore, gcs: Gcs) -> None:
    store.write("m.json", b"one")
    read = store._get("m.json")
    store.write("m.json", b"theirs")
    with pytest.MonkeyPatch.context() as patch:
        found = iter([read])
        patch.setattr(store, "_get", lambda _: next(found))
        with pytest.raises(Changed):
            store.swap("m.json", b"two", b"one")
    assert store.read("m.json") == b"theirs"


def test_a_busy_service_is_asked_again(store: BucketStore, gcs: Gcs) -> None:
    gcs.faults += [Fault(method, "", 503, times=1) for method in ("GET", "POST", "DELETE")]
    store.write("a", b"one")
    store.move("a", "b")
    gcs.faults.append(Fault("GET", "", 503, times=1))
    assert store.files("") == ["b"]
    assert all(fault.times == 0 for fault in gcs.faults)


def test_a_swap_whose_answer_was_lost_is_known_as_done(store: BucketStore, gcs: Gcs) -> None:
    gcs.faults.append(Fault("POST", "ifGenerationMatch", 503, times=1, after=True))
    store.swap("m.json", b"one", None)
    assert store.read("m.json") == b"one"
    assert len([line for line in gcs.log if "ifGenerationMatch" in line]) == 2


def test_a_lock_whose_answer_was_lost_is_known_as_held(store: BucketStore, gcs: Gcs) -> None:
    gcs.faults.append(Fault("POST", "ifGenerationMatch", 503, times=1, after=True))
    with store.lock("r.lock") as holder:
        assert store.holds("r.lock", holder)


def test_a_lock_holds_against_others_and_is_given_back(store: BucketStore) -> None:
    with store.lock("r.lock") as holder:
        with pytest.raises(Locked), store.lock("r.lock"):
            pass
        assert store.holds("r.lock", holder)
        assert not store.holds("r.lock", "somebody")
    assert store.files("") == []
    with store.lock("r.lock"):
        pass


def test_of_many_who_ask_at_once_one_gets_the_lock(store: BucketStore) -> None:
    results: list[str] = []
    together = threading.Barrier(6)
    refused = threading.Semaphore(0)

    def ask() -> None:
        own = BucketStore(store.root)
        together.wait()
        try:
            with own.lock("r.lock"):
                results.append("held")
                for _ in range(5):
                    assert refused.acquire(timeout=15)
        except Locked:
            results.append("refused")
            refused.release()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["held"] + ["refused"] * 5


def test_a_heartbeat_keeps_a_lock_beyond_its_lease(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms.storage.gcs, "HEARTBEAT_SECONDS", 0.1)
    with store.lock("r.lock"):
        time.sleep(1.5)
        monkeypatch.setattr(transforms.storage.gcs, "LEASE", timedelta(seconds=1))
        with pytest.raises(Locked), store.lock("r.lock"):
            pass


def _hold(root: str, taken: "multiprocessing.synchronize.Event") -> None:
    with open_store(root).lock(f"_runs/{RUN}.lock"):
        taken.set()
        multiprocessing.Event().wait(60)


def test_a_lock_of_a_dead_process_ends_with_its_lease(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    other = context.Process(target=_hold, args=(store.root, taken))
    other.start()
    assert taken.wait(60)
    with pytest.raises(RunLockedError, match=f"run {RUN} is in progress in another process"), exclusive(store, RUN):
        pass
    other.kill()
    other.join()
    monkeypatch.setattr(transforms.storage.gcs, "LEASE", timedelta(seconds=0.5))
    time.sleep(0.6)
    with exclusive(store, RUN):
        pass


def test_a_run_is_committed_and_queried(store: BucketStore, gcs: Gcs) -> None:
    stage(store)
    with exclusive(store, RUN) as holder:
        assert store.files("_staging") == []
        run, files = stage(store)
        commit(store, replace(run, lease_owner=holder), files, urls=2)
    assert texts(store) == ["one", "two"]
    assert [m.run_id for m in manifests(store)] == [RUN]
    assert store.files("_staging") == []
    assert not [p for p in store.files("_runs") if not p.endswith(".json")]
    uploads = [line for line in gcs.log if line.startswith("POST /upload") and "ifGenerationMatch" in line]
    assert len(uploads) >= 3  # the lock, its renewal, the manifest


def test_a_run_that_lost_its_lock_is_not_published(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with exclusive(store, RUN) as holder:
        run, files = stage(store)
        monkeypatch.setattr(transforms.storage.gcs, "LEASE", timedelta(0))
        with store.lock(f"_runs/{RUN}.lock"):
            with pytest.raises(CommitError, match=rf"run {RUN} lost its lock gs://press/.*start the run again"):
                commit(store, replace(run, lease_owner=holder), files, urls=2)
            # The end of the first holder leaves the second's lock alone.
            lock = store.read(f"_runs/{RUN}.lock")
    assert lock is not None
    assert manifests(store) == []


def test_the_first_holder_leaves_the_lock_of_the_second_alone(
    store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.lock("r.lock")
    first.__enter__()
    monkeypatch.setattr(transforms.storage.gcs, "LEASE", timedelta(0))
    with store.lock("r.lock") as holder:
        first.__exit__(None, None, None)
        assert store.holds("r.lock", holder)


def test_a_run_that_another_process_committed_stands(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with exclusive(store, RUN) as holder:
        late, files = stage(store, texts={1: "late"})
        run, others = stage(store, texts={1: "first"})
        # Between the late one's decision and its manifest.
        move = BucketStore.move

        def overtaken(self: BucketStore, source: str, target: str) -> None:
            monkeypatch.setattr(BucketStore, "move", move)
            commit(store, replace(run, lease_owner=holder), others, urls=1)
            move(self, source, target)

        monkeypatch.setattr(BucketStore, "move", overtaken)
        with pytest.raises(CommitError, match=f"run {RUN} was committed by another process"):
            commit(store, replace(late, lease_owner=holder), files, urls=1)
    standing = read_manifest(store, RUN)
    assert standing is not None
    assert standing.attempt == run.attempt


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


def test_a_missing_bucket_is_said_with_what_to_do(gcs: Gcs) -> None:
    sentence = "there is no bucket gs://nowhere: correct the name, or create it with `gcloud storage buckets create"
    with pytest.raises(StoreError, match=sentence):
        list_files("gs://nowhere/*.txt")
    with pytest.raises(StoreError, match=sentence):
        open_store("gs://nowhere/lake").check()
    with pytest.raises(StoreError, match=sentence):
        manifests(open_store("gs://nowhere/lake"))


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_missing_right_is_said_with_the_role_that_has_it(store: BucketStore, gcs: Gcs, method: str) -> None:
    gcs.faults.append(Fault(method, "", 403))
    with pytest.raises(StoreError, match=r"grant it the role roles/storage.objectUser"):
        store.check()


def test_a_bucket_that_does_not_answer_is_said(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(transforms.storage.gcs, "CHECK_SECONDS", 0.5)
    with pytest.raises(StoreError, match="gs://press cannot be reached"):
        open_store("gs://press/lake").check()


def test_a_run_without_credentials_is_refused_with_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    (tmp_path / "urls.txt").write_text("")
    sources = [{"type": "urls", "path": str(tmp_path / "urls.txt")}]
    config = RunConfig.model_validate({"name": "x", "lake": "gs://press/lake", "sources": sources})
    with pytest.raises(ConfigError, match="lake: gs://press needs Google credentials: run `gcloud"):
        check_reachable(config)
