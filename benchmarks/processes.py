"""Measure time, CPU and memory of a command with all its child processes (Linux)."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS, _POLL_SECONDS = 0.5, 0.02
"""Seconds between two samples of the memory, which take a hundredth of a second, and between two checks for the end."""


@dataclass(frozen=True)
class Cost:
    """Cost of one command."""

    began: float
    """Seconds since the epoch."""
    seconds: float
    cpu: float
    """CPU seconds of the process and of all its finished children."""
    peak: float
    """Peak memory of all these processes in MiB, sampled twice a second; shared memory counts once."""
    output: str
    path: float = 0.0
    """CPU seconds of the main process and of its busiest child: the minimum duration with one processor per process."""


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; the message holds what it printed.
    """
    with tempfile.TemporaryFile("w+") as out:
        began, start = time.time(), time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        peak = looked = 0.0
        busy: dict[int, float] = {}
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() - looked >= _SAMPLE_SECONDS:
                tree = list(_tree(process.pid))
                peak = max(peak, sum(map(_memory, tree)))
                busy.update((pid, _cpu(pid) or busy.get(pid, 0.0)) for pid in tree)
                looked = time.monotonic()
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - start
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {output[-4_000:]}")
    cpu, below = usage.ru_utime + usage.ru_stime, [busy[pid] for pid in busy if pid != process.pid]
    # The time of children that ran between two samples is unknown; it counts for the main process.
    return Cost(began, seconds, cpu, peak, output, cpu - sum(below) + max(below, default=0.0))


def spent(pids: Iterable[int]) -> float:
    """Return the CPU seconds of running processes and their children, running or finished."""
    return sum(_cpu(pid, waited_for=True) for top in pids for pid in _tree(top))


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield from _tree(int(child))


def _memory(pid: int) -> float:
    """Return the proportional set size of a process in MiB."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _cpu(pid: int, *, waited_for: bool = False) -> float:
    """Return the CPU seconds of a process, optionally with its finished children; 0 if it has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if waited_for else 13])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # the process has just ended
