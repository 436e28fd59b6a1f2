"""The output of real runs: the live view in a terminal, JSON lines, and nothing with --quiet."""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from tests.support.golden_tables import ROOT, command, environment, onrecord
from transforms.storage.open import open_store

TWO_PROCESSES = ("--workers", "2")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


def fetches(lake: Path, what: str) -> Any:
    with open_lake(open_store(str(lake))) as database:
        return (database.execute(f"SELECT {what} FROM fetches").fetchone() or [None])[0]


def in_terminal(site: Site, lake: Path, *more: str, interrupt: bool = False) -> tuple[int, str]:
    """Run the demo in a new terminal; type Ctrl-C there after the first request."""
    keyboard, screen = pty.openpty()
    tty = shlex.quote(os.ttyname(screen))
    # The shell leads a session, so the first terminal that it opens becomes its controlling terminal.
    line = f"exec {shlex.join(command(lake, *more))} <{tty} >{tty} 2>&1"
    requests = len(site.log)
    process = subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=ROOT,
        env={**environment(site), "TERM": "xterm", "COLUMNS": "160"},
        start_new_session=True,
    )
    shown = b""
    until = time.monotonic() + 120
    try:
        while time.monotonic() < until:
            if select.select([keyboard], [], [], 0.01)[0]:
                shown += os.read(keyboard, 65_536)
            elif process.poll() is not None:
                break
            if interrupt and len(site.log) > requests:
                interrupt = False
                os.write(keyboard, b"\x03")
        return process.wait(timeout=1), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(screen)
        os.close(keyboard)


def test_ctrl_c_in_a_terminal_drains_worker_processes(site: Site, tmp_path: Path) -> None:
    code, shown = in_terminal(site, tmp_path / "lake", *TWO_PROCESSES, interrupt=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert code == 0, plain
    first = plain.splitlines()[0]
    assert first.startswith("Run demo on FnApiRunner (multi_processing, 2 workers), lake ")
    assert plain.count("press Ctrl-C again to abort") == 1
    cancelled = fetches(tmp_path / "lake", "count(*) FILTER (reason = 'cancelled')")
    assert cancelled > 0
    # The view was redrawn, and its last state remains.
    assert plain.count(" known ") > 2
    last = plain[plain.rindex(" known ") - 10 :]
    assert f" {fetches(tmp_path / 'lake', 'count(*)')} known" in last
    assert f"cancelled {cancelled}" in last
    assert " ended" in last
    assert " URLs accounted for." in plain
    assert f"Stopped early: {cancelled} URLs were not fetched" in plain
    assert "INFO" not in plain


def test_json_logs(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run = onrecord(site, *command(lake, "--json-logs", *TWO_PROCESSES)[3:])
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert {"time", "level", "event", "run_id", "message"} <= set.intersection(*(set(line) for line in lines))
    assert {(line["run_id"], line["level"]) for line in lines} == {("demo", "info")}
    events = [line["event"] for line in lines]
    assert (events[0], events[-2:]) == ("started", ["committed", "reported"])
    started, committed = lines[0], lines[-2]
    progress = [line for line in lines if line["event"] == "progress"][-1]
    assert (started["runner"], started["mode"], started["workers"]) == ("FnApiRunner", "multi_processing", 2)
    assert started["lake"] == str(lake)
    assert progress["known"] == committed["urls"] == committed["rows"]["fetches"] == fetches(lake, "count(*)")
    articles = committed["rows"]["articles"]
    assert (progress["extracted"], progress["annotated"], progress["phase"]) == (articles, articles, "ended")
    assert progress["quotes"] == committed["rows"]["quotes"]
    assert sum(progress["reasons"].values()) == fetches(lake, "count(reason)")


def config_of(site: Site, tmp_path: Path, *paths: str) -> str:
    (tmp_path / "urls.txt").write_text("\n".join(f"http://wire.example{path}" for path in paths))
    config = {
        "name": "own",
        "lake": str(tmp_path / "lake"),
        "sources": [{"type": "urls", "path": str(tmp_path / "urls.txt")}],
        "fetch": {
            "allow_private_hosts": ["*.example"],
            "delay_seconds": 0,
            "resolve": {"*.example": site.address},
        },
    }
    (tmp_path / "own.yaml").write_text(json.dumps(config))
    return str(tmp_path / "own.yaml")


def test_quiet_and_nothing_new(site: Site, tmp_path: Path) -> None:
    config = config_of(site, tmp_path, "/2025/mayor-race")
    first = onrecord(site, "run", config, "--date", "2025-03-12", "--quiet")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert fetches(tmp_path / "lake", "outcome") == "ok"
    again = onrecord(site, "run", config, "--date", "2025-03-12T00:30", "-v")
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == "Nothing new: 1 not due or forgotten."
    assert "INFO:apache_beam." in again.stderr, "-v prints Beam's log"


def test_error_as_json(site: Site, tmp_path: Path) -> None:
    config = config_of(site, tmp_path, "/nothing-here")
    failed = onrecord(site, "run", config, "--set", "fetch.max_attempts=1", "--json-logs", "--run-id", "one")
    last = json.loads(failed.stderr.splitlines()[-1])
    assert (failed.returncode, failed.stdout) == (1, "")
    assert (last["event"], last["level"], last["run_id"], last["exit_code"]) == ("failed", "error", "one", 1)
    both = onrecord(site, "run", config, "--json-logs", "--quiet")
    assert (both.returncode, both.stderr) == (2, "onrecord: --quiet with --json-logs: give only one of them\n")
