"""Use a local folder as a store."""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.storage.base import Changed, Locked, Store, StoreError


class FolderStore(Store):
    """A folder on this machine, or on a disk that all workers share."""

    def __init__(self, root: str) -> None:
        super().__init__(str(Path(root).absolute()))

    def _at(self, path: str) -> Path:
        return Path(self.root, path)

    def check(self) -> None:
        # The check must not leave files behind, so it does not create the root.
        place = next(p for p in (Path(self.root), *Path(self.root).parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise StoreError(f"the folder {self.root} cannot be written to: {error.strerror or error}") from error

    def files(self, folder: str) -> list[str]:
        # Not with rglob, which fails if another run removes a folder meanwhile (before Python 3.13).
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
        # Not with tempfile, because only the owner may read its files, and other users may read the lake.
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
        # After a power failure, a manifest must not exist without its files.
        with file.open("rb") as written:
            os.fsync(written.fileno())

    @contextmanager
    def local_copies(self, paths: list[str]) -> Iterator[list[Path]]:
        yield [self._at(path) for path in paths]

    @contextmanager
    def lock(self, path: str) -> Iterator[str]:
        file = self._at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # With flock, because the system releases the lock whenever the process ends.
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
