"""What is refused before a job of Flink is launched, in one sentence each; Dataflow's are in test_launch.py."""

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
    """The address of a server that answers as Flink's REST interface does when it is asked who it is."""

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


def test_a_job_that_lacks_nothing_passes(master: str) -> None:
    check(config(), f"--flink_master={master}", "--flink_version=1.19", *POOL)
    check(config(), f"--flink_master=http://{master}", f"--job_endpoint={master}", *POOL)
    image = f"--environment_config=host/onrecord:{__version__}"
    check(config(), f"--flink_master={master}", f"--job_endpoint={master}", "--environment_type=DOCKER", image)
    local = config(lake="/mnt/lake", sources=[{"type": "urls", "path": "/mnt/urls.txt"}], mounted=True)
    check(local, f"--flink_master={master}", f"--job_endpoint={master}", *POOL)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lake": "/mnt/lake"}, "lake: /mnt/lake is out of reach for Flink's workers; allowed are gs://bucket/prefix"),
        ({"sources": [{"type": "feeds", "path": "feeds.txt"}]}, "sources.0.path: feeds.txt is out of reach"),
        ({"lake": "lake", "mounted": True}, "lake: lake is out of reach for Flink's workers"),
        ({"annotate": {"gazetteers": ["own.csv"]}}, "annotate.gazetteers: own.csv is out of reach"),
    ],
)
def test_places_that_only_this_machine_has(given: dict[str, Any], said: str, master: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(config(**given), f"--flink_master={master}", f"--job_endpoint={master}", *POOL)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--environment_type is missing: allowed are EXTERNAL, a worker pool beside each task manager"),
        (("--environment_type=EXTRA",), "--environment_type EXTRA: allowed are EXTERNAL"),
        (("--environment_type=DOCKER",), "--environment_config is missing: Flink's workers need an image"),
        (
            ("--environment_type=DOCKER", "--environment_config=host/onrecord:0.0.9"),
            "--environment_config host/onrecord:0.0.9: it holds version 0.0.9",
        ),
        (POOL, "--flink_master is missing: HOST:PORT of Flink's REST interface"),
        ((*POOL, f"--flink_master={NOWHERE}"), f"--flink_master {NOWHERE}: no Flink answers there ("),
        ((*POOL, "--flink_master=MASTER/other"), "--flink_master MASTER/other: no Flink answers there (HTTP Error 404"),
        (
            (*POOL, "--flink_master=MASTER", f"--job_endpoint={NOWHERE}"),
            f"--job_endpoint {NOWHERE}: no job server answers there (",
        ),
        ((*POOL, "--flink_master=MASTER", "--job_endpoint=nothing"), "--job_endpoint nothing: no job server answers"),
        (
            (*POOL, "--flink_master=MASTER", "--flink_version=2.0"),
            "--flink_version 2.0: the cluster at MASTER is Flink 1.19; give its version",
        ),
    ],
)
def test_options_that_cannot_work(options: tuple[str, ...], said: str, master: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(config(), *(option.replace("MASTER", master) for option in options))
    assert str(error.value).startswith(said.replace("MASTER", master))
    assert "\n" not in str(error.value)


def test_a_job_is_cancelled_on_the_cluster_when_it_has_come_there() -> None:
    asked: list[str] = []

    def flink(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        asked.append(f"{method} {target}")
        jobs = [{"jid": "a1", "name": "other", "state": "RUNNING"}]
        if len(asked) > 1:
            state = "CANCELED" if len(asked) > 3 else "RUNNING"
            jobs.append({"jid": "b2", "name": name, "state": state})
        return 200, {}, json.dumps({"jobs": jobs}).encode()

    with serve(flink) as address:
        options = remote_options(["--runner=FlinkRunner", f"--flink_master={address}"])
        name = options.view_as(GoogleCloudOptions).job_name
        assert re.fullmatch(r"onrecord-[0-9a-f]{12}", name)
        pipeline = beam.Pipeline(options=options)
        options.view_as(StandardOptions).runner = None  # as Beam does when it submits
        with pytest.raises(RuntimeError, match="no answer"):
            cancel(pipeline, Unreachable())
    look = "GET /jobs/overview"
    assert asked == [look, look, "PATCH /jobs/b2?mode=cancel", look]


def test_a_job_that_cannot_be_cancelled_is_said_to_run(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = beam.Pipeline(options=remote_options(["--runner=FlinkRunner", f"--flink_master={NOWHERE}"]))
    with pytest.raises(RuntimeError, match="no answer"):
        cancel(pipeline, Unreachable())
    assert f"may still run on Flink at {NOWHERE}, cancel it there" in caplog.text


class Unreachable(PipelineResult):
    """A job whose job server does not answer."""

    def __init__(self) -> None:
        super().__init__(PipelineState.RUNNING)

    def cancel(self) -> None:
        raise RuntimeError("no answer")


def test_a_runner_is_named_once() -> None:
    given = ["run", "configs/demo.yaml", "--runner", "flink", "--", "--runner=DataflowRunner"]
    said = CliRunner().invoke(app, given)
    assert said.exit_code == 2
    assert "--runner flink with --runner=DataflowRunner after --: allowed is one of the two" in said.output


def test_beams_client_listens_to_a_job_for_as_long_as_it_lasts() -> None:
    options = remote_options(["--runner=FlinkRunner"])
    assert options.view_as(PortableOptions).job_server_timeout > 86_400 * 365
    shorter = remote_options(["--runner=FlinkRunner", "--job_server_timeout=9"])
    assert shorter.view_as(PortableOptions).job_server_timeout == 9
