"""What is freed goes back to the system."""

import ctypes
import subprocess
import sys

import pytest

from tests.support.golden_tables import ROOT

CODE = """
from pipeline.run.malloc import give_back_memory
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
give_back_memory()
import pyarrow
bytearray(20_000_000)
blocks = [bytearray(b"x") * 200_000 for _ in range(200)]
before = held()
del blocks[::2]
print(before - held(), pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another allocator than glibc's")
def test_holes_between_what_is_held_are_given_back() -> None:
    freed, pool = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert int(freed) > 19_000_000
    assert pool == "system"
