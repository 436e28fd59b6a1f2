"""Tests of the output of a real stream: JSON lines that match its lake, --quiet, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.manifest import manifests
from tests.support.newsroom import Newsroom, open_newsroom
from tests.support.streams import ROOT, needs_prism
from transforms.storage.folder import FolderStore

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
HOSTS = ("paper0.example", "paper1.example", "dead.example")


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    needs_prism()
    with open_newsroom() as served:
        for host in HOSTS:
            for _ in range(3):
                served.publish(host)
        served.dead.add("dead.example")
        yield served


def stopped_stream(newsroom: Newsroom, folder: Path, *options: str) -> tuple[int, str, str]:
    """Run a stream and interrupt it after its first commit; return exit code and output."""
    made = {
        "name": "live",
        "lake": str(folder / "lake"),
        "sources": [{"type": "feeds", "urls": [f"http://{host}/feed.xml" for host in HOSTS]}],
        "fetch": {
            "resolve": {"*.example": f"127.0.0.1:{newsroom.port}"},
            "allow_private_hosts": ["*.example"],
            "delay_seconds": 0,
        },
        "annotate": {"model": "rules"},
        "stream": {"window": "5s", "poll_least": "2s", "poll_most": "5s"},
    }
    (folder / "live.yaml").write_text(json.dumps(made))
    command = [sys.executable, "-W", "ignore", "-m", "onrecord", "stream", str(folder / "live.yaml"), *options]
    with (
        (folder / "out").open("wb") as out,
        (folder / "err").open("wb") as err,
        subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, start_new_session=True) as process,
    ):
        try:
            until = time.monotonic() + 120
            while not list(folder.glob("lake/articles/*/*.parquet")):
                assert process.poll() is None, (folder / "err").read_text()
                assert time.monotonic() < until, (folder / "err").read_text()
                newsroom.publish("paper1.example")
                time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            code = process.wait(120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return code, (folder / "out").read_text(), (folder / "err").read_text()


def test_json_lines_match_the_lake(newsroom: Newsroom, tmp_path: Path) -> None:
    code, out, err = stopped_stream(newsroom, tmp_path, "--json-logs")
    lines: list[dict[str, Any]] = [json.loads(line) for line in err.splitlines()]
    assert (code, out) == (0, ""), err
    committed = {m.run_id: m for m in manifests(FolderStore(str(tmp_path / "lake")))}
    reported = {line["run_id"]: line for line in lines if line["event"] == "committed"}
    assert {run_id: line["rows"] for run_id, line in reported.items()} == {
        run_id: {table: manifest.rows(table) for table in manifest.files} for run_id, manifest in committed.items()
    }
    assert (lines[0]["event"], lines[0]["runner"], lines[0]["window"]) == ("started", "PrismRunner", "5s")
    stopping = next(line for line in lines if line["event"] == "stopping")
    assert "URLs waiting" in stopping["message"]
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert (last["phase"], last["windows"], last["run_id"]) == ("ended", len(committed), "live-stream")
    assert last["articles"] == sum(manifest.rows("articles") for manifest in committed.values())
    assert (last["feeds"], last["feeds_failing"]) == (3, 1)
    assert lines[-1]["event"] == "stream_ended"


def test_quiet_prints_nothing(newsroom: Newsroom, tmp_path: Path) -> None:
    assert stopped_stream(newsroom, tmp_path, "--quiet") == (0, "", "")
