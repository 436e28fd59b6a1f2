"""What a command costs, with all the processes that it starts (Linux)."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
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
    path: float = 0.0
    """CPU seconds of the first process and of the busiest of those below it: how long the command takes at least, with
    processors of its own for all."""


def cost_of(command: Sequence[str]) -> Cost:
    """Runs a command to its end.

    Raises:
        SystemExit: it failed; the message holds what it printed.
    """
    with tempfile.TemporaryFile("w+") as out:
        began, start = time.time(), time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        peak = looked = 0.0
        busy: dict[int, float] = {}
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() - looked >= _LOOKS:
                tree = list(_tree(process.pid))
                peak = max(peak, sum(map(_memory, tree)))
                busy.update((pid, _cpu(pid) or busy.get(pid, 0.0)) for pid in tree)
                looked = time.monotonic()
            time.sleep(_WAITS)
        seconds = time.monotonic() - start
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {output[-4_000:]}")
    cpu, below = usage.ru_utime + usage.ru_stime, [busy[pid] for pid in busy if pid != process.pid]
    # Of what ran between two looks nobody knows whose it was; it counts for the first process.
    return Cost(began, seconds, cpu, peak, output, cpu - sum(below) + max(below, default=0.0))


def spent(pids: Iterable[int]) -> float:
    """The CPU seconds that running processes have used, with all below them that run or that were waited for."""
    return sum(_cpu(pid, waited_for=True) for top in pids for pid in _tree(top))


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


def _cpu(pid: int, *, waited_for: bool = False) -> float:
    """The CPU seconds that a process has used, and those that it has waited for; 0 where it has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if waited_for else 13])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # it has just ended
