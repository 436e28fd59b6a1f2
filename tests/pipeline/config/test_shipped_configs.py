"""Each file in configs/ passes `onrecord check`, given the files and the bucket that it names."""

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions
from typer.testing import CliRunner

from pipeline.cli.app import app
from tests.support.gcs import serve_gcs
from transforms.storage.open import open_store

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
NAMES = {"ccnews", "dataflow", "demo", "feeds", "flink", "scheduled", "sitemaps", "stream", "urls"}


@pytest.fixture(scope="module", autouse=True)
def _bucket() -> Iterator[None]:
    with serve_gcs("your-bucket"):
        store = open_store("gs://your-bucket")
        store.write("feeds.txt", b"http://wire.example/feed.xml\n")
        store.write(f"urls/{datetime.now(timezone.utc).date()}-0.txt", b"http://wire.example/2025/storm-gates\n")
        yield


def test_all_configurations_are_listed() -> None:
    assert {file.stem for file in CONFIGS} == NAMES


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_shipped_configuration_passes_check(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONRECORD_DEMO", "127.0.0.1:8000")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for needed in ("urls.txt", "CC-NEWS-20250301-00001.warc.gz"):
        (tmp_path / needed).touch()
    done = CliRunner().invoke(app, ["check", f"configs/{file.name}"])
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.stdout)["name"] == file.stem


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_beam_options_in_comments_exist(file: Path) -> None:
    known = PipelineOptions([]).get_all_options().keys()
    comments = " ".join(line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    given = {word[2:].partition("=")[0] for word in comments.partition(" -- ")[2].split() if word.startswith("--")}
    assert given <= known
    assert bool(given) == (file.stem in ("dataflow", "flink"))


def test_feeds_cover_many_countries() -> None:
    text = (ROOT / "configs" / "feeds.yaml").read_text(encoding="utf-8")
    (source,) = yaml.safe_load(text)["sources"]
    assert 30 <= len(source["urls"]) == len(set(source["urls"]))
    assert sum(line.startswith("      # ") for line in text.splitlines()) >= 20
    assert all(urlsplit(url).scheme == "https" for url in source["urls"])
