"""Profile the CPU time of a run by part: python -m benchmarks.hotspots [--pages N] [--top N] [--warc]

Executes ``onrecord run`` in one process with invented pages under py-spy (`make peers`), with a hundred samples per
second of all active threads, and prints the share of each part and its functions. Compiled code counts for the Python
function that called it.
"""

import argparse
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from benchmarks.pipeline import PEERS, Bench, onrecord

PARTS = (
    ("start: imports", r"<frozen importlib"),
    ("extract", r"/transforms/extract/"),
    ("annotate", r"/transforms/annotate/"),
    ("fetch", r"/transforms/fetch/|/aiohttp/|/asyncio/"),
    ("read lists, archives", r"/transforms/(sources|warc)/"),
    ("write rows", r"/transforms/(write|schema|storage)/"),
    ("crawl state, stories, commit", r"/pipeline/(lake|steps|stories)/"),
    ("report", r"/pipeline/(report|cli|run|stream)/"),
    ("Beam: coders, pickling", r"/apache_beam/(coders|internal)/|/cloudpickle|/pickle\.py"),
    ("Beam: the rest", r"/apache_beam/|/grpc/"),
    ("other", r""),
)
"""The part of a sample is that of the innermost frame with a match; imports have priority."""
_WAITS = re.compile(
    r"(\S*\.)?(wait|select|poll|_worker|run|get|_run_once|_recv) \(\S*/(threading|selectors|queue|thread"
    r"|data_plane|base_events|connection|subprocess)\.py"
)
"""Innermost frames of waiting threads, which may look active on a busy machine."""
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]+?)(?::\d+)?\)$")


def part_of(frames: list[str]) -> tuple[str, str]:
    """Return the part of a stack, and its function. The outermost frame comes first."""
    if any(re.search(PARTS[0][1], frame) for frame in frames):
        return PARTS[0][0], next((f for f in frames if not f.startswith(("thread", "process"))), "")
    for frame in reversed(frames):
        for part, pattern in PARTS[1:-1]:
            if re.search(pattern, frame):
                return part, frame
    return PARTS[-1][0], frames[-1]


def shares(samples: Iterable[str]) -> dict[str, Counter[str]]:
    """Count the samples of each part by function; a sample is ``frame;frame;... count``."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        stack, _, count = sample.rpartition(" ")
        frames = stack.split(";")
        if _WAITS.match(frames[-1]):
            continue
        part, frame = part_of(frames)
        match = _FRAME.match(frame)
        where = f"{Path(match['file']).name}: {match['name']}" if match else frame or "(no Python frame)"
        found[part][where] += int(count)
    return found


def main() -> None:
    """Profile one run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--top", type=int, default=6, help="number of functions per part")
    parser.add_argument("--warc", action="store_true", help="read WARC files instead of the network")
    options = parser.parse_args()
    spy = PEERS.with_name("py-spy")
    if not spy.exists():
        raise SystemExit("py-spy is not installed: run make peers")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "samples")
        record = [
            str(spy),
            "record",
            "--full-filenames",
            "--rate",
            "100",
            "--format",
            "raw",
            "--output",
            str(out),
            "--",
        ]
        bench = Bench(Path(folder), options.hosts, annotated=True)
        measured = bench.archived if options.warc else bench.fetched
        line = measured("profile", options.pages, lambda config: [*record, *onrecord()(config)])
        found = shares(out.read_text(encoding="utf-8").splitlines())
    total = sum(functions.total() for functions in found.values())
    print(f"{line.articles:,} articles, {total / 100:.1f} s of samples")
    for part, functions in sorted(found.items(), key=lambda item: -item[1].total()):
        print(f"{functions.total() / total:6.1%}  {part}")
        for where, count in functions.most_common(options.top):
            print(f"{count / total:14.1%}  {where}")


if __name__ == "__main__":
    main()
