"""Measure a run, compared with its functions in a loop and with other tools: python -m benchmarks.pipeline [--quick]

    python -m benchmarks.pipeline --pages 1000 10000 --hosts 500
    python -m benchmarks.pipeline --pages 10000 100000 --no-annotate --only run plain

The pages are invented (benchmarks/corpus.py) and come from loopback or from WARC files. Each line of the table is one
command with all its child processes, from start to end, without the server. Needs Linux. The exit code is 1 if a run
lost pages; a figure beyond its limit is only reported.
"""

import argparse
import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.corpus import make_page, url_of
from benchmarks.corpus_site import served, write_warc
from benchmarks.processes import Cost, cost_of
from pipeline.lake.manifest import manifests
from transforms.storage.open import open_store

PEERS = Path(".venv-peers/bin/python")
PARTS = ("run", "plain", "workers", "warc", "peer")
STAGES = ("read", "extract", "annotate", "write", "publish")
ONRECORD = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli.app import main; main()", "run"]


@dataclass(frozen=True)
class Line:
    """One measured command."""

    name: str
    pages: int
    cost: Cost
    articles: int
    bytes_out: int = 0
    start: float | None = None
    """Seconds from its start to the first request."""
    stages: dict[str, float] = field(default_factory=dict)
    """CPU seconds."""

    @property
    def cpu(self) -> float:
        """CPU milliseconds per article."""
        return 1_000 * self.cost.cpu / max(1, self.articles)

    def __str__(self) -> str:
        rate = self.articles / self.cost.seconds
        out = f"{self.bytes_out / max(1, self.articles) / 1024:7.1f}" if self.bytes_out else f"{'-':>7}"
        start = f"{self.start:5.1f}" if self.start is not None else f"{'-':>5}"
        return (
            f"{self.name:30} {self.pages:7,} {self.cost.seconds:8.1f} {rate:8.1f} {self.cpu:8.1f} "
            f"{self.cost.peak:7,.0f} {out} {start}"
        )


HEAD = f"{'':30} {'pages':>7} {'seconds':>8} {'pages/s':>8} {'CPU ms/p':>8} {'peak MB':>7} {'KB out':>7} {'1st s':>5}"


class Bench:
    """Settings of the corpus, and the ways to read it.

    Args:
        folder: where lakes and archives go; each lake is removed when it is measured.
        hosts: over how many hosts the pages are spread.
        annotated: read names and quotes.
    """

    def __init__(self, folder: Path, hosts: int, *, annotated: bool) -> None:
        self._folder, self._hosts, self._annotated = folder, hosts, annotated

    def fetched(self, name: str, pages: int, command: Callable[[Path], list[str]]) -> Line:
        """Measure a command that fetches the pages on loopback."""
        urls = self._folder / "urls.txt"
        urls.write_text("\n".join(url_of(number, self._hosts) for number in range(pages)), encoding="utf-8")
        with served(self._hosts) as port:
            fetch = {
                "resolve": {"*.example": f"127.0.0.1:{port}"},
                "allow_private_hosts": ["*.example"],
                "delay_seconds": 0,
                "jitter": 0,
            }
            with self._config({"type": "urls", "path": str(urls)}, fetch) as config:
                cost = cost_of(command(config))
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_seen") as response:
                    first = json.load(response)["first"]
                return self._line(name, pages, cost, first - cost.began)

    def archived(self, name: str, pages: int, command: Callable[[Path], list[str]]) -> Line:
        """Measure a command that reads the pages from WARC files, without network."""
        archives = self._folder / f"warc-{pages}"
        if not archives.exists():
            archives.mkdir()
            write_warc(archives, pages, self._hosts)
        with self._config({"type": "warc", "path": f"{archives}/*.warc.gz"}, {}) as config:
            return self._line(name, pages, cost_of(command(config)), None)

    def peer(self, pages: int) -> Line | None:
        """Measure newspaper4k and spaCy on the same pages; None if they are not installed."""
        if not PEERS.exists():
            return None
        cost = cost_of([str(PEERS), "-W", "ignore", "-m", "benchmarks.newspaper_peer", str(pages), str(self._hosts)])
        found = json.loads(cost.output.splitlines()[-1])
        stages = {name: found[name] for name in ("extract", "annotate")}
        # Without its start and the generation of the pages.
        own = Cost(cost.began, cost.seconds, sum(stages.values()), cost.peak, cost.output)
        return Line("newspaper4k + spaCy, no quotes", pages, own, found["articles"], stages=stages)

    @contextmanager
    def _config(self, source: dict[str, Any], fetch: dict[str, Any]) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            self._lake = f"{folder}/lake"
            config = {
                "name": "bench",
                "lake": self._lake,
                "sources": [source],
                "fetch": fetch,
                "annotate": {"enabled": self._annotated},
            }
            path = Path(folder, "config.yaml")
            path.write_text(yaml.safe_dump(config), encoding="utf-8")
            yield path

    def _line(self, name: str, pages: int, cost: Cost, start: float | None) -> Line:
        (manifest,) = manifests(open_store(self._lake))
        if manifest.rows("fetches") != pages:
            raise SystemExit(f"{name}: {manifest.rows('fetches'):,} rows of fetches for {pages:,} pages")
        size = sum(file.bytes for files in manifest.files.values() for file in files)
        last = cost.output.splitlines()[-1] if cost.output else ""
        stages = json.loads(last) if last.startswith("{") else {}
        return Line(name, pages, cost, manifest.rows("articles"), size, start, stages)


def onrecord(*options: str) -> Callable[[Path], list[str]]:
    """Return the command `onrecord run`."""
    return lambda config: [*ONRECORD, str(config), "--quiet", *options]


def plain(processes: int = 1) -> Callable[[Path], list[str]]:
    """Return the command of the loop without Beam."""
    return lambda config: [
        *(sys.executable, "-W", "ignore", "-m", "benchmarks.plain", str(config), "--processes", str(processes))
    ]


def measure(bench: Bench, sizes: Sequence[int], parts: Sequence[str]) -> dict[str, list[Line]]:
    """Measure and print each line; return them by part."""
    most = sizes[-1]
    todo: list[tuple[str, Callable[[], Line | None]]] = [
        *(("run", lambda n=n: bench.fetched("onrecord run", n, onrecord())) for n in sizes if "run" in parts),
        *(("plain", lambda n=n: bench.fetched("plain loop", n, plain())) for n in sizes if "plain" in parts),
    ]
    if "workers" in parts:
        todo += [
            ("run2", lambda: bench.fetched("onrecord run, 2 workers", most, onrecord("--workers", "2"))),
            ("plain2", lambda: bench.fetched("plain loop, 2 processes", most, plain(2))),
        ]
    if "warc" in parts:
        todo += [
            ("warc", lambda: bench.archived("onrecord run, WARC in", most, onrecord())),
            ("warc_plain", lambda: bench.archived("plain loop, WARC in", most, plain())),
        ]
    if "peer" in parts:
        todo.append(("peer", lambda: bench.peer(most)))
    lines: dict[str, list[Line]] = {}
    print(HEAD)
    for part, measured in todo:
        if (line := measured()) is None:
            print(f"{part:30} not installed: run make peers")
            continue
        print(line, flush=True)
        lines.setdefault(part, []).append(line)
    return lines


def print_stages(lines: dict[str, list[Line]], words: float) -> None:
    """Print the cost of each stage in the loop and in the peer."""
    shown = [line for part in ("plain", "warc_plain", "peer") for line in lines.get(part, [])[-1:]]
    print("\nCPU ms a page".ljust(31) + "".join(f"{stage:>9}" for stage in STAGES) + "  words/s, annotate")
    for line in shown:
        cells = [1_000 * line.stages[name] / line.articles if name in line.stages else None for name in STAGES]
        print(
            f"{line.name:30}"
            + "".join(f"{cell:9.1f}" if cell is not None else f"{'-':>9}" for cell in cells)
            + (f"{words * line.articles / line.stages['annotate']:19,.0f}" if line.stages.get("annotate") else "")
        )


def print_targets(lines: dict[str, list[Line]], words: float) -> None:
    """Print the figures with limits."""
    run, loop = lines.get("run", []), lines.get("plain", [])
    print()
    if run and loop:
        say("share of CPU that is Beam's, start included", 1 - loop[-1].cpu / run[-1].cpu, most=0.10)
        if len(run) > 1:
            say("  the same of each further page", 1 - slope(loop) / slope(run), most=0.10)
    if "warc" in lines and "warc_plain" in lines:
        say("share of CPU that is Beam's, WARC in", 1 - lines["warc_plain"][0].cpu / lines["warc"][0].cpu, most=0.10)
    if run and "run2" in lines:
        two = lines["run2"][0].cost
        say("two workers against one, pages a second", run[-1].cost.seconds / two.seconds, least=1.8)
        # Other processes on this machine affect this figure less.
        say("  the same by CPU seconds one after another", run[-1].cost.cpu / two.path, least=1.8)
    if loop and "plain2" in lines:
        say(
            "  two processes of the loop against one, by CPU",
            loop[-1].cost.cpu / lines["plain2"][0].cost.path,
            least=1.8,
        )
    if run and "peer" in lines:
        say("articles a CPU second against the peer (aim: 3)", lines["peer"][0].cpu / run[-1].cpu, least=1.5)
        if len(run) > 1:
            say("  the same of each further page", lines["peer"][0].cpu / (1_000 * slope(run)), least=1.5)
    if loop and loop[-1].stages.get("annotate"):
        say("words a second a core, annotation", words * loop[-1].articles / loop[-1].stages["annotate"], least=8_000)
    if len(run) > 1:
        say(
            f"peak memory, {run[-1].pages:,} pages compared with {run[0].pages:,}",
            run[-1].cost.peak / run[0].cost.peak,
            most=1.3,
        )
        say("cost a page, likewise", run[-1].cpu / run[0].cpu, most=1.3)
    if run and run[0].start is not None:
        say("seconds to the first request", max(line.start or 0.0 for line in run), most=5)


def slope(lines: Sequence[Line]) -> float:
    """Return the CPU seconds per additional page, from the smallest size to the largest."""
    return (lines[-1].cost.cpu - lines[0].cost.cpu) / max(1, lines[-1].articles - lines[0].articles)


def say(name: str, value: float, *, most: float = float("inf"), least: float = float("-inf")) -> None:
    """Print one figure with its limit."""
    limit = f"at most {most:g}" if most < float("inf") else f"at least {least:g}"
    print(f"{name:50} {value:10,.2f}   {'within' if least <= value <= most else 'MISSED'} ({limit})")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pages", type=int, nargs="+", default=[250, 1_000, 4_000], help="numbers of pages, smallest first"
    )
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--no-annotate", action="store_true", help="without names and quotes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--quick", action="store_true", help="10 and 40 pages: rough figures in a minute")
    options = parser.parse_args()
    sizes = [10, 40] if options.quick else sorted(options.pages)
    sample = [len(make_page(number, options.hosts).text.split()) for number in range(min(200, sizes[-1]))]
    words = sum(sample) / len(sample)
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; {options.hosts} hosts, {words:.0f} words a page")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.hosts, annotated=not options.no_annotate)
        lines = measure(bench, sizes, options.only)
    print_stages(lines, words)
    print_targets(lines, words)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
