"""Tests of the pipeline benchmark on a few pages: its corpus, and its loop compared with a run."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.corpus import make_page, number_of, url_of
from benchmarks.corpus_site import write_warc
from benchmarks.hotspots import shares
from benchmarks.plain import run_plainly
from benchmarks.processes import cost_of
from onrecord import extract_article
from pipeline.config.load import load_config
from pipeline.lake.manifest import manifests
from tests.support.golden_tables import ROOT
from transforms.extract.sandbox import stop_sandbox
from transforms.storage.open import open_store

HOSTS = 9


@pytest.fixture(autouse=True)
def no_sandbox() -> Iterator[None]:
    yield
    stop_sandbox()


def test_pages_depend_on_number_and_seed() -> None:
    assert make_page(5, HOSTS) == make_page(5, HOSTS)
    assert len({make_page(5, HOSTS).text, make_page(6, HOSTS).text, make_page(5, HOSTS, seed=2).text}) == 3
    assert [number_of(url_of(n, HOSTS)) for n in range(20)] == list(range(20))


def test_page_sizes() -> None:
    pages = [make_page(number, HOSTS) for number in range(40)]
    assert all(100_000 < len(page.html.encode()) < 300_000 for page in pages)
    assert all(380 < len(page.text.split()) < 1_250 for page in pages)
    assert 3 < len({page.url.split("/")[2] for page in pages}) <= HOSTS


def test_extracted_text_is_the_article() -> None:
    page = make_page(3, HOSTS)
    article = extract_article(page.html, page.url)
    assert article.text.split("\n\n") == page.text.split("\n")
    assert article.published_at is not None
    assert article.authors


def test_plain_loop_writes_a_lake_from_archives(tmp_path: Path) -> None:
    archives, config = tmp_path / "warc", tmp_path / "bench.yaml"
    archives.mkdir()
    write_warc(archives, 4, HOSTS)
    source = {"type": "warc", "path": f"{archives}/*.warc.gz"}
    config.write_text(yaml.safe_dump({"name": "bench", "lake": str(tmp_path / "lake"), "sources": [source]}))
    spent = run_plainly(load_config(str(config)), 1)
    (manifest,) = manifests(open_store(str(tmp_path / "lake")))
    assert {table: manifest.rows(table) for table in ("fetches", "articles", "stories", "failures")} == {
        "fetches": 4,
        "articles": 4,
        "stories": 4,
        "failures": 0,
    }
    assert manifest.rows("quotes") > 4
    assert {stage for stage, seconds in spent.items() if seconds > 0} >= {"extract", "annotate", "write", "publish"}


def test_benchmark_prints_all_figures() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.pipeline", "--pages", "6", "--hosts", "3"]
    done = subprocess.run(
        [*command, "--only", "run", "plain"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figure = "([0-9.]+)"
    lines = re.findall(
        f"^(onrecord run|plain loop) +6 +{figure} +{figure} +{figure} +{figure} +{figure}", done.stdout, re.M
    )
    assert [name for name, *_ in lines] == ["onrecord run", "plain loop"]
    run, loop = ([float(number) for number in numbers] for _, *numbers in lines)
    assert run[3] > loop[3] > 100  # memory: a run also imports Beam
    assert run[4] == pytest.approx(loop[4], rel=0.05)  # the same rows
    said = re.search(rf"^share of CPU that is Beam's, start included +{figure}   (within|MISSED)", done.stdout, re.M)
    assert said is not None
    assert float(said[1]) == pytest.approx(1 - loop[2] / run[2], abs=0.01)
    assert said[2] == ("within" if float(said[1]) <= 0.1 else "MISSED")


def test_cost_includes_child_processes() -> None:
    work = "import hashlib, time; held = b'x' * 80_000_000; end = time.process_time() + 0.5\n"
    work += "while time.process_time() < end: hashlib.sha256(held[:100_000])"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}], check=True)"
    cost = cost_of([sys.executable, "-c", start])
    assert cost.cpu >= 0.5
    assert cost.peak > 80
    assert cost.path == pytest.approx(cost.cpu)
    with pytest.raises(SystemExit, match="ended with 3"):
        cost_of([sys.executable, "-c", "raise SystemExit(3)"])


def test_cost_of_parallel_processes() -> None:
    work = "import hashlib, time; end = time.process_time() + {}\nwhile time.process_time() < end: hashlib.sha256(b'x')"
    start = "import subprocess, sys\nrun = lambda code: subprocess.Popen([sys.executable, '-c', code])\n"
    start += f"for one in [run({work.format(2)!r}), run({work.format(3)!r})]: one.wait()"
    cost = cost_of([sys.executable, "-c", start])
    assert cost.cpu >= 5
    assert 3 <= cost.path <= cost.cpu - 1


def test_samples_are_assigned_to_the_innermost_part() -> None:
    beam = "execute (/lib/apache_beam/runners/worker/bundles.py:10);process (/code/transforms/write/transform.py:9)"
    found = shares(
        [
            f"main (/code/x.py:1);{beam} 3",
            f"{beam};_extract (/code/transforms/extract/text.py:5);parse (/lib/lxml/html.py:7) 2",
            "bootstrap (/usr/threading.py:3);Condition.wait (/usr/lib/threading.py:320) 50",
            "<module> (<frozen importlib._bootstrap>:1);encode (/lib/apache_beam/coders/coders.py:1) 1",
            "execute (/lib/apache_beam/runners/worker.py:10);encode (/lib/apache_beam/coders/coders.py:1) 4",
        ]
    )
    assert {part: sum(functions.values()) for part, functions in found.items()} == {
        "write rows": 3,
        "extract": 2,
        "start: imports": 1,
        "Beam: coders, pickling": 4,
    }
    assert found["extract"] == {"text.py: _extract": 2}
