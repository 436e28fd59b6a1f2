"""Freed memory is returned to the system."""

import ctypes
import subprocess
import sys

import pytest

from tests.support.golden_tables import ROOT

CODE = """
from pipeline.run.malloc import configure_malloc
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
configure_malloc()
import pyarrow
bytearray(20_000_000)
blocks = [bytearray(b"x") * 200_000 for _ in range(200)]
before = resident()
del blocks[::2]
print(before - resident(), pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_memory_is_returned() -> None:
    freed, pool = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert int(freed) > 19_000_000
    assert pool == "system"
