"""Where bytes lie: a folder on disk, or a prefix of a bucket (``gs://bucket/prefix``).

A `Store` knows the few operations that the lake's commit protocol needs, so that the protocol is written once. Paths
are relative to the store's root, with ``/`` between their parts. The functions at the end read single inputs by their
full path or URI.
"""

import fcntl
import glob
import os
import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast


class StoreError(Exception):
    """A file or bucket cannot be reached; the message is one sentence with its name and the cause."""


class Locked(Exception):  # noqa: N818 - a state that the caller words, not an error of ours
    """Another process holds the lock."""


class Changed(Exception):  # noqa: N818 - a state that the caller words, not an error of ours
    """Another process has written the file since it was read."""


class Store(ABC):
    """A tree of files under one root."""

    def __init__(self, root: str) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        """The full name of a path, as a person or a database may use it."""
        return f"{self.root}/{path}"

    @abstractmethod
    def check(self) -> None:
        """Raises StoreError when the root cannot be written to."""

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """The paths of all files below a folder, sorted; empty when there is no such folder."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None when there is no such file."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Writes a small file whole or not at all, over what was there."""

    @abstractmethod
    def swap(self, path: str, data: bytes, before: bytes | None) -> None:
        """Writes a small file where these bytes stand now (None: no file), and raises Changed where they do not."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Moves one file; when it was moved before (source gone, target there), nothing happens."""

    @abstractmethod
    def delete(self, paths: list[str]) -> None:
        """Deletes files, and folders that this leaves empty; a file that is gone already is no error."""

    @abstractmethod
    def new_file(self, path: str) -> AbstractContextManager[Path]:
        """Gives a local name to write to; on leaving the context without an error, the file stands at `path`."""

    @abstractmethod
    def local_copies(self, paths: list[str]) -> AbstractContextManager[list[Path]]:
        """Gives local names under which these files can be read, in the same order, inside the context."""

    @abstractmethod
    def lock(self, path: str) -> AbstractContextManager[str]:
        """Holds a lock inside the context and gives the holder's name; raises Locked when another process holds it."""

    @abstractmethod
    def holds(self, path: str, holder: str) -> bool:
        """Whether a lock is still this holder's, asked by any process; if it is, it holds for some minutes more."""


class FolderStore(Store):
    """A folder of this machine, or of a disk that all workers share."""

    def __init__(self, root: str) -> None:
        super().__init__(str(Path(root).absolute()))

    def _at(self, path: str) -> Path:
        return Path(self.root, path)

    def check(self) -> None:
        # A check leaves nothing behind, so the root itself is not made here.
        place = next(p for p in (Path(self.root), *Path(self.root).parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise StoreError(f"the folder {self.root} cannot be written to: {error.strerror or error}") from error

    def files(self, folder: str) -> list[str]:
        # Not by rglob, which fails where another run removes a folder meanwhile (before Python 3.13).
        found = (Path(place, name) for place, _, names in os.walk(self._at(folder)) for name in names)
        return sorted(p.relative_to(self.root).as_posix() for p in found if p.is_file())

    def read(self, path: str) -> bytes | None:
        try:
            return self._at(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not by tempfile, whose files only their owner may read: a lake's readers may be others.
        new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        with new.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)

    def swap(self, path: str, data: bytes, before: bytes | None) -> None:
        if self.read(path) != before:
            raise Changed(self.uri(path))
        self.write(path, data)

    def move(self, source: str, target: str) -> None:
        self._at(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            self._at(source).replace(self._at(target))
        except FileNotFoundError:
            if not self._at(target).exists():
                raise

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            file = self._at(path)
            file.unlink(missing_ok=True)
            for parent in file.parents:
                if parent == Path(self.root) or not _remove_if_empty(parent):
                    break

    @contextmanager
    def new_file(self, path: str) -> Iterator[Path]:
        file = self._at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        yield file
        # A manifest must not outlive, in a power cut, the files that it names.
        with file.open("rb") as written:
            os.fsync(written.fileno())

    @contextmanager
    def local_copies(self, paths: list[str]) -> Iterator[list[Path]]:
        yield [self._at(path) for path in paths]

    @contextmanager
    def lock(self, path: str) -> Iterator[str]:
        file = self._at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # flock: the system gives it back when the process dies, however it dies.
        with file.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Locked(self.uri(path)) from error
            yield ""

    def holds(self, path: str, holder: str) -> bool:  # noqa: ARG002 - a flock cannot be lost
        return True


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def open_store(root: str) -> Store:
    """The store at a root: a bucket for ``gs://...``, a folder for anything else.

    Raises:
        StoreError: no credentials for Google Cloud Storage, or a scheme that is neither of the two.
    """
    if root.startswith("gs://"):
        from transforms.bucket import BucketStore

        return BucketStore(root)
    if "://" in root:
        raise StoreError(f"{root} is no place that can be written to: allowed are a folder and gs://bucket/prefix")
    return FolderStore(root)


def list_files(pattern: str) -> list[str]:
    """The files that a path, a glob (``*``, ``?``, ``[...]``; ``**`` on disk) or a ``gs://`` pattern names, sorted.

    Returns:
        Absolute paths or ``gs://`` URIs; empty when nothing matches.

    Raises:
        StoreError: the bucket cannot be reached.
    """
    if not pattern.startswith("gs://"):
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        return sorted(str(Path(p).absolute()) for p in found if Path(p).is_file())
    name, _, path = pattern.removeprefix("gs://").partition("/")
    fixed = path[: next((i for i, c in enumerate(path) if c in "*?["), len(path))]
    from transforms.bucket import open_bucket, worded

    with worded(pattern):
        names = [blob.name for blob in open_bucket(name).list_blobs(prefix=fixed)]
    return sorted(f"gs://{name}/{found}" for found in names if found == path or fnmatchcase(found, path))


@contextmanager
def open_input(uri: str) -> Iterator[BinaryIO]:
    """Opens one file for reading: a path, or a ``gs://`` URI (copied to a temporary file, so that it can be sought).

    Raises:
        StoreError: the file cannot be read; the message says which and why.
    """
    file: BinaryIO
    try:
        file = _download(uri) if uri.startswith("gs://") else Path(uri).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise StoreError(f"{uri} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


def _download(uri: str) -> BinaryIO:
    from transforms.bucket import open_bucket, worded

    name, _, path = uri.removeprefix("gs://").partition("/")
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        with worded(uri, of_object=True):
            open_bucket(name).blob(path).download_to_file(copy)
    except StoreError:
        copy.close()
        raise
    copy.seek(0)
    return copy
