"""`onrecord run --date FIRST..LAST` makes one run for each day, from dated sources."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.backfill import parse_days, parse_logical_time, scheduled_runs
from pipeline.config.errors import ConfigError
from pipeline.demo.server import Site
from pipeline.lake.manifest import manifests
from pipeline.lake.query.catalog import open_lake
from tests.support.archives import archive
from transforms.sources.config import SitemapsSource, WarcSource
from transforms.storage.folder import FolderStore

SITEMAPS = {"type": "sitemaps", "urls": ["http://wire.example/news-sitemap.xml"], "since": "2025-01-01"}
FEED = {"type": "feeds", "urls": ["http://wire.example/feed.xml"]}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


def config_of(folder: Path, *sources: dict[str, Any], site: Site | None = None) -> str:
    fetch = {
        "resolve": {"*.example": site.address if site else "127.0.0.1:9"},
        "allow_private_hosts": ["*.example"],
        "delay_seconds": 0,
        "shards": 1,
    }
    config = {"name": "back", "lake": str(folder / "lake"), "sources": sources, "fetch": fetch}
    path = folder / "back.yaml"
    path.write_text(json.dumps({**config, "annotate": {"enabled": False}}))
    return str(path)


def onrecord(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def run_ids(folder: Path) -> list[str]:
    return [m.run_id for m in manifests(FolderStore(str(folder / "lake")))]


def test_each_day_fetches_its_own_pages_and_a_repeat_fetches_none(site: Site, tmp_path: Path) -> None:
    command = config_of(tmp_path, SITEMAPS, FEED, site=site), "--date", "2025-03-11..2025-03-13"
    site.log.clear()
    code, out, err = onrecord(*command)
    assert code == 0, err
    assert out.count("Skipped sources without a date: sources.1") == 3
    assert run_ids(tmp_path) == [f"back-202503{day}T0000" for day in (11, 12, 13)]
    with open_lake(FolderStore(str(tmp_path / "lake"))) as database:
        rows = database.execute(
            "SELECT run_date::VARCHAR, url, outcome FROM fetches WHERE source = 'sitemap' ORDER BY 1, 2"
        ).fetchall()
    wire = "http://wire.example/2025"
    assert rows == [
        ("2025-03-11", f"{wire}/boatyard-trial", "ok"),
        ("2025-03-12", f"{wire}/energy-link", "ok"),
        ("2025-03-13", f"{wire}/herring-quota", "ok"),
        ("2025-03-13", f"{wire}/mayor-race", "ok"),
    ]
    assert "/feed.xml" not in {entry.path for entry in site.log}
    site.log.clear()
    code, out, _ = onrecord(*command)
    assert (code, out.count("is already committed. Use --replace"), site.log) == (0, 3, [])


def test_failed_day_stops_the_backfill_and_the_same_command_resumes_it(tmp_path: Path) -> None:
    source = {"type": "warc", "path": f"{tmp_path}/news-${{YEAR}}${{MONTH}}${{DAY}}.warc.gz"}
    command = config_of(tmp_path, source), "--date", "2025-03-01..2025-03-03"
    page = "<title>Ferry {0}</title><article>" + "".join(
        f"<p>On day {{0}} the ferry to the island stopped for hour {n}, and people waited on the quay.</p>"
        for n in range(9)
    )
    for day in (1, 3):
        content = archive((f"http://a.example/{day}", page.format(day).encode()))
        (tmp_path / f"news-2025030{day}.warc.gz").write_bytes(content)
    code, _, err = onrecord(*command)
    assert (code, run_ids(tmp_path)) == (2, ["back-20250301T0000"])
    assert f"2025-03-02: sources.0.path: no file matches {tmp_path}/news-20250302.warc.gz" in err
    (tmp_path / "news-20250302.warc.gz").write_bytes(archive(("http://a.example/2", page.format(2).encode())))
    code, out, _ = onrecord(*command)
    assert (code, out.count("is already committed")) == (0, 1)
    assert run_ids(tmp_path) == [f"back-2025030{day}T0000" for day in (1, 2, 3)]


def test_day_without_any_page_stops_the_backfill(site: Site, tmp_path: Path) -> None:
    (tmp_path / "2025-03-01.txt").write_text("http://wire.example/nothing")
    (tmp_path / "2025-03-02.txt").write_text("http://wire.example/2025/mayor-race")
    source = {"type": "urls", "path": f"{tmp_path}/${{DATE}}.txt"}
    command = config_of(tmp_path, source, site=site), "--date", "2025-03-01..2025-03-02"
    code, _, err = onrecord(*command)
    assert (code, run_ids(tmp_path)) == (1, ["back-20250301T0000"])
    assert "stopped at 2025-03-01; repeat the command to continue with that day" in err
    assert (onrecord(*command)[0], len(run_ids(tmp_path))) == (0, 2)


@pytest.mark.parametrize(
    "source",
    [FEED, {"type": "warc", "path": "all/*.warc.gz"}, {"type": "warc", "path": "${YEAR}/${MONTH}.warc.gz"}],
)
def test_backfill_without_dated_source_is_rejected(source: dict[str, Any], tmp_path: Path) -> None:
    code, _, err = onrecord(config_of(tmp_path, source), "--date", "2025-03-31..2025-04-02")
    assert code == 2
    assert "no source of" in err
    assert "use a source of type sitemaps, or put ${DATE} into an option" in err
    assert not (tmp_path / "lake").exists()


def test_run_id_is_rejected_for_several_days(tmp_path: Path) -> None:
    code, _, err = onrecord(config_of(tmp_path, SITEMAPS), "--date", "2025-03-01..2025-03-03", "--run-id", "mine")
    assert code == 2
    assert "--run-id mine with --date 2025-03-01..2025-03-03: not allowed together" in err


def test_sitemaps_are_read_for_the_day_unless_configured_otherwise(tmp_path: Path) -> None:
    own = {**SITEMAPS, "since": "2020-01-01", "until": "${DATE}"}
    (tmp_path / "9.warc.gz").touch()
    warc = {"type": "warc", "path": f"{tmp_path}/9.warc.gz"}
    path = config_of(tmp_path, SITEMAPS, own, warc)
    (scheduled,) = scheduled_runs(path, [], None, "2025-03-09..2025-03-09")
    assert scheduled.logical_time == datetime(2025, 3, 9, tzinfo=timezone.utc)
    windows = [(s.since, s.until) for s in scheduled.config.sources if isinstance(s, SitemapsSource)]
    assert windows == [(date(2025, 3, 9), date(2025, 3, 9)), (date(2020, 1, 1), date(2025, 3, 9))]
    assert not any(isinstance(s, WarcSource) for s in scheduled.config.sources)
    assert scheduled.skipped_sources == ["sources.2"]


def test_single_run_keeps_its_sources(tmp_path: Path) -> None:
    (scheduled,) = scheduled_runs(config_of(tmp_path, SITEMAPS, FEED), [], None, "2025-03-09T07:30")
    assert scheduled.logical_time == datetime(2025, 3, 9, 7, 30, tzinfo=timezone.utc)
    assert [type(s).__name__ for s in scheduled.config.sources] == ["SitemapsSource", "FeedsSource"]
    assert scheduled.config.listings[0].since == date(2025, 1, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "when", ["2025-03-01..", "2025-03-01..x", "2025-03-01..2025-03-02..2025-03-03", "2025-03-02..2025-03-01"]
)
def test_invalid_range_is_rejected(when: str) -> None:
    with pytest.raises(ConfigError, match=f"--date {when}: "):
        parse_days(when)


def test_logical_time_is_utc_by_default() -> None:
    assert parse_logical_time("2025-03-09T07:30+02:00") == datetime(2025, 3, 9, 5, 30, tzinfo=timezone.utc)
    with pytest.raises(ConfigError, match="--date soon: expected YYYY-MM-DD, "):
        parse_logical_time("soon")


@pytest.mark.parametrize("when", ["0999-12-31", "0001-01-01T00:00+05:00", "3000-01-01"])
def test_day_out_of_range_is_rejected(when: str) -> None:
    with pytest.raises(ConfigError, match=f"--date {re.escape(when)}: allowed are days from 1000-01-01 to 2999-12-31"):
        parse_logical_time(when)
    day = when[:10]
    with pytest.raises(ConfigError, match=f"--date {day}..{day}: allowed are days from 1000-01-01 to 2999-12-31"):
        parse_days(f"{day}..{day}")
