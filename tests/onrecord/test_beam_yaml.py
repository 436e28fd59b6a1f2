"""Beam YAML pipelines with the transforms of the shipped provider file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.utils.timestamp import Timestamp
from apache_beam.yaml.yaml_transform import expand_pipeline

from onrecord.beam_yaml import PROVIDERS, Annotate
from pipeline.demo.server import Site

FEED = "http://karra-times.example/feed.json"
TITLE = "The mill at Tarn opens again"
SAID = "“We open on Monday,” said Rosa Tiller, who chairs the trust."
PARAGRAPHS = [f"The mill at lock {n} was shut for {n + 3} years and a day before they came." for n in range(9)]
PAGE = f"<title>{TITLE}</title><article><h1>{TITLE}</h1><p>{'</p><p>'.join([SAID, *PARAGRAPHS])}</p></article>"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def run_yaml(pipeline: str) -> None:
    spec = {**yaml.safe_load(pipeline), "providers": [{"include": str(PROVIDERS)}]}
    with TestPipeline("FnApiRunner") as p:
        expand_pipeline(p, yaml.safe_dump(spec))


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    return [row for path in folder.glob(f"{name}*") for row in pq.read_table(path).to_pylist()]


def test_from_feeds_to_quotes(site: Site, tmp_path: Path) -> None:
    fetch = {"resolve": {"*.example": site.address}, "allow_private_hosts": ["*.example"], "delay_seconds": 0.01}
    run_yaml(f"""
pipeline:
  transforms:
    - type: ReadListings
      config:
        sources: [{{type: feeds, urls: [{FEED}]}}]
        fetch: {json.dumps(fetch)}
    - type: FetchPages
      input: ReadListings.urls
      config: {json.dumps(fetch)}
    - type: ExtractArticles
      input: FetchPages.pages
    - type: Annotate
      input: ExtractArticles.articles
    - type: WriteToParquet
      name: Articles
      input: ExtractArticles.articles
      config: {{path: {tmp_path}/articles.parquet}}
    - type: WriteToParquet
      name: Quotes
      input: Annotate.quotes
      config: {{path: {tmp_path}/quotes.parquet}}
    - type: Flatten
      input: [ExtractArticles.fetches, FetchPages.fetches, ReadListings.fetches]
    - type: WriteToParquet
      name: Fetches
      input: Flatten
      config: {{path: {tmp_path}/fetches.parquet}}
""")
    texts = {article["version_id"]: article for article in read(tmp_path, "articles")}
    quotes = read(tmp_path, "quotes")
    assert len(texts) == 4
    for quote in quotes:
        article = texts[quote["version_id"]]
        assert quote["domain"] == article["domain"] == "karra-times.example"
        assert quote["published_at"] == article["published_at"]
        assert "T" in quote["published_at"]
        spans = [article["text"][span["start"] : span["end"]] for span in quote["spans"]]
        assert all(span in quote["text"] for span in spans)
    assert "Sinead Orme" in {quote["speaker_name"] for quote in quotes}
    fetches = read(tmp_path, "fetches")
    assert {row["outcome"] for row in fetches} == {"ok"}
    assert sorted(row["url"] for row in fetches) == sorted({*(a["url"] for a in texts.values()), FEED})


def test_own_pages_and_texts(tmp_path: Path) -> None:
    run_yaml(f"""
pipeline:
  transforms:
    - type: Create
      name: Pages
      config:
        elements:
          - {{url: http://mill.example/a, body: {json.dumps(PAGE)}, published_at: '2025-03-04T05:06:07+02:00'}}
          - {{url: http://mill.example/b, body: "<p>Nothing", published_at: null}}
    - type: ExtractArticles
      input: Pages
    - type: Create
      name: Texts
      config:
        elements:
          - {{text: {json.dumps(SAID)}, note: ignored}}
          - {{text: "", note: ignored}}
    - type: Annotate
      input: Texts
      config: {{model: rules}}
    - type: WriteToParquet
      name: Articles
      input: ExtractArticles.articles
      config: {{path: {tmp_path}/articles.parquet}}
    - type: WriteToParquet
      name: Failures
      input: ExtractArticles.failures
      config: {{path: {tmp_path}/failures.parquet}}
    - type: WriteToParquet
      name: Entities
      input: Annotate.entities
      config: {{path: {tmp_path}/entities.parquet}}
""")
    (article,) = read(tmp_path, "articles")
    assert (article["title"], article["published_at"]) == (TITLE, "2025-03-04T03:06:07+00:00")
    (failure,) = read(tmp_path, "failures")
    assert (failure["url"], failure["stage"]) == ("http://mill.example/b", "extract")
    (entity,) = [entity for entity in read(tmp_path, "entities") if entity["type"] == "PERSON"]
    (mention,) = entity["mentions"]
    assert SAID[mention["start"] : mention["end"]] == mention["text"] == entity["name"] == "Rosa Tiller"
    assert entity["article_id"] and entity["version_id"]


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            "{type: FetchPages, input: Create, config: {delay_second: 1}}",
            "delay_second: Extra inputs .* settings are .*delay_seconds",
        ),
        ("{type: FetchPages, input: Create}", "needs rows with the column url; these have text"),
        ("{type: ExtractArticles, input: Create}", "needs rows with the column url and body; these have text"),
        ("{type: ReadListings, config: {sources: [{type: urls, path: a}]}}", "ReadListings: sources.0"),
    ],
)
def test_invalid_settings_and_rows_are_errors_at_construction(transform: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_yaml(f"""
pipeline:
  transforms:
    - type: Create
      config: {{elements: [{{text: a}}]}}
    - {transform}
""")


AT = datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, AT),
        (AT.isoformat(), AT),
        ("2025-03-04T06:06:07+01:00", AT),
        (Timestamp.of(AT.timestamp()), AT),
        ("soon", None),
    ],
    ids=["datetime", "UTC", "offset", "Timestamp", "invalid"],
)
def test_times_in_rows(value: Any, expected: datetime | None) -> None:
    with TestPipeline("FnApiRunner") as pipeline:
        annotated = pipeline | beam.Create([beam.Row(text=SAID, published_at=value)]) | Annotate(model="rules")
        times = annotated["quotes"] | beam.Map(lambda quote: quote.published_at)
        assert_that(times, equal_to([expected and expected.isoformat()]))


def test_command_prints_path_of_provider_file() -> None:
    printed = subprocess.run([sys.executable, "-m", "onrecord.beam_yaml"], capture_output=True, text=True, check=True)
    assert Path(printed.stdout.strip()) == PROVIDERS
    assert PROVIDERS.is_file()
