"""A helper process for pages that may cost too much: it can be killed, and the worker lives on.

One helper serves a worker process, from the first page that needs it until the worker ends. It is a fresh interpreter,
never a fork, so that it is safe beside threads and imports nothing of the caller's main module.
"""

import atexit
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from transforms.extract.config import ExtractConfig
from transforms.schema.failures import Reason, Rejected

_T = TypeVar("_T")

_START_SECONDS = 120.0
"""How long a helper may take to import what it needs, on a machine that is busy."""
_ARGUMENTS = "from transforms.extract.sandbox import serve; serve({fd}, {memory})"


class _Sandbox:
    """A running helper process."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.connection, theirs = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter and code of ours
                [sys.executable, "-c", _ARGUMENTS.format(fd=theirs.fileno(), memory=memory)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a terminal's interrupt is the worker's to handle
            )
        finally:
            theirs.close()
        if not self.connection.poll(_START_SECONDS) or not self._is_ready():
            self.stop()
            raise RuntimeError(f"the helper process did not start (exit code {self.process.returncode})")

    def _is_ready(self) -> bool:
        try:
            return bool(self.connection.recv())
        except (EOFError, OSError):
            return False

    def stop(self) -> None:
        """Kills the process and waits until it is gone."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


_lock = threading.Lock()
_sandbox: _Sandbox | None = None


def in_sandbox(work: Callable[[], _T], config: ExtractConfig) -> _T:
    """Do a piece of work in the helper process, within the configuration's limits of time and memory.

    Args:
        work: a `functools.partial` of a function of some module, with arguments that can be pickled; so must its
            result be.
        config: the limits ``page_seconds`` and ``page_memory``.

    Raises:
        Rejected: unparsable, when a limit was reached or the process died of the page; or what the work refused.
        RuntimeError: no helper process can be started here.
    """
    global _sandbox
    with _lock:
        if _sandbox is not None and (_sandbox.memory != config.page_memory or _sandbox.process.poll() is not None):
            stop_sandbox()
        if _sandbox is None:
            _sandbox = _Sandbox(config.page_memory)
        try:
            _sandbox.connection.send(work)
            if not _sandbox.connection.poll(config.page_seconds):
                stop_sandbox()
                raise Rejected(
                    Reason.UNPARSABLE, f"the page took longer than {config.page_seconds:g} seconds (page_seconds)"
                )
            answer = _sandbox.connection.recv()
        except (EOFError, OSError):
            stop_sandbox()
            raise Rejected(Reason.UNPARSABLE, "the page made the process end that read it") from None
        except BaseException:
            stop_sandbox()  # its answer, still to come, would be taken for the next page's
            raise
    if isinstance(answer, MemoryError):
        raise Rejected(
            Reason.UNPARSABLE, f"the page needs more than {config.page_memory:,} bytes of memory (page_memory)"
        )
    if isinstance(answer, Exception):
        raise answer
    result: _T = answer
    return result


def stop_sandbox() -> None:
    """End the helper process, if one runs; the next page that needs one starts another."""
    global _sandbox
    if _sandbox is not None:
        _sandbox.stop()
        _sandbox = None


atexit.register(stop_sandbox)


def serve(fd: int, memory: int) -> None:
    """The helper's side: answers pieces of work, one after the other, until the other end is closed.

    Args:
        fd: the connection's file descriptor.
        memory: the most bytes of address space, on top of what the imports take.
    """
    _limit_memory(memory)
    connection: Connection = Connection(fd)
    connection.send(True)
    while True:
        try:
            work = connection.recv()
        except EOFError:
            return
        try:
            answer = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller's side raises it again
            answer = error
        try:
            connection.send(answer)
        except (TypeError, AttributeError, ValueError):
            connection.send(RuntimeError(f"{type(answer).__name__}: {answer}"[:2_000]))


def _limit_memory(memory: int) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():  # elsewhere than on Linux the limit of the address space is not kept
        return
    used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + memory if hard == resource.RLIM_INFINITY else min(used + memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
