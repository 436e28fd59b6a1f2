"""Define `Store`, the abstract storage of a lake with the operations that the commit protocol needs.

Paths are relative to the root of the store, with ``/`` between their parts.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path

from transforms.schema.errors import OnrecordError


class StoreError(OnrecordError):
    """A file or bucket cannot be read or written; the message is one sentence with its name and the cause."""


class Locked(Exception):  # noqa: N818 - a state, which the caller reports
    """Another process holds the lock."""


class Changed(Exception):  # noqa: N818 - a state, which the caller reports
    """Another process has written the file since it was read."""


class Store(ABC):
    """A tree of files under one root."""

    def __init__(self, root: str) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        """Return the full path or URI of a relative path."""
        return f"{self.root}/{path}"

    @abstractmethod
    def check(self) -> None:
        """Raise StoreError if the root is not writable."""

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """List the paths of all files below a folder, sorted; empty if the folder does not exist."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Read a file; None if it does not exist."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Write a small file atomically, replacing an existing one."""

    @abstractmethod
    def swap(self, path: str, data: bytes, before: bytes | None) -> None:
        """Compare and swap a small file: write it if its content is `before` (None: no file), else raise Changed."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Move one file; do nothing if it was already moved (no source, but a target)."""

    @abstractmethod
    def delete(self, paths: list[str]) -> None:
        """Delete files and folders that become empty; a missing file is not an error."""

    @abstractmethod
    def new_file(self, path: str) -> AbstractContextManager[Path]:
        """Open a local path for writing; if the context ends without an error, the file is stored at `path`."""

    @abstractmethod
    def local_copies(self, paths: list[str]) -> AbstractContextManager[list[Path]]:
        """Provide local paths for files inside the context, in the same order."""

    @abstractmethod
    def lock(self, path: str) -> AbstractContextManager[str]:
        """Hold a lock inside the context and return its owner; raise Locked if another process holds it."""

    @abstractmethod
    def holds(self, path: str, holder: str) -> bool:
        """Whether an owner still holds a lock (any process may ask); if so, extend its lease by a few minutes."""
