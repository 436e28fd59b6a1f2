"""Test of the lake benchmark on a small lake: all figures are printed and compared with their limits."""

import re
import subprocess
import sys

from benchmarks.lake import DAYS
from tests.support.golden_tables import ROOT


def test_benchmark_prints_all_figures() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.lake", "--articles", "10000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    # Durations depend on the load of the machine; the report of slow ones does not.
    assert done.returncode == int("OVER" in done.stdout), done.stdout + done.stderr
    assert re.search(rf"articles +10,000 rows +{DAYS} files", done.stdout)
    figures = re.findall(
        r"^(.+?)  +[0-9.]+ s +([0-9,]+) MB   (?:within|OVER) \d+ s and 1,024 MB   (.*)$", done.stdout, re.M
    )
    assert [(name, int(memory) < 1_024) for name, memory, _ in figures] == [
        ("crawl state: lookup of 10,000 URLs", True),
        ("query: one speaker", True),
        ("query: one speaker, newest versions", True),
    ]
    assert figures[0][2].startswith("5,000 known")
