"""Measure articles per second on other engines: python -m benchmarks.engines [--pages N] [--only ENGINE ...]

The invented pages of benchmarks/corpus.py come from loopback and are annotated. Each run is measured from start to end
of the command; the engine runs before, like a cluster. Needs the engines that `make test-engines` installs.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.pipeline import Bench, Line, onrecord
from benchmarks.processes import spent
from tests.engines.setup_flink import set_up
from tests.support.flink_cluster import cluster

WORKERS = {"fnapi": (1, 2), "prism": (1,), "flink": (1, 2)}
Measured = tuple[Line, float]
"""Cost of the command, and CPU seconds of the engine's other processes."""


def fnapi(bench: Bench, pages: int, workers: int, _folder: Path) -> Measured:
    """Beam's own runner."""
    return bench.fetched("fnapi", pages, onrecord("--workers", str(workers))), 0.0


def prism(bench: Bench, pages: int, _workers: int, _folder: Path) -> Measured:
    """Prism, with workers as threads of the command."""
    return bench.fetched("prism", pages, onrecord("--runner", "prism")), 0.0


def flink(bench: Bench, pages: int, workers: int, folder: Path) -> Measured:
    """A cluster with `workers` task managers of one slot."""
    set_up()
    with cluster(folder, workers) as running:
        options = ["--runner", "flink", "--set", "mounted=true", "--", *running.options(workers)]
        before = spent(running.pids)
        line = bench.fetched("flink", pages, onrecord(*options))
        return line, spent(running.pids) - before


ENGINES: dict[str, Callable[[Bench, int, int, Path], Measured]] = {"fnapi": fnapi, "prism": prism, "flink": flink}


def main() -> None:
    """Measure and print a line per engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.pages:,} pages of {options.hosts} hosts")
    for name in options.only:
        for workers in WORKERS[name]:
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
                bench = Bench(Path(folder), options.hosts, annotated=True)
                line, beside = ENGINES[name](bench, options.pages, workers, Path(work))
            rate, cpu = line.articles / line.cost.seconds, 1_000 * (line.cost.cpu + beside) / line.articles
            what = f"{name:8} {workers} worker{'s' if workers > 1 else ' '}"
            print(f"{what} {rate:8.1f} articles/s {cpu:8.1f} CPU ms/article, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
