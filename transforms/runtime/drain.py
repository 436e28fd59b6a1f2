"""Drain the process: stop fetching and let the run end.

After `drain`, this process starts no request, requests in flight get a few seconds, and every other URL is
``skipped / cancelled`` immediately. Fetched pages are processed and committed. A signal handler may call it.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "ONRECORD_DRAIN"
"""Environment variable with the path of the file that signals worker processes of this machine to drain."""

_DRAINING = threading.Event()


def drain() -> None:
    """Stop all fetching in this process, current and future."""
    _DRAINING.set()
    if path := os.environ.get(VARIABLE):
        Path(path).touch()


def resume() -> None:
    """Allow requests again."""
    _DRAINING.clear()
    if path := os.environ.get(VARIABLE):
        Path(path).unlink(missing_ok=True)


def is_draining() -> bool:
    """Whether `drain` was called here or in the parent process, without a later `resume`."""
    path = os.environ.get(VARIABLE)
    return _DRAINING.is_set() or (path is not None and Path(path).exists())


@contextmanager
def shared_drain() -> Iterator[None]:
    """Pass a `drain` on to processes started inside the context; at its end, allow requests again."""
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        os.environ[VARIABLE] = str(Path(folder) / "drain")
        try:
            yield
        finally:
            resume()
            del os.environ[VARIABLE]
