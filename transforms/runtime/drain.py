"""The process's switch between fetching and coming to an end.

Once `drain` is called no request begins in this process, those under way have a few seconds, and every other URL is
``skipped / cancelled`` at once: what was fetched goes on to its commit. It may be called in a signal handler.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "ONRECORD_DRAIN"
"""The environment variable that names the file by which worker processes of this machine learn of the drain."""

_DRAINING = threading.Event()


def drain() -> None:
    """Ends all fetching in this process, what is under way and what would begin later."""
    _DRAINING.set()
    if path := os.environ.get(VARIABLE):
        Path(path).touch()


def resume() -> None:
    """Lets requests begin again."""
    _DRAINING.clear()
    if path := os.environ.get(VARIABLE):
        Path(path).unlink(missing_ok=True)


def is_draining() -> bool:
    """Whether `drain` was called, here or in the process that started this one, and `resume` not since."""
    path = os.environ.get(VARIABLE)
    return _DRAINING.is_set() or (path is not None and Path(path).exists())


@contextmanager
def shared_drain() -> Iterator[None]:
    """Lets `drain` reach the processes that are started inside; ends with requests let begin again."""
    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        os.environ[VARIABLE] = str(Path(folder) / "drain")
        try:
            yield
        finally:
            resume()
            del os.environ[VARIABLE]
