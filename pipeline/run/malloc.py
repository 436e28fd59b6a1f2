"""Memory that a process has freed goes back to the system, so that a long run stands where a short one does."""

import ctypes
import os

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""Parameters of mallopt(3), by their numbers in malloc.h."""
_LARGE = 128 * 1024


def give_back_memory() -> None:
    """Has the allocators keep little of what is free. Call it before Arrow is imported and other threads begin.

    glibc gives each thread a heap of its own, and takes the largest block that was ever freed for the size from which
    it asks the system for single ones: pages of some 100 kB, each freed soon, are then what its heaps grow by. Arrow's
    own allocator keeps what it had for later, and ``pyarrow.set_memory_pool`` does not reach all of it. Where the
    allocator is another than glibc's, only Arrow's is changed.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE)):
            mallopt(parameter, value)
