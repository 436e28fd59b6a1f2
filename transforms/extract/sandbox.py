"""Parse expensive pages in a sandbox process with limits of time and memory.

Each worker process has at most one sandbox, from the first page that needs it until the worker ends. It is a new
interpreter, never a fork, so it is safe with threads and does not import the caller's main module.
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
"""Time limit of its start and imports, on a busy machine."""
_ARGUMENTS = "from transforms.extract.sandbox import serve; serve({fd}, {memory})"


class _Sandbox:
    """A running sandbox process."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.connection, other_end = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter with our code
                [sys.executable, "-c", _ARGUMENTS.format(fd=other_end.fileno(), memory=memory)],
                pass_fds=[other_end.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # the worker handles an interrupt from the terminal
            )
        finally:
            other_end.close()
        if not self.connection.poll(_START_SECONDS) or not self._is_ready():
            self.stop()
            raise RuntimeError(f"the sandbox process did not start (exit code {self.process.returncode})")

    def _is_ready(self) -> bool:
        try:
            return bool(self.connection.recv())
        except (EOFError, OSError):
            return False

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


_lock = threading.Lock()
_sandbox: _Sandbox | None = None


def in_sandbox(work: Callable[[], _T], config: ExtractConfig) -> _T:
    """Call a function in the sandbox process, within the configured limits of time and memory.

    Args:
        work: a `functools.partial` of a module-level function; its arguments and result can be pickled.
        config: the limits ``page_seconds`` and ``page_memory``.

    Raises:
        Rejected: unparsable, if a limit was reached or the process crashed; or raised by `work`.
        RuntimeError: the sandbox process cannot be started.
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
            result = _sandbox.connection.recv()
        except (EOFError, OSError):
            stop_sandbox()
            raise Rejected(Reason.UNPARSABLE, "the parser process crashed on this page") from None
        except BaseException:
            stop_sandbox()  # its pending result would be taken for that of the next page
            raise
    if isinstance(result, MemoryError):
        raise Rejected(
            Reason.UNPARSABLE, f"the page needs more than {config.page_memory:,} bytes of memory (page_memory)"
        )
    if isinstance(result, Exception):
        raise result
    value: _T = result
    return value


def stop_sandbox() -> None:
    """Stop the sandbox process, if it runs; the next page that needs one starts a new process."""
    global _sandbox
    if _sandbox is not None:
        _sandbox.stop()
        _sandbox = None


atexit.register(stop_sandbox)


def serve(fd: int, memory: int) -> None:
    """Run in the sandbox process: execute calls one by one until the connection is closed.

    Args:
        fd: file descriptor of the connection.
        memory: limit of the address space in bytes, in addition to that of the imports.
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
            result = work()
        except Exception as error:  # noqa: BLE001 - the caller raises it again
            result = error
        try:
            connection.send(result)
        except (TypeError, AttributeError, ValueError):
            connection.send(RuntimeError(f"{type(result).__name__}: {result}"[:2_000]))


def _limit_memory(memory: int) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():  # only Linux enforces the limit of the address space
        return
    used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + memory if hard == resource.RLIM_INFINITY else min(used + memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
