"""Checks and cancellation of Flink jobs; those of Dataflow jobs are in tests/pipeline/cli/test_launch.py."""

import json
import re
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, PortableOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult, PipelineState
from typer.testing import CliRunner

from onrecord import __version__
from pipeline.cli.app import app
from pipeline.config.errors import ConfigError
from pipeline.config.models import RunConfig
from pipeline.run.engines import cancel, check_job, remote_options
from tests.support.proxy import Answer, serve

NOWHERE = "127.0.0.1:1"
POOL = ("--environment_type=EXTERNAL", "--environment_config=localhost:50000")


@pytest.fixture(scope="module")
def master() -> Iterator[str]:
    """The address of a server with the overview of Flink's REST interface."""

    def overview(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        answer = {"taskmanagers": 2, "slots-total": 2, "flink-version": "1.19.3"}
        return (200, {}, json.dumps(answer).encode()) if target == "/overview" else (404, {}, b"")

    with serve(overview) as address:
        yield address.removeprefix("http://")


def config(**given: Any) -> RunConfig:
    known = {"name": "f", "lake": "gs://news/lake", "sources": [{"type": "urls", "path": "gs://news/urls.txt"}]}
    return RunConfig.model_validate({**known, **given})


def check(given: RunConfig, *options: str) -> None:
    check_job(given, ["--runner=FlinkRunner", *options])


def test_valid_jobs(master: str) -> None:
    check(config(), f"--flink_master={master}", "--flink_version=1.19", *POOL)
    check(config(), f"--flink_master=http://{master}", f"--job_endpoint={master}", *POOL)
    image = f"--environment_config=host/onrecord:{__version__}"
    check(config(), f"--flink_master={master}", f"--job_endpoint={master}", "--environment_type=DOCKER", image)
    local = config(lake="/mnt/lake", sources=[{"type": "urls", "path": "/mnt/urls.txt"}], mounted=True)
    check(local, f"--flink_master={master}", f"--job_endpoint={master}", *POOL)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lake": "/mnt/lake"}, "lake: the workers of Flink cannot reach /mnt/lake; expected gs://bucket/prefix"),
        (
            {"sources": [{"type": "feeds", "path": "feeds.txt"}]},
            "sources.0.path: the workers of Flink cannot reach feeds.txt",
        ),
        ({"lake": "lake", "mounted": True}, "lake: the workers of Flink cannot reach lake"),
        ({"annotate": {"gazetteers": ["own.csv"]}}, "annotate.gazetteers: the workers of Flink cannot reach own.csv"),
    ],
)
def test_files_that_workers_cannot_reach(given: dict[str, Any], message: str, master: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(config(**given), f"--flink_master={master}", f"--job_endpoint={master}", *POOL)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--environment_type is missing: expected EXTERNAL (a worker pool beside each task manager"),
        (("--environment_type=EXTRA",), "--environment_type EXTRA: expected EXTERNAL"),
        (("--environment_type=DOCKER",), "--environment_config is missing: the workers of Flink need an image"),
        (
            ("--environment_type=DOCKER", "--environment_config=host/onrecord:0.0.9"),
            "--environment_config host/onrecord:0.0.9 has version 0.0.9",
        ),
        (POOL, "--flink_master is missing: expected HOST:PORT of Flink's REST interface"),
        ((*POOL, f"--flink_master={NOWHERE}"), f"--flink_master {NOWHERE}: Flink does not respond ("),
        ((*POOL, "--flink_master=MASTER/other"), "--flink_master MASTER/other: Flink does not respond (HTTP Error 404"),
        (
            (*POOL, "--flink_master=MASTER", f"--job_endpoint={NOWHERE}"),
            f"--job_endpoint {NOWHERE}: the job server does not respond (",
        ),
        (
            (*POOL, "--flink_master=MASTER", "--job_endpoint=nothing"),
            "--job_endpoint nothing: the job server does not respond",
        ),
        (
            (*POOL, "--flink_master=MASTER", "--flink_version=2.0"),
            "--flink_version 2.0: the cluster at MASTER runs Flink 1.19; use its version",
        ),
    ],
)
def test_invalid_options(options: tuple[str, ...], message: str, master: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(config(), *(option.replace("MASTER", master) for option in options))
    assert str(error.value).startswith(message.replace("MASTER", master))
    assert "\n" not in str(error.value)


def test_cancelled_job_is_cancelled_on_flink() -> None:
    requests: list[str] = []

    def flink(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        requests.append(f"{method} {target}")
        jobs = [{"jid": "a1", "name": "other", "state": "RUNNING"}]
        if len(requests) > 1:
            state = "CANCELED" if len(requests) > 3 else "RUNNING"
            jobs.append({"jid": "b2", "name": name, "state": state})
        return 200, {}, json.dumps({"jobs": jobs}).encode()

    with serve(flink) as address:
        options = remote_options(["--runner=FlinkRunner", f"--flink_master={address}"])
        name = options.view_as(GoogleCloudOptions).job_name
        assert re.fullmatch(r"onrecord-[0-9a-f]{12}", name)
        pipeline = beam.Pipeline(options=options)
        options.view_as(StandardOptions).runner = None  # as Beam does when it submits
        with pytest.raises(RuntimeError, match="no response"):
            cancel(pipeline, Unreachable())
    look = "GET /jobs/overview"
    assert requests == [look, look, "PATCH /jobs/b2?mode=cancel", look]


def test_job_that_cannot_be_cancelled_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = beam.Pipeline(options=remote_options(["--runner=FlinkRunner", f"--flink_master={NOWHERE}"]))
    with pytest.raises(RuntimeError, match="no response"):
        cancel(pipeline, Unreachable())
    assert f"may still run on Flink at {NOWHERE}, cancel it there" in caplog.text


class Unreachable(PipelineResult):
    """A job with a job server that does not respond."""

    def __init__(self) -> None:
        super().__init__(PipelineState.RUNNING)

    def cancel(self) -> None:
        raise RuntimeError("no response")


def test_runner_named_twice_is_refused() -> None:
    given = ["run", "configs/demo.yaml", "--runner", "flink", "--", "--runner=DataflowRunner"]
    refused = CliRunner().invoke(app, given)
    assert refused.exit_code == 2
    assert "--runner flink with --runner=DataflowRunner after --: give only one of them" in refused.output


def test_beams_client_waits_for_a_long_job() -> None:
    options = remote_options(["--runner=FlinkRunner"])
    assert options.view_as(PortableOptions).job_server_timeout > 86_400 * 365
    shorter = remote_options(["--runner=FlinkRunner", "--job_server_timeout=9"])
    assert shorter.view_as(PortableOptions).job_server_timeout == 9
