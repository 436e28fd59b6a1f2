"""Counts: of threads and of processes, while they go on; and without a watcher none but Beam's."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.golden_tables import ROOT
from transforms.runtime.metrics import SEGMENT_SECONDS, VARIABLE, count, watched_counts


def test_threads_and_processes_count_together() -> None:
    def work() -> None:
        for _ in range(500):
            count("fetch", "ok")

    with watched_counts() as read:
        threads = [threading.Thread(target=work) for _ in range(4)]
        counting = "for _ in range(500): count('fetch', 'ok'); count('a', 'b', 3)"
        other = f"from transforms.runtime.metrics import count\n{counting}"
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", other], cwd=ROOT, stderr=subprocess.DEVNULL)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert process.wait() == 0
        assert read() == Counter({("fetch", "ok"): 2_500, ("a", "b"): 1_500})


def test_they_can_be_read_again_and_again() -> None:
    with watched_counts() as read:
        count("extract", "too_short")
        first = read()
        count("extract", "too_short", 2)
        assert (first, read()) == ({("extract", "too_short"): 1}, {("extract", "too_short"): 3})


def files() -> list[Path]:
    return sorted(Path(os.environ[VARIABLE]).parent.iterdir())


def test_half_a_line_is_read_when_it_is_whole() -> None:
    with watched_counts() as read, Path(f"{os.environ[VARIABLE]}.9999999999").open("ab", buffering=0) as file:
        file.write(b"fetch ok 1\nfetch http_g")
        assert read() == {("fetch", "ok"): 1}
        file.write(b"one 2\n")
        assert read() == {("fetch", "ok"): 1, ("fetch", "http_gone"): 2}


def test_a_line_that_a_full_disk_cut_costs_itself_alone() -> None:
    with watched_counts() as read, Path(f"{os.environ[VARIABLE]}.9999999999").open("ab", buffering=0) as file:
        file.write(b"fetch ok 1\nfetch robfetch ok 1\nfetch ok 3fetch ok 1\nfetch ok 5\n")
        assert read() == {("fetch", "ok"): 6}


def test_runs_do_not_see_each_other_and_nothing_is_kept_unwatched() -> None:
    for _ in range(2):
        count("fetch", "ok")
        with watched_counts() as read:
            count("fetch", "ok")
            assert read() == {("fetch", "ok"): 1}
        assert VARIABLE not in os.environ


def test_a_count_that_cannot_be_kept_ends_nothing() -> None:
    with watched_counts():
        count("fetch", "ok")
        path = os.environ[VARIABLE]
    os.environ[VARIABLE] = path
    try:
        count("fetch", "ok")
    finally:
        del os.environ[VARIABLE]
    assert not Path(path).parent.exists()


def test_a_stream_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    with watched_counts() as read:
        for hour in range(1, 25):
            count("fetch", "ok")
            count("feeds", "failing", -1)
            assert read() == {("fetch", "ok"): hour, ("feeds", "failing"): -hour}
            assert len(files()) <= 2
            now += SEGMENT_SECONDS
        count("fetch", "none", 0)
        now += 2 * SEGMENT_SECONDS
        assert read()["fetch", "ok"] == 24
        assert files() == []


def test_what_comes_late_into_a_file_is_read() -> None:
    with watched_counts() as read:
        before = Path(f"{os.environ[VARIABLE]}.{int(time.time() // SEGMENT_SECONDS) - 1}")
        count("fetch", "ok")
        assert read() == {("fetch", "ok"): 1}
        before.write_bytes(b"fetch ok 1\n")
        assert read() == {("fetch", "ok"): 2}
