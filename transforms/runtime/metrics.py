"""What the stages count as they go: each outcome and each reason, in Beam's metrics and, on this machine, at once.

A runner gives Beam's metrics when a bundle, or the whole run, has ended. So that a local run can be watched, each count
is also a line of a file whose place an environment variable names, which worker processes inherit: appended in one
write, it needs no lock among threads and processes. Where nobody watches, there is no such file. A stream counts
without end, so a new file begins now and then, and the one before goes when it was read.
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
"""The environment variable that names the files of counts, but for their number."""

SEGMENT_SECONDS = 600.0
"""After so long a new file begins."""

Counts = Counter[tuple[str, str]]
"""How often each (stage, outcome or reason) was counted."""


def count(stage: str, what: str, number: int = 1) -> None:
    """Counts something; to be called in a DoFn.

    Args:
        stage: whose counter it is.
        what: an outcome or a reason, one word.
        number: how many; below 0 where something is over that was counted.
    """
    Metrics.counter(stage, what).inc(number)
    if number and (path := os.environ.get(VARIABLE)):
        # A full disk, or a run that is over, costs the view of the run and not the run.
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
    """Lets what is counted inside be read while it is counted, in this process and in those that are started inside.

    Yields:
        Gives what was counted so far.
    """
    counts: Counts = Counter()
    segments: dict[Path, _Segment] = {}

    with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:

        def read() -> Counts:
            # Who took the name of a file before its time was over may still write to it.
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
    """One file, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path, self._position = path, 0

    def read(self, counts: Counts) -> None:
        """Adds what is new to the counts."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            lines, end, _ = file.read().rpartition(b"\n")
        self._position += len(lines) + len(end)
        for line in lines.decode().splitlines():
            # A disk that was full for a while leaves a line that runs into the next.
            with suppress(ValueError):
                stage, what, number = line.split(" ")
                counts[stage, what] += int(number)
