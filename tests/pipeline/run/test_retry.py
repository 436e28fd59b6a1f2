"""A run in which every URL failed is retried under its own id; a run that succeeded is not run again."""

import json
import signal
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.demo.server import BEHAVIOURS, Behaviour, Site
from pipeline.lake.compaction import compact
from pipeline.lake.query.catalog import open_lake
from tests.pipeline.run.test_kill import rows, started
from tests.support.lakes import manifest_files, tables_on_disk
from transforms.storage.folder import FolderStore
from transforms.warc.members import complete_members

HOST = "http://wire.example"
BUSY, DOWN, GONE = f"{HOST}/2025/storm-gates", f"{HOST}/2025/mayor-race", f"{HOST}/2025/first-report"
NO_ARTICLE = "http://www.harbour-gazette.example/news/"
PLACED = ("--date", "2026-01-05")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


@pytest.fixture(autouse=True)
def _unavailable(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    for url in (BUSY, DOWN):
        monkeypatch.setitem(BEHAVIOURS, url, Behaviour(status=503))
    site.log.clear()


def config_of(folder: Path, site: Site, *urls: str, **options: Any) -> str:
    """A configuration that reads a list of URLs, and makes one attempt at each."""
    (folder / "urls.txt").write_text("\n".join(urls))
    fetch = {"resolve": {"*.example": site.address}, "allow_private_hosts": ["*.example"], "delay_seconds": 0}
    config = {
        "name": "own",
        "lake": str(folder / "lake"),
        "sources": [{"type": "urls", "path": str(folder / "urls.txt")}],
        "fetch": {**fetch, "max_attempts": 1},
        "annotate": {"model": "rules"},
        "archive": True,
        **options,
    }
    (folder / "own.yaml").write_text(json.dumps(config))
    return str(folder / "own.yaml")


def onrecord(config: str, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", config, *arguments])
    return result.exit_code, result.stdout, result.stderr


def fetches(lake: Path) -> dict[str, tuple[str, datetime]]:
    """The outcome and the time of each URL; each has one row."""
    with open_lake(FolderStore(str(lake))) as database:
        found = database.execute("SELECT url, outcome, fetched_at FROM fetches").fetchall()
    assert len(found) == len({url for url, _, _ in found})
    return {url: (outcome, at) for url, outcome, at in found}


def requested(site: Site) -> set[str]:
    urls = {f"http://{entry.host}{entry.path}" for entry in site.log if entry.path != "/robots.txt"}
    site.log.clear()
    return urls


def check_files(lake: Path) -> None:
    """Check that exactly the files of the manifests are visible, and that nothing is staged."""
    store = FolderStore(str(lake))
    assert tables_on_disk(store) == manifest_files(store)
    assert store.files("_staging") == []


def test_retry_requests_temporary_failures(site: Site, tmp_path: Path) -> None:
    config, lake = config_of(tmp_path, site, BUSY, DOWN, GONE, NO_ARTICLE), tmp_path / "lake"
    code, _, err = onrecord(config, *PLACED)
    assert (code, "every URL failed" in err) == (1, True)
    first = fetches(lake)
    assert requested(site) == {BUSY, DOWN, GONE, NO_ARTICLE}

    del BEHAVIOURS[BUSY]
    (tmp_path / "urls.txt").write_text(GONE)  # failures are retried even if the source no longer lists them
    code, out, _ = onrecord(config, *PLACED)
    assert (code, "Every URL of this run failed before: requesting 2 of its 4 URLs again" in out) == (0, True)
    assert requested(site) == {BUSY, DOWN}
    second = fetches(lake)
    assert {url: outcome for url, (outcome, _) in second.items()} == {
        BUSY: "ok",
        DOWN: "failed",
        GONE: "failed",
        NO_ARTICLE: "failed",
    }
    assert {url for url in second if second[url] == first[url]} == {GONE, NO_ARTICLE}
    check_files(lake)
    pages = [m.article_id for path in lake.glob("_warc/*/*") for m in complete_members(path) if m.article_id]
    assert len(pages) == len(set(pages)) == 2
    with open_lake(FolderStore(str(lake))) as database:
        assert database.execute("SELECT count(*) FROM failures").fetchall() == [(3,)]
        assert database.execute("SELECT count(DISTINCT version_id) FROM quotes").fetchall() == [(1,)]

    code, out, _ = onrecord(config, *PLACED)
    assert (code, "Nothing to do: run own-20260105T0000 is already committed. Use --replace" in out) == (0, True)
    assert (requested(site), fetches(lake)) == (set(), second)


def test_retry_that_fails_again(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, site, BUSY, GONE)
    for expected in ({BUSY, GONE}, {BUSY}, {BUSY}):
        assert onrecord(config, *PLACED)[0] == 1
        assert requested(site) == expected
        assert set(fetches(tmp_path / "lake")) == {BUSY, GONE}


def test_run_without_temporary_failures_still_fails(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, site, GONE, "no address")
    assert onrecord(config, *PLACED)[0] == 1
    requested(site)
    code, _, err = onrecord(config, *PLACED)
    assert (code, requested(site)) == (1, set())
    assert "no failure is temporary, so nothing was requested again" in err


def test_failed_run_with_another_configuration_is_run_again(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, site, BUSY, GONE)
    assert onrecord(config, *PLACED)[0] == 1
    requested(site)
    code, out, _ = onrecord(config, *PLACED, "--set", "fetch.user_agent=tests/1.0 (+http://a.example)")
    assert (code, requested(site)) == (1, {BUSY, GONE})
    assert "requesting all its URLs again" in out


def test_changed_configuration_is_not_ignored(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, now = (
        config_of(tmp_path, site, f"{HOST}/2025/herring-quota"),
        datetime(2026, 1, 5, 6, 7, tzinfo=timezone.utc),
    )
    monkeypatch.setattr("pipeline.config.backfill.parse_logical_time", lambda _when: now)
    assert onrecord(config)[0] == 0
    requested(site)
    changed = ("--set", "fetch.shards=3")
    code, out, err = onrecord(config, *changed)
    assert (code, "run own-20260105T0607 is already committed with another configuration" in err) == (2, True)
    code, out, err = onrecord(config, "--run-id", "own-20260105T0607", *changed)
    assert (code, "with another configuration: use --replace" in err, "Nothing to do" in out) == (0, True, True)
    assert onrecord(config)[::2] == (0, "")
    assert requested(site) == set()


def test_compacted_run_is_retried(site: Site, tmp_path: Path) -> None:
    config, lake = config_of(tmp_path, site, BUSY, DOWN), tmp_path / "lake"
    for time in ("2026-01-05T06:00", "2026-01-05T07:00"):
        assert onrecord(config, "--date", time)[0] == 1
    assert len(list(compact(FolderStore(str(lake)), datetime(2026, 1, 6, tzinfo=timezone.utc).date()))) == 1
    del BEHAVIOURS[BUSY]
    requested(site)
    assert onrecord(config, "--date", "2026-01-05T06:00")[0] == 0
    assert requested(site) == {BUSY, DOWN}
    with open_lake(FolderStore(str(lake))) as database:
        found = database.execute("SELECT run_id, url, outcome FROM fetches WHERE run_id LIKE '%T0600'").fetchall()
    assert sorted((url, outcome) for _, url, outcome in found) == [(DOWN, "failed"), (BUSY, "ok")]


@pytest.mark.parametrize("point", range(8))
def test_killed_retry(site: Site, tmp_path: Path, point: int) -> None:
    config, lake = config_of(tmp_path, site, BUSY, DOWN, GONE, NO_ARTICLE), tmp_path / "lake"
    with started(config, lake) as process:
        pass
    assert process.exitcode == 1
    before = rows(lake)
    del BEHAVIOURS[BUSY], BEHAVIOURS[DOWN]
    with started(config, lake, crash_at=1 + point * 5) as process:
        pass
    assert process.exitcode in (-signal.SIGKILL, 0)
    with started(config, lake) as process:
        pass
    assert process.exitcode == 0
    outcomes = {url: outcome for url, (outcome, _) in fetches(lake).items()}
    assert outcomes == {BUSY: "ok", DOWN: "ok", GONE: "failed", NO_ARTICLE: "failed"}
    assert [row for row in rows(lake)["failures"] if row not in before["failures"]] == []
    assert len(rows(lake)["failures"]) == 2
    check_files(lake)
    pages = [m.article_id for path in lake.glob("_warc/*/*") for m in complete_members(path) if m.article_id]
    assert len(pages) == len(set(pages)) == 3


def test_damaged_run_is_reported(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, site, GONE)
    assert onrecord(config, *PLACED)[0] == 1
    (file,) = (tmp_path / "lake").glob("fetches/*/*.parquet")
    file.write_bytes(b"damaged" * 100)
    code, _, err = onrecord(config, *PLACED)
    assert (code, err.count("\n")) == (1, 1)
    assert f"the file {file} is damaged, restore it from a copy, or use --replace" in err
