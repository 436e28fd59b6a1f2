"""Drain the process: stop fetching and let the run end.

After `drain` no request starts in this process, requests in flight have a few seconds, and every other URL is
``skipped / cancelled`` at once. Fetched pages are processed and committed. Safe to call in a signal handler.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "ONRECORD_DRAIN"
"""Environment variable with the path of the file that tells worker processes of this machine to drain."""

_DRAINING = threading.Event()


def drain() -> None:
    """End all fetching in this process, current and future."""
    _DRAINING.set()
    if path := os.environ.get(VARIABLE):
        Path(path).touch()


def resume() -> None:
    """Allow requests again."""
    _DRAINING.clear()
    if path := os.environ.get(VARIABLE):
        Path(path).unlink(missing_ok=True)


def is_draining() -> bool:
    """Whether `drain` was called, here or in the parent process, and not `resume` since."""
    path = os.environ.get(VARIABLE)
    return _DRAINING.is_set() or (path is not None and Path(path).exists())


@contextmanager
def shared_drain() -> Iterator[None]:
    """Let `drain` reach the processes started inside the context; at its end, allow requests again."""
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        os.environ[VARIABLE] = str(Path(folder) / "drain")
        try:
            yield
        finally:
            resume()
            del os.environ[VARIABLE]
