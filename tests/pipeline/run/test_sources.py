"""The command `onrecord run` with sitemaps and with web archives."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.server import Site
from tests.support.golden_tables import ONRECORD, ROOT, command, environment, stable_rows

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


def onrecord(config: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ONRECORD, "run", str(config), "--run-id", "again", "--date", "2025-03-12"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_sitemaps_in_robots_txt(site: Site, tmp_path: Path) -> None:
    config = {
        "name": "maps",
        "lake": str(tmp_path / "lake"),
        "sources": [{"type": "sitemaps", "sites": ["http://wire.example"], "since": "2025-03-11"}],
        "fetch": {
            "resolve": {"*.example": site.address},
            "allow_private_hosts": ["*.example"],
            "delay_seconds": 0,
        },
    }
    (tmp_path / "maps.yaml").write_text(json.dumps(config))
    run = onrecord(tmp_path / "maps.yaml", environment(site))
    assert run.returncode == 0, run.stderr
    rows = stable_rows(tmp_path / "lake")
    listings = [r["url"] for r in rows["fetches"] if r["source"] == "listing"]
    assert listings == ["http://wire.example/robots.txt", "http://wire.example/news-sitemap.xml"]
    articles = {r["url"] for r in rows["fetches"] if r["source"] == "sitemap"}
    assert articles == {r["url"] for r in rows["articles"]}
    assert len(articles) >= 2
    assert f"All {len(rows['fetches'])} URLs accounted for." in run.stdout


@pytest.fixture(scope="module")
def archived(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("archived") / "lake"
    subprocess.run(
        command(lake, "--set", "archive=true"), cwd=ROOT, env=environment(site), check=True, capture_output=True
    )
    return lake


def again(lake: Path, pattern: str, target: Path) -> tuple[Rows, subprocess.CompletedProcess[str]]:
    config = {"name": "again", "lake": str(target / "lake"), "sources": [{"type": "warc", "path": f"{lake}/{pattern}"}]}
    (target / "again.yaml").write_text(json.dumps(config))
    run = onrecord(target / "again.yaml", {**os.environ, "PYTHONWARNINGS": "ignore"})
    assert run.returncode == 0, run.stderr
    return stable_rows(target / "lake"), run


def test_archive_gives_the_same_tables(archived: Path, site: Site, tmp_path: Path) -> None:
    requests = len(site.log)
    rows, _ = again(archived, "_warc/demo/*.warc.gz", tmp_path)
    first = stable_rows(archived)
    for table in ("articles", "entities", "quotes", "stories"):
        assert rows[table] == first[table], table
    assert len(rows["articles"]) == 20
    outcomes = {(r["url"], r["outcome"], r["reason"], r["text_hash"]) for r in rows["fetches"]}
    assert outcomes < {(r["url"], r["outcome"], r["reason"], r["text_hash"]) for r in first["fetches"]}
    assert {r["source"] for r in rows["fetches"]} == {"warc"}
    assert len(site.log) == requests


def test_damaged_record_affects_one_article(archived: Path, tmp_path: Path) -> None:
    (file,) = archived.glob("_warc/demo/*.warc.gz")
    damaged = bytearray(file.read_bytes())
    middle = damaged.index(b"\x1f\x8b\x08", len(damaged) // 2)
    damaged[middle + 200 : middle + 300] = bytes(100)
    (tmp_path / "damaged.warc.gz").write_bytes(damaged)
    rows, run = again(tmp_path, "damaged.warc.gz", tmp_path)
    assert len(rows["fetches"]) == len(rows["articles"]) + 2 == 21
    reasons = [(r["url"], r["reason"]) for r in rows["failures"] if r["stage"] == "sources"]
    assert reasons == [(f"{tmp_path}/damaged.warc.gz#{middle}", "archive_damaged")]
    assert "All 21 URLs accounted for." in run.stdout


def test_replaced_run_replaces_its_archive(site: Site, archived: Path) -> None:
    before = list(archived.glob("_warc/demo/*"))
    subprocess.run(
        command(archived, "--set", "archive=true", "--replace"),
        cwd=ROOT,
        env=environment(site),
        check=True,
        capture_output=True,
    )
    after = list(archived.glob("_warc/demo/*"))
    assert len(after) == 1 == len(before)
    assert after != before
