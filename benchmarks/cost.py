"""Measure the cost of an article by kind of worker: processor time, memory, and bytes in and out.

usage: python -m benchmarks.cost [FOLDER]

Serves pages on loopback, executes `onrecord run` with few and with many of them, and then with the archives of these
runs. The cost of an article is the difference divided by the number of additional articles, so the start of a run does
not count. FOLDER (default ``../shared`` beside the repository) has real pages (``data/extract``), of which the English
articles are used. Without them, the articles of the demo are used, each with an additional paragraph; they are far
shorter than real pages. Needs Linux.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.extract import DEFAULT, documents
from benchmarks.processes import Cost, cost_of
from pipeline.demo.render import load_documents
from pipeline.demo.server import Site
from pipeline.lake.manifest import manifests
from transforms.extract import extract_line
from transforms.schema.tables import ARCHIVES
from transforms.storage.folder import FolderStore

FEW, MANY = 20, 170
DELAY = 1.0
"""Seconds between two requests to a host: the default of ``fetch.delay_seconds``."""
SETS = ("fundus", "scrapinghub")
ONRECORD = Path(sys.executable).with_name("onrecord")
HEAD = f"{'a million articles':42} {'CPU s':>9} {'GB in':>7} {'GB out':>7} {'GB-seconds':>11}  bound by"


@dataclass(frozen=True)
class Run:
    """One execution of `onrecord run`."""

    cost: Cost
    articles: int
    sizes: dict[str, int]
    """Bytes in the lake, by table."""
    archives: list[str]


def real_pages(folder: Path) -> list[str]:
    """Return the English articles of the development sets; empty if they are missing."""
    if not (folder / "data" / "extract").is_dir():
        return []
    pages = [document["html"] for name in SETS for document in documents(folder, name)]
    return [page for page in pages if extract_line({"html": page}).get("language") == "en"][:MANY]


def demo_pages() -> list[str]:
    """Return the English articles of the demo, repeated, each with an additional paragraph."""
    found = [d.body.decode() for url, d in load_documents({}).items() if "/2025/" in url or "/articles/" in url]
    return [found[n % len(found)].replace("</p>", f"</p><p>Edition {n} of this.</p>", 1) for n in range(MANY)]


def run(lake: Path, source: dict[str, Any], address: str, **options: object) -> Run:
    """Execute `onrecord run` with a source and a new lake; `options` are further options of the configuration."""
    fetch = {"resolve": {"*.example": address}, "allow_private_hosts": ["*.example"], "delay_seconds": 0}
    config = lake.with_suffix(".yaml")
    config.write_text(json.dumps({"name": "cost", "lake": str(lake), "sources": [source], "fetch": fetch, **options}))
    cost = cost_of([str(ONRECORD), "run", str(config), "--quiet"])
    (manifest,) = manifests(FolderStore(str(lake)))
    sizes = {table: sum(file.bytes for file in files) for table, files in manifest.files.items()}
    archives = [f"{lake}/{file.path}" for file in manifest.files.get(ARCHIVES, [])]
    return Run(cost, manifest.rows("articles"), sizes, archives)


def print_cost(name: str, runs: tuple[Run, Run], packed: float, *, is_fetched: bool) -> None:
    """Print the resources of a worker for a million articles.

    Args:
        name: what it does.
        runs: over few pages and over many.
        packed: bytes of a page as it comes.
        is_fetched: whether sites are asked for the pages.
    """
    few, many = runs
    cpu = (many.cost.cpu - few.cost.cpu) / (many.articles - few.articles)
    # A worker without waits holds its memory as long as it computes.
    held = 1e6 * cpu * many.cost.peak * 2**20 / 1e9
    bound = (
        f"the sites' delays with fewer than {DELAY / cpu:.0f} parallel sites; else processor"
        if is_fetched
        else "processor"
    )
    out = sum(many.sizes.values()) / many.articles
    print(f"{name:42} {1e6 * cpu:9,.0f} {packed / 1e3:7.1f} {out / 1e3:7.1f} {held:11,.0f}  {bound}")


def main() -> None:
    """Serve pages, run each kind twice, and print the differences."""
    parser = argparse.ArgumentParser(description="What an article costs.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    real = real_pages(parser.parse_args().folder)
    pages = real or demo_pages()
    with tempfile.TemporaryDirectory() as name, Site() as site:
        folder, counts = Path(name), (FEW, len(pages))
        for n, page in enumerate(pages):
            site.put(f"http://h{n}.example/page", page)
        lists = []
        for count in counts:
            lists.append({"type": "urls", "path": f"{folder}/urls-{count}.txt"})
            urls = "".join(f"http://h{n}.example/page\n" for n in range(count))
            Path(lists[-1]["path"]).write_text(urls, encoding="utf-8")

        def both(name: str, sources: list[dict[str, Any]], **options: object) -> tuple[Run, Run]:
            few, many = (run(folder / f"{name}-{n}", each, site.address, **options) for n, each in enumerate(sources))
            return few, many

        kept = both("kept", lists, archive=True)
        bare = both("bare", lists, annotate={"enabled": False})
        read = both("read", [{"type": "warc", "path": made.archives} for made in kept])
    few, many = kept
    articles, packed = many.articles, many.sizes[ARCHIVES] / many.articles
    words = sum(len(extract_line({"html": page})["text"].split()) for page in pages) / len(pages)
    print(f"{articles} articles of {len(pages)} {'real' if real else 'demo'} pages")
    print(f"{words:.0f} words and {sum(map(len, pages)) / len(pages) / 1000:.0f} kB of HTML per article")
    each = (many.cost.cpu - few.cost.cpu) / (articles - few.articles)
    print(f"CPU seconds per article: {each:.2f}; core hours per million articles: {each * 1e6 / 3600:.0f}")
    print(f"\n{HEAD}")
    print_cost("fetch, extract, annotate, keep the page", kept, packed, is_fetched=True)
    print_cost("fetch, extract", bare, packed, is_fetched=True)
    print_cost("read web archives, extract, annotate", read, packed, is_fetched=False)
    print("\nbytes per article in the lake, by table, and of the archived page")
    for table, size in many.sizes.items():
        print(f"  {table}: {size / articles:,.0f}")


if __name__ == "__main__":
    main()
