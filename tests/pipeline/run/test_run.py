"""The command `onrecord run` on the demo site: golden tables, outcomes, reruns, signals and exit codes."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from tests.support.golden_tables import ROOT, command, environment, onrecord, shares_of_golden, stable_rows
from transforms.storage.open import open_store
from transforms.text.quotations import join_fragments

Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


@pytest.fixture(scope="module")
def lake(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "lake"


@pytest.fixture(scope="module")
def first(site: Site, lake: Path) -> Run:
    return onrecord(site, *command(lake)[3:])


def visible(lake: Path) -> list[str]:
    """The tables that a reader finds with a glob."""
    return sorted(p.relative_to(lake).as_posix() for p in lake.glob("[!_]*/**/*.parquet"))


def test_golden_tables(first: Run, lake: Path) -> None:
    assert first.returncode == 0, first.stderr
    shares = shares_of_golden(stable_rows(lake))
    assert min(shares.pop("quotes"), shares.pop("entities")) >= 0.9
    assert shares == dict.fromkeys(shares, 1.0)


def test_one_outcome_per_url(first: Run, lake: Path, site: Site) -> None:
    with open_lake(open_store(str(lake))) as database:
        rows = database.execute("SELECT url, outcome, reason FROM fetches ORDER BY ALL").fetchall()
    assert rows == sorted(site.expected())
    assert f"All {len(rows)} URLs accounted for." in first.stdout


def test_location_of_the_html_report_is_printed(first: Run, lake: Path) -> None:
    assert f"Report: {lake}/_reports/demo.html\n" in first.stdout
    assert "<h1>demo</h1>" in lake.joinpath("_reports", "demo.html").read_text(encoding="utf-8")


def test_offsets_of_entities_and_quotes(first: Run, lake: Path) -> None:
    with open_lake(open_store(str(lake))) as database:
        texts = dict(database.execute("SELECT version_id, text FROM articles").fetchall())
        mentions = database.execute("SELECT version_id, unnest(mentions) FROM entities").fetchall()
        quotes = database.execute("SELECT version_id, text, spans, speaker, speaker_spans FROM quotes").fetchall()
    assert len(mentions) > 100
    for version_id, mention in mentions:
        assert texts[version_id][mention["start"] : mention["end"]] == mention["text"]
    assert len(quotes) > 50
    for version_id, text, spans, speaker, speaker_spans in quotes:
        assert join_fragments(texts[version_id], [(s["start"], s["end"]) for s in spans]) == text
        if speaker_spans:
            assert " ".join(texts[version_id][s["start"] : s["end"]] for s in speaker_spans) == speaker


def test_robots_txt_is_obeyed(first: Run, site: Site) -> None:
    assert first.returncode == 0
    requests = [(entry.host, entry.path) for entry in site.log]
    assert ("www.harbour-gazette.example", "/members/briefing") not in requests
    for host in {host for host, _ in requests}:
        assert requests.count((host, "/robots.txt")) >= 1


def test_printed_report(first: Run, lake: Path) -> None:
    for expected in (
        "URL outcomes",
        "http_gone",
        "Most quoted",
        "Quotes",
        f"Tables in {lake}",
        "quotes/dt=2025-03-12/part-demo-",
    ):
        assert expected in first.stdout
    assert "Run demo on FnApiRunner" in first.stdout


def test_committed_run_is_not_run_again(first: Run, lake: Path, site: Site) -> None:
    before, requests = visible(lake), len(site.log)
    again = onrecord(site, *command(lake)[3:])
    assert (again.returncode, visible(lake), len(site.log)) == (0, before, requests)
    assert "is already committed. Use --replace" in again.stdout


def started(site: Site, lake: Path, *more: str) -> "subprocess.Popen[str]":
    """A demo run after its first request."""
    requests = len(site.log)
    process = subprocess.Popen(
        command(lake, *more),
        cwd=ROOT,
        env=environment(site),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(site.log) == requests and process.poll() is None:
        time.sleep(0.002)
    return process


@pytest.mark.parametrize(
    ("stop", "more"),
    [
        (signal.SIGINT, ()),
        (signal.SIGTERM, ()),
        (signal.SIGTERM, ("--workers", "2")),
    ],
    ids=["SIGINT", "SIGTERM", "SIGTERM, two processes"],
)
def test_first_signal_drains(stop: signal.Signals, more: tuple[str, ...], site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    process = started(site, lake, *more)
    process.send_signal(stop)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, "press Ctrl-C again to abort" in errors) == (0, True), errors
    with open_lake(open_store(str(lake))) as database:
        counts = database.execute(
            "SELECT count(*), count(DISTINCT article_id), count(*) FILTER (reason = 'cancelled' AND retriable) "
            "FROM fetches"
        ).fetchone()
    assert counts is not None
    rows, distinct, cancelled = counts
    assert rows == distinct
    assert cancelled > 0
    assert f"Stopped early: {cancelled} URLs were not fetched" in printed
    assert f"All {rows} URLs accounted for." in printed


def test_second_signal_aborts(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    process = started(site, lake)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.endswith("onrecord: aborted: run demo is not committed; repeat the command to run it\n")
    assert visible(lake) == []


def config_of(tmp_path: Path, urls: list[str], **fetch: object) -> str:
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    options = {"allow_private_hosts": ["*.example"], "delay_seconds": 0, "max_attempts": 1, **fetch}
    config = {
        "name": "own",
        "lake": str(tmp_path / "lake"),
        "sources": [{"type": "urls", "path": str(tmp_path / "urls.txt")}],
        "fetch": options,
    }
    (tmp_path / "own.yaml").write_text(json.dumps(config))
    return str(tmp_path / "own.yaml")


def test_exit_code_if_every_url_failed(site: Site, tmp_path: Path) -> None:
    config = config_of(
        tmp_path, ["http://wire.example/nothing-here", "no address"], resolve={"*.example": site.address}
    )
    run = onrecord(site, "run", config)
    assert run.returncode == 1
    assert "every URL failed" in run.stderr
    with open_lake(open_store(str(tmp_path / "lake"))) as database:
        assert database.execute("SELECT reason FROM failures ORDER BY 1").fetchall() == [
            ("http_gone",),
            ("invalid_url",),
        ]


def test_exit_code_without_urls(site: Site, tmp_path: Path) -> None:
    run = onrecord(site, "run", config_of(tmp_path, ["# nothing today"]))
    assert run.returncode == 0
    assert "All 0 URLs accounted for." in run.stdout


def test_exit_code_of_an_invalid_configuration(site: Site, tmp_path: Path) -> None:
    run = onrecord(site, "run", config_of(tmp_path, [], delay_secs=1))
    assert (run.returncode, run.stdout) == (2, "")
    assert "fetch.delay_secs: unknown key, did you mean delay_seconds" in run.stderr
    assert not (tmp_path / "lake").exists()


def test_exit_code_if_the_lake_is_not_writable(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, ["http://wire.example/2025/mayor-race"], resolve={"*.example": site.address})
    (tmp_path / "lake/_staging").mkdir(parents=True)
    (tmp_path / "lake/_staging/blocked").write_text("a file where the run needs a folder")
    run = onrecord(site, "run", config, "--run-id", "blocked")
    assert run.returncode == 1
    assert "run blocked was not committed, the lake is unchanged" in run.stderr
    assert visible(tmp_path / "lake") == []
