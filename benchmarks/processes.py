"""What a command costs, with all the processes that it starts (Linux)."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOKS, _WAITS = 0.5, 0.02
"""Seconds between two looks at the memory, which cost a hundredth of one, and at whether the command has ended."""


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    began: float
    """Seconds since the epoch."""
    seconds: float
    cpu: float
    """CPU seconds of the process and of all that it started and waited for."""
    peak: float
    """Most memory of all these processes at one time, in MiB; what several share counts once. Looked at twice a
    second."""
    output: str


def cost_of(command: Sequence[str]) -> Cost:
    """Runs a command to its end.

    Raises:
        SystemExit: it failed; the message holds what it printed.
    """
    with tempfile.TemporaryFile("w+") as out:
        began, start = time.time(), time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        peak = looked = 0.0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() - looked >= _LOOKS:
                peak = max(peak, sum(map(_memory, _tree(process.pid))))
                looked = time.monotonic()
            time.sleep(_WAITS)
        seconds = time.monotonic() - start
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {output[-4_000:]}")
    return Cost(began, seconds, usage.ru_utime + usage.ru_stime, peak, output)


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield from _tree(int(child))


def _memory(pid: int) -> float:
    """A process's proportional share of the memory that it has, in MiB."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # it has just ended
