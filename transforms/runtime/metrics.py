"""Count outcomes and reasons in Beam's metrics and, for a live view on this machine, in a file.

A runner reports Beam's metrics when a bundle or the whole run has ended. To follow a local run live, each count is also
appended as a line to a file that an environment variable names; worker processes inherit it. A line is appended in one
write, so threads and processes need no lock. Without a watcher there is no file. A stream counts without end, so a new
file begins every few minutes, and the previous one is deleted after it was read.
"""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apache_beam.metrics import Metrics

VARIABLE = "ONRECORD_COUNTS"
"""Environment variable with the path of the count files, without their number."""

SEGMENT_SECONDS = 600.0
"""Time after which a new count file begins."""

Counts = Counter[tuple[str, str]]
"""Counts by (stage, outcome or reason)."""


def count(stage: str, what: str, number: int = 1) -> None:
    """Increment a counter; call it in a DoFn.

    Args:
        stage: the stage that counts.
        what: an outcome or a reason, one word.
        number: the increment; negative to undo earlier counts.
    """
    Metrics.counter(stage, what).inc(number)
    if number and (path := os.environ.get(VARIABLE)):
        # A full disk or the end of the run may break the live view but not the run.
        with suppress(OSError):
            file = os.open(f"{path}.{_segment()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, f"{stage} {what} {number}\n".encode())
            finally:
                os.close(file)


def _segment() -> int:
    return int(time.time() // SEGMENT_SECONDS)


@contextmanager
def watched_counts() -> Iterator[Callable[[], Counts]]:
    """Make the counts of this process and its child processes readable live inside the context.

    Yields:
        A function that returns the counts so far.
    """
    counts: Counts = Counter()
    segments: dict[Path, _Segment] = {}

    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:

        def read() -> Counts:
            # A writer may still use the file of the previous period.
            oldest = _segment() - 1
            for path in sorted(Path(folder).iterdir()):
                segments.setdefault(path, _Segment(path)).read(counts)
                if int(path.suffix[1:]) < oldest:
                    path.unlink()
                    del segments[path]
            return counts.copy()

        os.environ[VARIABLE] = str(Path(folder) / "counts")
        try:
            yield read
        finally:
            del os.environ[VARIABLE]


class _Segment:
    """One count file with the position of the reader."""

    def __init__(self, path: Path) -> None:
        self._path, self._position = path, 0

    def read(self, counts: Counts) -> None:
        """Add the new lines to the counts."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            lines, end, _ = file.read().rpartition(b"\n")
        self._position += len(lines) + len(end)
        for line in lines.decode().splitlines():
            # A temporarily full disk leaves a truncated line.
            with suppress(ValueError):
                stage, what, number = line.split(" ")
                counts[stage, what] += int(number)
