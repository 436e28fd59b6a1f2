"""Where bytes lie: a folder on disk, or a prefix of a bucket (``gs://bucket/prefix``).

A `Store` knows the few operations that the lake's commit protocol needs, so that the protocol is written once. Paths
are relative to the store's root, with ``/`` between their parts. The functions at the end read single inputs by their
full path or URI.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path


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
