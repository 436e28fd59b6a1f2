"""Open a store, list files and open inputs by path or gs:// URI."""

import glob
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast

from transforms.storage.base import Store, StoreError
from transforms.storage.folder import FolderStore


def open_store(root: str) -> Store:
    """Open the store at a root: a bucket for ``gs://...``, a folder otherwise.

    Raises:
        StoreError: there are no credentials for Google Cloud Storage, or the URI has another scheme.
    """
    if root.startswith("gs://"):
        from transforms.storage.gcs import BucketStore

        return BucketStore(root)
    if "://" in root:
        raise StoreError(f"{root} is not a valid lake: allowed are a folder and gs://bucket/prefix")
    return FolderStore(root)


def list_files(pattern: str) -> list[str]:
    """List the files of a path, a glob (``*``, ``?``, ``[...]``; ``**`` on disk) or a ``gs://`` pattern, sorted.

    Returns:
        Absolute paths or ``gs://`` URIs; empty if nothing matches.

    Raises:
        StoreError: the bucket cannot be reached.
    """
    if not pattern.startswith("gs://"):
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob does not take absolute patterns
        return sorted(str(Path(p).absolute()) for p in found if Path(p).is_file())
    name, _, path = pattern.removeprefix("gs://").partition("/")
    fixed = path[: next((i for i, c in enumerate(path) if c in "*?["), len(path))]
    from transforms.storage.gcs import open_bucket, translate_errors

    with translate_errors(pattern):
        names = [blob.name for blob in open_bucket(name).list_blobs(prefix=fixed)]
    return sorted(f"gs://{name}/{found}" for found in names if found == path or fnmatchcase(found, path))


def require_files(pattern: str) -> list[str]:
    """List the files of a path, a glob or a ``gs://`` pattern, and require at least one.

    Raises:
        StoreError: no file matches, or the bucket cannot be reached.
    """
    files = list_files(pattern)
    if not files:
        raise StoreError(f"there is no file {pattern}; allowed are a path, a glob and gs://bucket/name")
    return files


@contextmanager
def open_input(uri: str) -> Iterator[BinaryIO]:
    """Open one file for reading: a path, or a ``gs://`` URI, which is copied to a temporary file (seekable).

    Raises:
        StoreError: the file cannot be read.
    """
    file: BinaryIO
    try:
        file = _download(uri) if uri.startswith("gs://") else Path(uri).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise StoreError(f"{uri} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


def _download(uri: str) -> BinaryIO:
    from transforms.storage.gcs import open_bucket, translate_errors

    name, _, path = uri.removeprefix("gs://").partition("/")
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        with translate_errors(uri, of_object=True):
            open_bucket(name).blob(path).download_to_file(copy)
    except StoreError:
        copy.close()
        raise
    copy.seek(0)
    return copy
