"""Golden tables: rows of a run over the demo site, in the columns that are equal in every run.

`make golden` runs the demo and rewrites the golden files; review the difference before you commit it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from transforms.storage.open import open_store

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parents[1] / "golden"
ONRECORD = [sys.executable, "-m", "onrecord"]

COLUMNS = {
    "articles": "url, canonical_url, final_url, domain, site_name, title, authors, byline_org, published_at, "
    "published_precision, published_day, modified_at, language, section, is_paywalled, is_live_blog, word_count, "
    "text_hash, version_id, extractor",
    "entities": "domain, version_id, name, type, aliases, mention_count, first_start, role",
    "quotes": "domain, version_id, ordinal, paragraph, in_headline, kind, text, cue, cue_class, speaker, speaker_name, "
    "speaker_type, speaker_role, speaker_method, confidence, utterance_id",
    "stories": "domain, version_id, story_id, is_original, similarity",
    "fetches": "url, article_id, domain, outcome, reason, retriable, http_status, final_url, text_hash, source",
    "failures": "url, stage, reason, message, retriable, http_status, source",
}


def environment(site: Site) -> dict[str, str]:
    """Environment with the address of the site for the demo configuration."""
    return {**os.environ, "ONRECORD_DEMO": site.address, "PYTHONWARNINGS": "ignore"}


def command(lake: Path | str, *more: str) -> list[str]:
    """Command that runs the demo with a lake."""
    return [
        *ONRECORD,
        "run",
        "configs/demo.yaml",
        "--run-id",
        "demo",
        "--date",
        "2025-03-12",
        "--lake",
        str(lake),
        *more,
    ]


def onrecord(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of the site."""
    return subprocess.run(
        [*ONRECORD, *arguments],
        cwd=ROOT,
        env=environment(site),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def stable_rows(lake: Path | str) -> dict[str, list[dict[str, Any]]]:
    """Sorted rows of all tables, in the columns that are equal in every run."""
    tables = {}
    with open_lake(open_store(str(lake))) as database:
        for table, columns in COLUMNS.items():
            result = database.execute(f"SELECT {columns} FROM {table}")
            names = [c[0] for c in result.description or []]
            rows = [
                json.loads(json.dumps(dict(zip(names, row, strict=True)), default=str)) for row in result.fetchall()
            ]
            tables[table] = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
    return tables


def read_golden() -> dict[str, list[dict[str, Any]]]:
    """The golden rows of every table."""
    return {
        table: [json.loads(line) for line in (FOLDER / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()]
        for table in COLUMNS
    }


def shares_of_golden(tables: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Share of common rows for each table, of its rows and the golden ones; 1.0 if they are equal.

    What the model wrote is compared without figures that hang on it alone: other processors and versions of onnxruntime
    round its integers a little differently.
    """
    shares = {}
    for table, golden in read_golden().items():
        mine, true = (
            {json.dumps(_sure(table, row), sort_keys=True) for row in rows} for rows in (tables[table], golden)
        )
        shares[table] = len(mine & true) / max(1, len(mine | true))
    return shares


def _sure(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if table != "quotes" or name not in ("confidence", "ordinal")}


def main() -> None:
    """Run the demo and write the golden files."""
    FOLDER.mkdir(exist_ok=True)
    with Site() as site, tempfile.TemporaryDirectory() as folder:
        subprocess.run(command(Path(folder, "lake")), cwd=ROOT, env=environment(site), check=True)
        for table, rows in stable_rows(Path(folder, "lake")).items():
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (FOLDER / f"{table}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
