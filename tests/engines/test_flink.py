"""Tests of runs on a real Flink cluster with two task managers; one is killed during a run."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.corpus import make_page
from pipeline.demo.server import Site
from tests.engines.setup_flink import SetupError, set_up
from tests.support.flink_cluster import Flink, cluster
from tests.support.gcs import gcs_of_another_process
from tests.support.golden_tables import ONRECORD, ROOT, stable_rows
from transforms.storage.open import open_store

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1_500)]
HOSTS, PAGES = 12, 120
DELAY = 0.5
"""Seconds between two requests to a host."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """An emulated bucket, set in the environment."""
    with gcs_of_another_process("press") as address:
        yield {"STORAGE_EMULATOR_HOST": address, "GOOGLE_CLOUD_PROJECT": "test"}


@pytest.fixture(scope="module")
def flink(bucket: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    try:
        set_up()
    except SetupError as error:
        pytest.skip(str(error))
    with cluster(tmp_path_factory.mktemp("flink"), workers=2, environment=bucket) as running:
        yield running


@pytest.fixture(scope="module")
def config(bucket: dict[str, str], site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of many hosts, some with other outcomes."""
    pages = [make_page(number, HOSTS) for number in range(PAGES)]
    for page in pages:
        site.put(page.url, page.html)
    others = ["http://wire.example/2025/first-report", f"{pages[0].url}-gone", "no address"]
    open_store("gs://press").write("urls.txt", "\n".join([*(page.url for page in pages), *others]).encode())
    path = tmp_path_factory.mktemp("config") / "corpus.yaml"
    fetch = {"resolve": {"*.example": site.address}, "allow_private_hosts": ["*.example"]}
    settings = {
        "name": "corpus",
        "lake": "gs://press/lake",
        "sources": [{"type": "urls", "path": "gs://press/urls.txt"}],
        "fetch": {**fetch, "delay_seconds": DELAY, "jitter": 0},
        "annotate": {"model": "rules"},
    }
    path.write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


def begun(config: Path, lake: str, *more: str) -> "subprocess.Popen[str]":
    command = [*ONRECORD, "run", str(config), "--run-id", "corpus", "--date", "2025-03-12", "--lake", lake, *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_run_survives_loss_of_a_task_manager(flink: Flink, config: Path, site: Site) -> None:
    with begun(config, "gs://press/memory", "--quiet") as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    expected = stable_rows("gs://press/memory")
    assert len(expected["fetches"]) == PAGES + 3
    assert len(expected["articles"]) > PAGES * 0.9

    asked = len(site.log)
    with begun(config, "gs://press/flink", "--quiet", "--runner", "flink", "--", *flink.options(2)) as process:
        try:
            flink.wait_for(lambda: len(site.log) > asked + PAGES // 2 or process.poll() is not None, 600)
            assert process.poll() is None, process.communicate()[0]
            flink.kill_worker(0)
            killed = time.monotonic()
            flink.start_worker(2)
            said, _ = process.communicate(timeout=900)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert stable_rows("gs://press/flink") == expected
    assert open_store("gs://press/flink").files("_staging") == []
    assert sum(r.at > killed for r in site.log[asked:]) > 0
    check_politeness(site, asked)


def test_interrupt_cancels_the_job(flink: Flink, config: Path, site: Site) -> None:
    known, asked = len(flink.ask("jobs/overview")["jobs"]), len(site.log)
    with begun(config, "gs://press/stopped", "--quiet", "--runner", "flink", "--", *flink.options(2)) as process:
        try:
            flink.wait_for(lambda: len(site.log) > asked or process.poll() is not None, 600)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=100)
        finally:
            process.kill()
    assert process.returncode == 130, said
    states = [job["state"] for job in flink.ask("jobs/overview")["jobs"]]
    assert len(states) == known + 1
    assert set(states) <= {"FINISHED", "CANCELED"}


def check_politeness(site: Site, since: int) -> None:
    """Check that the delay between requests to a host holds, so no two workers fetched from it at once."""
    for host in {request.host for request in site.log[since:]}:
        moments = [request.at for request in site.log[since:] if request.host == host]
        # On a busy machine a request may arrive slightly late.
        assert all(later - earlier > 0.6 * DELAY for earlier, later in pairwise(moments)), host
