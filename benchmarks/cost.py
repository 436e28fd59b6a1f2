"""What an article costs: processor time of a whole run that keeps its pages too, and bytes in the lake.

usage: python -m benchmarks.cost [FOLDER]

Serves pages on loopback and runs `onrecord run` over few and over many of them; what the many cost more, shared among
them, is an article's cost, and the start of a run does not count. FOLDER (default ``../shared`` beside the repository)
holds real pages (``data/extract``), of which articles in English are taken; where they are absent, the demo's articles
are, each with a paragraph of its own. These are far shorter than real pages.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.extract import DEFAULT, documents
from pipeline.lake import manifests
from tests.site.render import load_documents
from tests.site.server import Site
from transforms.extract import extract_line
from transforms.store import FolderStore

FEW, MANY = 20, 170
SETS = ("fundus", "scrapinghub")
ONRECORD = Path(sys.executable).with_name("onrecord")
CONFIG = """
name: cost
lake: {folder}/lake-{count}
archive: true
sources: [{{type: urls, path: {folder}/urls-{count}.txt}}]
fetch:
  resolve: {{"*.example": "{address}"}}
  allow_private_hosts: ["*.example"]
  delay_seconds: 0
"""


def real_pages(folder: Path) -> list[str]:
    """English articles of the development sets; none where these are absent."""
    if not (folder / "data" / "extract").is_dir():
        return []
    pages = [document["html"] for name in SETS for document in documents(folder, name)]
    return [page for page in pages if extract_line({"html": page}).get("language") == "en"][:MANY]


def demo_pages() -> list[str]:
    """The demo's English articles, over and over, each with a paragraph of its own."""
    found = [d.body.decode() for url, d in load_documents({}).items() if "/2025/" in url or "/articles/" in url]
    return [found[n % len(found)].replace("</p>", f"</p><p>Edition {n} of this.</p>", 1) for n in range(MANY)]


def run(folder: Path, count: int, address: str) -> tuple[float, dict[str, int], int]:
    """One run over the first so many pages; gives CPU seconds, bytes by table, and articles."""
    urls = "".join(f"http://h{n}.example/page\n" for n in range(count))
    (folder / f"urls-{count}.txt").write_text(urls, encoding="utf-8")
    config = folder / f"{count}.yaml"
    config.write_text(CONFIG.format(folder=folder, count=count, address=address), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([ONRECORD, "run", str(config)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (manifest,) = manifests(FolderStore(f"{folder}/lake-{count}"))
    sizes = {table: sum(file.bytes for file in files) for table, files in manifest.files.items()}
    articles = sum(file.rows for file in manifest.files["articles"])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, sizes, articles


def main() -> None:
    """Serve, run twice, print the difference."""
    parser = argparse.ArgumentParser(description="What an article costs.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    real = real_pages(parser.parse_args().folder)
    pages = real or demo_pages()
    with tempfile.TemporaryDirectory() as folder, Site() as site:
        for n, page in enumerate(pages):
            site.put(f"http://h{n}.example/page", page)
        few, _, few_articles = run(Path(folder), FEW, site.address)
        many, sizes, articles = run(Path(folder), len(pages), site.address)
    each = (many - few) / (articles - few_articles)
    print(f"{articles} articles of {len(pages)} {'real' if real else 'demo'} pages")
    print(f"CPU seconds an article: {each:.2f}; hours of one core a million articles: {each * 1e6 / 3600:.0f}")
    words = sum(len(extract_line({"html": page})["text"].split()) for page in pages) / len(pages)
    print(f"{words:.0f} words and {sum(map(len, pages)) / len(pages) / 1000:.0f} kB of HTML an article")
    print(f"bytes an article in the lake, by table, and of its archived page: {sum(sizes.values()) / articles:,.0f}")
    for table, size in sizes.items():
        print(f"  {table}: {size / articles:,.0f}")


if __name__ == "__main__":
    main()
