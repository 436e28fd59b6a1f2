"""A worker process of a local run: one thread of each library."""

import subprocess
import sys

from tests.support.golden_tables import ROOT

CODE = """
from pipeline.run.worker import main
try:
    main(50)
except KeyError as error:
    assert error.args == ("CONTROL_API_SERVICE_DESCRIPTOR",)  # there is no first process to connect to
import pyarrow
print(pyarrow.cpu_count(), pyarrow.default_memory_pool().backend_name)
"""


def test_worker_has_no_thread_pools() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["1", "system"]
