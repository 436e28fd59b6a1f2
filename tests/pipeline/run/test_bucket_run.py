"""The command `onrecord run` with a lake in a bucket."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.demo.server import Site
from tests.support.gcs import Fault, Gcs, serve_gcs
from tests.support.golden_tables import command, onrecord, stable_rows
from transforms.storage.open import open_store

LAKE = "gs://press/lake"

Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def gcs() -> Iterator[Gcs]:
    with serve_gcs("press") as served:
        yield served


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


@pytest.fixture(scope="module")
def first(gcs: Gcs, site: Site) -> Run:
    return onrecord(site, *command(LAKE, "--set", "archive=true")[3:])


def test_tables_equal_those_of_a_local_run(first: Run, site: Site, tmp_path: Path) -> None:
    assert first.returncode == 0, first.stderr
    assert onrecord(site, *command(tmp_path)[3:]).returncode == 0
    assert stable_rows(LAKE) == stable_rows(tmp_path)
    store = open_store(LAKE)
    assert store.files("_staging") == []
    assert [p for p in store.files("_runs") if p.endswith(".json")] == ["_runs/demo.json"]
    assert not [p for p in store.files("_runs") if ".lock" in p]
    assert f"Report: {LAKE}/_reports/demo.html\n" in first.stdout
    assert b"<h1>demo</h1>" in (store.read("_reports/demo.html") or b"")


def test_committed_run_is_not_run_again(first: Run, site: Site) -> None:
    requests = len(site.log)
    again = onrecord(site, *command(LAKE)[3:])
    assert (again.returncode, "is already committed. Use --replace" in again.stdout) == (0, True)
    assert len(site.log) == requests


def test_archives_in_the_bucket(first: Run, site: Site, tmp_path: Path) -> None:
    config = tmp_path / "again.yaml"
    sources = [{"type": "warc", "path": f"{LAKE}/_warc/demo/*.warc.gz"}]
    config.write_text(yaml.safe_dump({"name": "again", "lake": "gs://press/again", "sources": sources}))
    requests = len(site.log)
    done = onrecord(site, "run", str(config), "--date", "2025-03-12")
    assert done.returncode == 0, done.stderr
    assert len(site.log) == requests
    live, archived = stable_rows(LAKE), stable_rows("gs://press/again")
    assert len(live["articles"]) > 10
    assert archived["articles"] == live["articles"]
    assert archived["quotes"] == live["quotes"]


def test_denied_bucket_is_explained_in_one_sentence(gcs: Gcs, site: Site) -> None:
    gcs.faults.append(Fault("POST", "/upload/.*ifGenerationMatch", 403))
    refused = onrecord(site, *command("gs://press/other")[3:])
    gcs.faults.clear()
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "grant it the role roles/storage.objectUser on the bucket gs://press" in refused.stderr


def test_missing_bucket_is_refused_before_any_request(gcs: Gcs, site: Site) -> None:
    requests = len(site.log)
    refused = onrecord(site, *command("gs://nowhere/lake")[3:])
    assert (refused.returncode, len(site.log)) == (2, requests)
    assert "lake: there is no bucket gs://nowhere: correct the name, or create it with `gcloud" in refused.stderr
