"""Launch of the Dataflow job of configs/dataflow.yaml, which is built but never submitted."""

import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.cloud import dataflow, storage
from google.protobuf import json_format
from typer.testing import CliRunner

from onrecord import __version__
from pipeline.cli.app import app
from pipeline.cli.launch import main
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.config.quality import QualityConfig
from pipeline.demo.server import Site
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit
from pipeline.lake.manifest import manifests, read_manifest
from pipeline.lake.query.catalog import open_lake
from pipeline.lake.transaction import RunLockedError, locked
from pipeline.run.engines import check_job
from pipeline.steps.commit import Commit
from tests.support.gcs import Gcs, serve_gcs
from tests.support.lakes import tables_on_disk
from tests.support.records import make_article, make_fetch
from transforms.schema.run import Run, StagedFile
from transforms.schema.urls import request_of
from transforms.storage.folder import FolderStore
from transforms.storage.open import open_store
from transforms.write.parquet import merge_staged_files, write_rows

CONFIG = Path(__file__).parents[3] / "configs" / "dataflow.yaml"
IMAGE = f"europe-docker.pkg.dev/some-project/news/onrecord:{__version__}"
RUN = "dataflow-20260131T0000"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The emulator and Dataflow's client log warnings and errors of normal operations."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def gcs() -> Iterator[Gcs]:
    with serve_gcs("news") as gcs:
        put("feeds.txt", b"http://karra-times.example/feed.json\n")
        put(
            "urls/2026-01-31-wire.txt", b"http://wire.example/2025/storm-gates\nhttp://wire.example/2025/first-report\n"
        )
        put("daily.yaml", CONFIG.read_bytes().replace(b"your-bucket", b"news"))
        yield gcs


def put(name: str, data: bytes) -> None:
    storage.Client().bucket("news").blob(name).upload_from_string(data)


def get(uri: str) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bytes(storage.Client().bucket(bucket).blob(name).download_as_bytes())


def arguments(address: str = "127.0.0.1:9", **given: str) -> list[str]:
    """The command line of Dataflow's launcher of flex templates."""
    fetch = [
        f'fetch.resolve={{"*.example": "{address}"}}',
        'fetch.allow_private_hosts=["*.example"]',
        "fetch.delay_seconds=0.01",
    ]
    options = {
        "config": "gs://news/daily.yaml",
        "date": "2026-01-31",
        "lake": "gs://news/lake",
        "set": ";".join(fetch),
        "runner": "DataflowRunner",
        "project": "some-project",
        "region": "europe-west1",
        "job_name": "onrecord-2026-01-31",
        "temp_location": "gs://news/tmp",
        "staging_location": "gs://news/staging",
        "template_location": "gs://news/launches/job_object",
        "sdk_container_image": IMAGE,
        "max_num_workers": "20",
        **given,
    }
    return ["--no_auth", *(f"--{name}={value}" for name, value in options.items() if value)]


def job_of(data: bytes) -> dataflow.Job:
    """The job in the type of the API, which rejects unknown fields."""
    return dataflow.Job(json_format.Parse(data, dataflow.Job.pb()()))


def run_here(pipeline: bytes) -> None:
    """Run a staged graph as Dataflow's workers would, in this process."""
    graph = beam_runner_api_pb2.Pipeline.FromString(pipeline)
    for environment in graph.components.environments.values():
        environment.urn = python_urns.EMBEDDED_PYTHON
        environment.ClearField("payload")
        environment.ClearField("dependencies")
    FnApiRunner().run_via_runner_api(graph, PipelineOptions(["--no_save_main_session"])).wait_until_finish()


def test_launched_job(site: Site, gcs: Gcs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(site.address)) == 0
    assert f"Run {RUN} is launched" in capsys.readouterr().out

    job = job_of(get("gs://news/launches/job_object"))
    (pool,) = job.environment.worker_pools
    assert job.name == "onrecord-2026-01-31"
    assert job.type_ == dataflow.JobType.JOB_TYPE_BATCH
    assert [image.container_image for image in pool.sdk_harness_container_images] == [IMAGE]
    assert pool.autoscaling_settings.max_num_workers == 20
    assert "pickled_main_session" not in [package.name for package in pool.packages]
    options: Any = job.environment.sdk_pipeline_options["options"]
    staged = get(options["pipelineUrl"])

    graph = beam_runner_api_pb2.Pipeline.FromString(staged)
    stages = {transform.unique_name.split("/")[0] for transform in graph.components.transforms.values()}
    assert {"ListUrls", "ReadListings", "FilterKnownUrls", "FetchPages", "ExtractFetched", "AnnotateFetched"} <= stages

    store = open_store("gs://news/lake")
    assert manifests(store) == []
    run_here(staged)
    manifest = read_manifest(store, RUN)
    assert manifest is not None
    with open_lake(store) as database:
        outcomes = dict(database.execute("select url, outcome from fetches").fetchall())
        (quotes,) = database.execute("select count(*) from quotes").fetchall()
    assert outcomes["http://wire.example/2025/storm-gates"] == "ok"
    assert outcomes["http://wire.example/2025/first-report"] == "failed"
    assert len(outcomes) == manifest.urls == 7
    assert quotes[0] > 20

    assert main(arguments(site.address)) == 0
    assert f"Nothing to launch: run {RUN} is already committed" in capsys.readouterr().out


def test_run_launched_twice(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    attempts = [new_attempt("days", date(2026, 1, 31), store.root, is_detached=True) for _ in range(2)]
    staged = [stage(run) for run in attempts]
    with locked(store, "days"), pytest.raises(RunLockedError, match="is in progress in another process"):
        commit(store, attempts[0], staged[0], urls=1)
    assert manifests(store) == []
    for run, files in zip(attempts, staged, strict=True):
        commit(store, run, files, urls=1)
        (manifest,) = manifests(store)
        assert (manifest.attempt, manifest.rows("fetches")) == (run.attempt, 1)
    assert tables_on_disk(store) == manifest.paths


def test_repeated_commit_changes_nothing(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    run = new_attempt("days", date(2026, 1, 31), store.root, is_detached=True)
    articles = [write_rows(run, "articles", [make_article(0)], f"{run.staging}/rows/b.parquet")]
    files = [*stage(run), *merge_staged_files(run, articles)]
    for _ in range(2):
        with beam.Pipeline(FnApiRunner()) as pipeline:
            requests = pipeline | "Requests" >> beam.Create([request_of("http://a.example/0", "urls")])
            _ = pipeline | beam.Create(files) | Commit(run, {"Urls": requests}, QualityConfig())
        (manifest,) = manifests(store)
        assert (manifest.attempt, manifest.rows("articles"), manifest.rows("stories")) == (run.attempt, 1, 1)
    assert tables_on_disk(store) == sorted(manifest.paths)


def stage(run: Run) -> list[StagedFile]:
    return merge_staged_files(run, [write_rows(run, "fetches", [make_fetch(0)], f"{run.staging}/rows/a.parquet")])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sdk_container_image": ""}, "--sdk_container_image is missing: the workers of Dataflow need an image"),
        ({"sdk_container_image": "x/onrecord:0.0.9"}, f"has version 0.0.9, but this is version {__version__}"),
        ({"lake": "news"}, "lake: the workers of Dataflow cannot reach news; expected gs://bucket/prefix"),
        ({"date": "2026-01-30..2026-01-31"}, "a job is one run"),
        ({"project": "no project"}, "Invalid Project ID"),
        ({"config": "gs://news/none.yaml"}, "gs://news/none.yaml"),
    ],
)
def test_invalid_job_is_refused_before_the_launch(
    given: dict[str, str], message: str, gcs: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(**given)) == 2
    assert message in capsys.readouterr().err
    assert not list(storage.Client().list_blobs("news", prefix="launches"))


def test_image_tag_without_a_version_is_allowed() -> None:
    config = load_config(str(CONFIG))
    check_job(config, ["--runner=DataflowRunner", "--sdk_container_image=host:5000/onrecord:main"])


@pytest.mark.parametrize("name", ["dataflow", "dataflowrunner", "apache_beam.runners.DataflowRunner"])
def test_names_of_the_dataflow_runner(name: str) -> None:
    with pytest.raises(ConfigError, match="the workers of Dataflow cannot reach lake"):
        check_job(load_config(str(CONFIG), lake="lake"), [f"--runner={name}"])


def test_other_runners_need_no_image() -> None:
    config = load_config(str(CONFIG), lake="lake")
    check_job(config, ["--runner=FnApiRunner"])


def test_run_checks_the_job_first(tmp_path: Path) -> None:
    config = tmp_path / "daily.yaml"
    config.write_text("name: daily\nlake: news\nsources: [{type: feeds, urls: [http://a.example/feed]}]\n")
    refused = CliRunner().invoke(app, ["run", str(config), "--", "--runner=DataflowRunner"])
    assert refused.exit_code == 2
    assert "lake: the workers of Dataflow cannot reach news" in refused.output
