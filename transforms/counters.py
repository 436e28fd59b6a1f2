"""What the stages count as they go: each outcome and each reason, in Beam's metrics and, on this machine, at once.

A runner gives Beam's metrics when a bundle, or the whole run, has ended. So that a local run can be watched, each count
is also a line of the file that an environment variable names, which worker processes inherit: appended in one write, it
needs no lock among threads and processes. Where nobody watches, there is no such file.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import FileIO
from pathlib import Path

from apache_beam.metrics import Metrics

VARIABLE = "ONRECORD_COUNTS"
"""The environment variable that names the file of counts."""

Counts = Counter[tuple[str, str]]
"""How often each (stage, outcome or reason) was counted."""


def count(stage: str, what: str, number: int = 1) -> None:
    """Counts something; to be called in a DoFn.

    Args:
        stage: whose counter it is.
        what: an outcome or a reason, one word.
        number: how many.
    """
    Metrics.counter(stage, what).inc(number)
    if path := os.environ.get(VARIABLE):
        # A full disk, or a run that is over, costs the view of the run and not the run.
        with suppress(OSError, ValueError):
            _opened(path).write(f"{stage} {what} {number}\n".encode())


@contextmanager
def watched_counts() -> Iterator[Callable[[], Counts]]:
    """Lets what is counted inside be read while it is counted, in this process and in those that are started inside.

    Yields:
        Gives what was counted so far.
    """
    counts: Counts = Counter()
    rest = b""

    def read() -> Counts:
        nonlocal rest
        lines, _, rest = (rest + file.read()).rpartition(b"\n")
        for line in lines.decode().splitlines():
            # A disk that was full for a while leaves a line that runs into the next.
            with suppress(ValueError):
                stage, what, number = line.split(" ")
                counts[stage, what] += int(number)
        return counts.copy()

    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
        path = Path(folder) / "counts"
        path.touch()
        os.environ[VARIABLE] = str(path)
        try:
            with path.open("rb") as file:
                yield read
        finally:
            del os.environ[VARIABLE]
            _opened(str(path)).close()


@lru_cache(maxsize=1)
def _opened(path: str) -> FileIO:
    return FileIO(path, "ab")
