"""Runs that are killed with SIGKILL at any point, and concurrent runs on one lake.

The processes are forked from one that has imported Beam, so that dozens of them take a minute.
"""

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from tests.support.lakes import manifest_files, tables_on_disk
from transforms.schema.tables import TABLES
from transforms.storage.folder import FolderStore

URLS = (
    "http://wire.example/2025/storm-gates",
    "http://wire.example/2025/first-report",
    "http://brindle-post.example/articles/1044-storm-gates",
    "http://www.harbour-gazette.example/news/2025/03/11/ferry-cuts",
    "no address",
)
BY_STEP, BY_TIME = 19, 6
DIFFERS = ("fetched_at", "elapsed_ms", "attempts", "failed_at")
"""Columns that differ between runs: times and numbers of attempts."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pipeline.run.runner", "pipeline.cli.app"])


def run(config: str, lake: str, run_id: str, crash_at: int | None, steps: str | None, more: tuple[str, ...]) -> None:
    """Execute `onrecord run` in a process that kills itself before its n-th change of the lake.

    Args:
        config: the configuration file.
        lake: the lake.
        run_id: the run.
        crash_at: n; None: do not kill.
        steps: a file for the number of changes.
        more: further arguments.
    """
    from pipeline.cli.app import app

    changes = 0

    def crashing(change: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(change)
        def counted(*arguments: Any) -> Any:
            nonlocal changes
            changes += 1
            if changes == crash_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments)

        return counted

    for name in ("write", "move", "delete", "new_file"):
        setattr(FolderStore, name, crashing(getattr(FolderStore, name)))
    logging.disable(logging.CRITICAL)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process lives
    try:
        app(["run", config, "--lake", lake, "--run-id", run_id, "--date", "2025-03-12", *more])
    finally:
        if steps is not None:
            Path(steps).write_text(str(changes))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("kill")
    (folder / "urls.txt").write_text("\n".join(URLS))
    with Site() as site:
        fetch = {"resolve": {"*.example": site.address}, "allow_private_hosts": ["*.example"], "delay_seconds": 0}
        sources = [{"type": "urls", "path": str(folder / "urls.txt")}]
        made = {"name": "kill", "lake": "unused", "archive": True, "sources": sources, "fetch": fetch}
        # Rules, because some fifty processes would each load the model.
        made["annotate"] = {"model": "rules"}
        (folder / "kill.yaml").write_text(json.dumps(made))
        yield str(folder / "kill.yaml")


@contextmanager
def started(
    config: str,
    lake: Path,
    run_id: str = "kill",
    crash_at: int | None = None,
    steps: str | None = None,
    more: tuple[str, ...] = (),
) -> Iterator[BaseProcess]:
    """A run in a separate process, which has ended at the end of the context."""
    process = _processes.Process(target=run, args=(config, str(lake), run_id, crash_at, steps, more))
    process.start()
    try:
        yield process
    finally:
        process.join(60)
        hangs = process.is_alive()
        process.kill()
        process.join()
        assert not hangs


def rows(lake: Path, run_id: str | None = None) -> dict[str, list[Any]]:
    """All tables in the columns that do not differ between runs."""
    with open_lake(FolderStore(str(lake)), run_id) as database:
        return {
            name: database.execute(
                f"SELECT {', '.join(c.name for c in table.columns if c.name not in DIFFERS)} FROM {name} ORDER BY ALL"
            ).fetchall()
            for name, table in TABLES.items()
        }


@pytest.fixture(scope="module")
def undisturbed(config: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Any]], int, float]:
    """The tables of an undisturbed run, the number of its changes to the lake, and its seconds."""
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    started_at = time.monotonic()
    with started(config, lake, steps=f"{lake}.steps") as process:
        pass
    seconds = time.monotonic() - started_at
    assert process.exitcode == 0
    return rows(lake, "kill"), int(Path(f"{lake}.steps").read_text()), seconds


def check_repeated(config: str, lake: Path, expected: dict[str, list[Any]]) -> None:
    """Check that the repeated command completes the lake."""
    with started(config, lake) as process:
        pass
    assert process.exitcode == 0
    assert rows(lake) == expected
    store = FolderStore(str(lake))
    assert tables_on_disk(store) == manifest_files(store)
    assert store.files("_staging") == []


@pytest.mark.parametrize("point", range(BY_STEP))
def test_killed_at_a_change_of_the_lake(config: str, tmp_path: Path, undisturbed: Any, point: int) -> None:
    expected, steps, _ = undisturbed
    with started(config, tmp_path / "lake", crash_at=1 + point * (steps - 1) // (BY_STEP - 1)) as process:
        pass
    assert process.exitcode == -signal.SIGKILL
    check_repeated(config, tmp_path / "lake", expected)


@pytest.mark.parametrize("point", range(BY_TIME))
def test_killed_at_a_time(config: str, tmp_path: Path, undisturbed: Any, point: int) -> None:
    expected, _, seconds = undisturbed
    with started(config, tmp_path / "lake") as process:
        time.sleep(seconds * (point + 0.5) / BY_TIME)
        process.kill()
    assert process.exitcode in (-signal.SIGKILL, 0)
    check_repeated(config, tmp_path / "lake", expected)


def test_concurrent_runs(config: str, tmp_path: Path, undisturbed: Any) -> None:
    expected, lake = undisturbed[0], tmp_path / "lake"
    with started(config, lake, "kill") as one, started(config, lake, "other") as two:
        pass
    assert (one.exitcode, two.exitcode) == (0, 0)
    store = FolderStore(str(lake))
    assert {len(rows(lake, run_id)["fetches"]) for run_id in ("kill", "other")} == {len(URLS)}
    other, files = rows(lake, "other"), {path for path in manifest_files(store) if "other" in path}
    with started(config, lake, "kill", more=("--replace",)) as process:
        pass
    assert process.exitcode == 0
    assert (rows(lake, "kill"), rows(lake, "other")) == (expected, other)
    assert files == {path for path in manifest_files(store) if "other" in path}
    assert tables_on_disk(store) == manifest_files(store)


def test_same_run_twice_at_once_is_refused(config: str, tmp_path: Path, undisturbed: Any) -> None:
    expected, lake = undisturbed[0], tmp_path / "lake"
    with started(config, lake) as first:
        while not (lake / "_runs/kill.lock").exists():
            time.sleep(0.005)
        with started(config, lake) as second:
            pass
    assert (first.exitcode, second.exitcode) == (0, 4)
    assert rows(lake) == expected
