"""Articles a second on other engines of one machine: python -m benchmarks.engines [--pages N] [--only ENGINE ...]

The invented pages of benchmarks/corpus.py come from loopback, with names and quotes read. Each run goes from the start
of the command to its end; the engine itself runs already, as a cluster does. Needs what `make test-engines` sets up.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.pipeline import Bench, onrecord
from tests.engines.flink_cluster import cluster
from tests.engines.setup_flink import set_up

WORKERS = {"fnapi": (1, 2), "prism": (1,), "flink": (1, 2)}


def fnapi(bench: Bench, pages: int, workers: int, _folder: Path) -> float:
    """Articles a second of Beam's own runner."""
    return _rate(bench, pages, ["--workers", str(workers)])


def prism(bench: Bench, pages: int, _workers: int, _folder: Path) -> float:
    """Articles a second of Prism, whose workers are threads of the command."""
    return _rate(bench, pages, ["--runner", "prism"])


def flink(bench: Bench, pages: int, workers: int, folder: Path) -> float:
    """Articles a second of a cluster with so many task managers of one slot."""
    set_up()
    with cluster(folder, workers) as running:
        return _rate(bench, pages, ["--runner", "flink", "--set", "mounted=true", "--", *running.options(workers)])


ENGINES: dict[str, Callable[[Bench, int, int, Path], float]] = {"fnapi": fnapi, "prism": prism, "flink": flink}


def _rate(bench: Bench, pages: int, options: list[str]) -> float:
    line = bench.fetched("run", pages, onrecord(*options))
    return line.articles / line.cost.seconds


def main() -> None:
    """Measure, and print a line for each engine."""
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
                rate = ENGINES[name](bench, options.pages, workers, Path(work))
            print(f"{name:8} {workers} worker{'s' if workers > 1 else ' '} {rate:8.1f} articles/s", flush=True)


if __name__ == "__main__":
    main()
