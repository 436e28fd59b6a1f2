"""Where bytes lie: a folder on disk, or a prefix of a bucket (``gs://bucket/prefix``).

A `Store` knows the few operations that the lake's commit protocol needs, so that the protocol is written once. Paths
are relative to the store's root, with ``/`` between their parts. The functions at the end read single inputs by their
full path or URI.
"""

import fcntl
import glob
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from google.cloud import storage

LEASE = timedelta(hours=24)
"""How long a lock in a bucket holds when its process died without giving it back."""

CHECK_SECONDS = 10.0
"""How long a bucket may take to answer before a run is refused."""


class StoreError(Exception):
    """A file or bucket cannot be reached; the message is one sentence with its name and the cause."""


class Locked(Exception):  # noqa: N818 - a state that the caller words, not an error of ours
    """Another process holds the lock."""


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
    def lock(self, path: str) -> AbstractContextManager[None]:
        """Holds a lock inside the context; raises Locked when another process holds it."""


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
        root = Path(self.root)
        return sorted(p.relative_to(root).as_posix() for p in self._at(folder).rglob("*") if p.is_file())

    def read(self, path: str) -> bytes | None:
        try:
            return self._at(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(target)

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

    @contextmanager
    def local_copies(self, paths: list[str]) -> Iterator[list[Path]]:
        yield [self._at(path) for path in paths]

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        file = self._at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # flock: the system gives it back when the process dies, however it dies.
        with file.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Locked(self.uri(path)) from error
            yield


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


class BucketStore(Store):
    """A prefix of a Google Cloud Storage bucket."""

    def __init__(self, root: str) -> None:
        super().__init__(root.rstrip("/"))
        name, _, self.prefix = self.root.removeprefix("gs://").partition("/")
        self._bucket = _bucket(name)

    def _name(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _blob(self, path: str) -> "storage.Blob":
        return self._bucket.blob(self._name(path))

    def check(self) -> None:
        from google.api_core.exceptions import GoogleAPIError
        from google.cloud.storage.retry import DEFAULT_RETRY

        try:
            found = self._bucket.exists(timeout=CHECK_SECONDS, retry=DEFAULT_RETRY.with_timeout(CHECK_SECONDS))
        except (GoogleAPIError, OSError) as error:
            raise StoreError(f"the bucket gs://{self._bucket.name} cannot be reached: {error}") from error
        if not found:
            raise StoreError(f"there is no bucket gs://{self._bucket.name}, or no permission to see it")

    def files(self, folder: str) -> list[str]:
        start = len(self._name(""))
        blobs = self._bucket.client.list_blobs(self._bucket, prefix=self._name(folder.rstrip("/") + "/"))
        return sorted(blob.name[start:] for blob in blobs)

    def read(self, path: str) -> bytes | None:
        from google.api_core.exceptions import NotFound

        try:
            return cast(bytes, self._blob(path).download_as_bytes())
        except NotFound:
            return None

    def write(self, path: str, data: bytes) -> None:
        self._blob(path).upload_from_string(data, content_type="application/json")

    def move(self, source: str, target: str) -> None:
        from google.api_core.exceptions import NotFound

        try:
            self._bucket.copy_blob(self._blob(source), self._bucket, self._name(target))
        except NotFound:
            if not self._blob(target).exists():
                raise
        self.delete([source])

    def delete(self, paths: list[str]) -> None:
        self._bucket.delete_blobs([self._blob(path) for path in paths], on_error=lambda _: None)

    @contextmanager
    def new_file(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
            file = Path(folder, "file")
            yield file
            self._blob(path).upload_from_filename(str(file))

    @contextmanager
    def local_copies(self, paths: list[str]) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
            files = [Path(folder, path) for path in paths]
            for path, file in zip(paths, files, strict=True):
                file.parent.mkdir(parents=True, exist_ok=True)
                self._blob(path).download_to_filename(str(file))
            yield files

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        from google.api_core.exceptions import PreconditionFailed

        held = self._bucket.get_blob(self._name(path))
        stale = held is not None and held.time_created and datetime.now(timezone.utc) - held.time_created > LEASE
        blob = self._blob(path)
        try:
            blob.upload_from_string(b"", if_generation_match=held.generation if held is not None and stale else 0)
        except PreconditionFailed as error:
            raise Locked(self.uri(path)) from error
        try:
            yield
        finally:
            self.delete([path])


def _bucket(name: str) -> "storage.Bucket":
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        return storage.Client().bucket(name)
    except (DefaultCredentialsError, OSError) as error:
        raise StoreError(
            f"gs://{name} needs Google credentials: run `gcloud auth application-default login`, "
            f"or set GOOGLE_APPLICATION_CREDENTIALS ({str(error).splitlines()[0]})"
        ) from error


def open_store(root: str) -> Store:
    """The store at a root: a bucket for ``gs://...``, a folder for anything else.

    Raises:
        StoreError: no credentials for Google Cloud Storage, or a scheme that is neither of the two.
    """
    if root.startswith("gs://"):
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
    from google.api_core.exceptions import GoogleAPIError

    try:
        names = [blob.name for blob in _bucket(name).list_blobs(prefix=fixed)]
    except (GoogleAPIError, OSError) as error:
        raise StoreError(f"gs://{name} cannot be listed: {error}") from error
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
    from google.api_core.exceptions import GoogleAPIError

    name, _, path = uri.removeprefix("gs://").partition("/")
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        _bucket(name).blob(path).download_to_file(copy)
    except GoogleAPIError as error:
        copy.close()
        raise OSError(str(error)) from error
    copy.seek(0)
    return copy
