"""A folder as a store, and single inputs."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from transforms.storage.base import Locked, Store, StoreError
from transforms.storage.folder import FolderStore
from transforms.storage.open import list_files, open_input, open_store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "lake"))


def test_what_is_written_is_read_and_listed(store: Store) -> None:
    store.write("b/2.json", b"two")
    store.write("b/1.json", b"one")
    store.write("b/1.json", b"one again")
    assert store.files("b") == ["b/1.json", "b/2.json"]
    assert store.read("b/1.json") == b"one again"
    assert store.read("b/3.json") is None
    assert store.files("nothing") == []


def test_moving_twice_does_no_harm(store: Store) -> None:
    store.write("a", b"x")
    store.move("a", "deep/b")
    store.move("a", "deep/b")
    assert (store.read("a"), store.read("deep/b")) == (None, b"x")


def test_moving_what_never_was_is_an_error(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.move("a", "b")


def test_deleting_takes_empty_folders_along(store: Store, tmp_path: Path) -> None:
    store.write("x/y/1", b"")
    store.write("x/2", b"")
    store.delete(["x/y/1", "x/y/never"])
    assert store.files("x") == ["x/2"]
    assert not (tmp_path / "lake/x/y").exists()


def test_files_are_listed_while_another_run_removes_its_own(store: Store) -> None:
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            paths = [f"_staging/other/rows/{table}/1" for table in "abcdef"]
            for path in paths:
                store.write(path, b"")
            store.delete(paths)

    store.write("_staging/ours/1", b"")
    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert all("_staging/ours/1" in store.files("_staging") for _ in range(1_500))
    finally:
        ended.set()
        other.join()


def test_the_root_stays_when_all_is_deleted(store: Store, tmp_path: Path) -> None:
    store.write("1", b"")
    store.delete(["1"])
    assert (tmp_path / "lake").is_dir()


def _hold(root: str, taken: "multiprocessing.synchronize.Event") -> None:
    with FolderStore(root).lock("r.lock"):
        taken.set()
        multiprocessing.Event().wait(60)


def test_a_lock_holds_against_others_and_dies_with_its_process(store: FolderStore) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    other = context.Process(target=_hold, args=(store.root, taken))
    other.start()
    assert taken.wait(30)
    with pytest.raises(Locked), store.lock("r.lock"):
        pass
    other.kill()
    other.join()
    with store.lock("r.lock"):
        pass


def test_a_root_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file cannot be written to"):
        open_store(str(tmp_path / "file")).check()


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    open_store(str(tmp_path / "a/b")).check()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_scheme_is_said() -> None:
    with pytest.raises(StoreError, match="allowed are a folder and gs://"):
        open_store("s3://bucket/lake")


def test_globs_find_files_alone(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.csv", "d.txt/e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [Path(p).name for p in list_files(f"{tmp_path}/*.txt")] == ["a.txt", "b.txt"]
    assert [Path(p).name for p in list_files(f"{tmp_path}/**/*.txt")] == ["a.txt", "b.txt", "e.txt"]
    assert list_files(f"{tmp_path}/none*") == []


def test_an_input_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"none\.txt cannot be read: No such file"),
        open_input(str(tmp_path / "none.txt")),
    ):
        pass


def test_others_may_read_what_is_written_as_they_may_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    FolderStore(str(tmp_path)).write("_runs/a.json", b"{}")
    assert (tmp_path / "_runs/a.json").stat().st_mode == (tmp_path / "any").stat().st_mode
    assert [p.name for p in (tmp_path / "_runs").iterdir()] == ["a.json"]
