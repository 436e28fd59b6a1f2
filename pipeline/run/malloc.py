"""Configure the allocators to return freed memory to the system, so that a long run needs no more than a short one."""

import ctypes
import os

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""Parameters of mallopt(3), from malloc.h."""
_THRESHOLD_BYTES = 128 * 1024


def configure_malloc() -> None:
    """Limit the memory that glibc and Arrow keep. Call it before Arrow is imported and other threads start.

    glibc gives each thread its own heap and raises its mmap threshold to the size of the largest freed block, so that
    the heaps then grow by pages of some 100 kB that are soon freed. Arrow's default allocator keeps freed memory, and
    ``pyarrow.set_memory_pool`` does not reach all of its parts. With another C library only Arrow is configured.
    deploy/docker/entrypoint.sh has the same settings for workers of other engines.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _THRESHOLD_BYTES), (_TRIM_THRESHOLD, _THRESHOLD_BYTES))
        for parameter, value in settings:
            mallopt(parameter, value)
