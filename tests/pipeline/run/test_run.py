"""`onrecord run` whole: the demo site over HTTP, golden tables, balanced books, reruns, signals and exit codes."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.query.catalog import open_lake
from tests.site.server import Site
from tests.support.golden_tables import ROOT, command, environment, onrecord, shares_of_golden, stable_rows
from transforms.storage.open import open_store

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
    """What a reader who globs for tables sees."""
    return sorted(p.relative_to(lake).as_posix() for p in lake.glob("[!_]*/**/*.parquet"))


def test_the_tables_are_the_golden_ones(first: Run, lake: Path) -> None:
    assert first.returncode == 0, first.stderr
    shares = shares_of_golden(stable_rows(lake))
    assert min(shares.pop("quotes"), shares.pop("entities")) >= 0.9
    assert shares == dict.fromkeys(shares, 1.0)


def test_every_url_has_exactly_one_row_with_its_outcome(first: Run, lake: Path, site: Site) -> None:
    with open_lake(open_store(str(lake))) as database:
        rows = database.execute("SELECT url, outcome, reason FROM fetches ORDER BY ALL").fetchall()
    assert rows == sorted(site.expected())
    assert f"Books balance: {len(rows)} URLs in, {len(rows)} rows in fetches." in first.stdout


def test_the_run_says_where_its_report_lies(first: Run, lake: Path) -> None:
    assert f"Report: {lake}/_reports/demo.html\n" in first.stdout
    assert "<h1>demo</h1>" in lake.joinpath("_reports", "demo.html").read_text(encoding="utf-8")


def test_every_entity_and_quote_hangs_on_an_article_and_its_offsets_hold(first: Run, lake: Path) -> None:
    with open_lake(open_store(str(lake))) as database:
        texts = dict(database.execute("SELECT version_id, text FROM articles").fetchall())
        mentions = database.execute("SELECT version_id, unnest(mentions) FROM entities").fetchall()
        quotes = database.execute("SELECT version_id, text, spans, speaker, speaker_spans FROM quotes").fetchall()
    assert len(mentions) > 100
    for version_id, mention in mentions:
        assert texts[version_id][mention["start"] : mention["end"]] == mention["text"]
    assert len(quotes) > 50
    for version_id, text, spans, speaker, speaker_spans in quotes:
        assert " ".join(texts[version_id][s["start"] : s["end"]] for s in spans) == text
        if speaker_spans:
            assert " ".join(texts[version_id][s["start"] : s["end"]] for s in speaker_spans) == speaker


def test_the_site_was_asked_politely(first: Run, site: Site) -> None:
    assert first.returncode == 0
    asked = [(entry.host, entry.path) for entry in site.log]
    assert ("www.harbour-gazette.example", "/members/briefing") not in asked
    for host in {host for host, _ in asked}:
        assert asked.count((host, "/robots.txt")) >= 1


def test_the_report_names_what_happened_and_where(first: Run, lake: Path) -> None:
    for expected in (
        "What became of the URLs",
        "http_gone",
        "Most quoted",
        "Quotes",
        f"Tables in {lake}",
        "quotes/dt=2025-03-12/part-demo-",
    ):
        assert expected in first.stdout
    assert "Run demo on FnApiRunner" in first.stdout


def test_a_committed_run_is_not_made_again(first: Run, lake: Path, site: Site) -> None:
    before, asked = visible(lake), len(site.log)
    again = onrecord(site, *command(lake)[3:])
    assert (again.returncode, visible(lake), len(site.log)) == (0, before, asked)
    assert "committed already: nothing to do" in again.stdout


def started(site: Site, lake: Path, *more: str) -> "subprocess.Popen[str]":
    """A demo run that has asked the site for something."""
    asked = len(site.log)
    process = subprocess.Popen(
        command(lake, *more),
        cwd=ROOT,
        env=environment(site),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(site.log) == asked and process.poll() is None:
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
def test_stopped_by_a_signal_it_commits_what_it_has_and_leaves_the_rest(
    stop: signal.Signals, more: tuple[str, ...], site: Site, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    process = started(site, lake, *more)
    process.send_signal(stop)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, "Again to drop all" in errors) == (0, True), errors
    with open_lake(open_store(str(lake))) as database:
        counts = database.execute(
            "SELECT count(*), count(DISTINCT article_id), count(*) FILTER (reason = 'cancelled' AND retriable) "
            "FROM fetches"
        ).fetchone()
    assert counts is not None
    rows, distinct, cancelled = counts
    assert rows == distinct
    assert cancelled > 0
    assert f"Stopped early: {cancelled} URLs were not asked for" in printed
    assert f"Books balance: {rows} URLs in, {rows} rows in fetches." in printed


def test_stopped_by_a_second_signal_it_leaves_at_once_and_says_how_to_go_on(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    process = started(site, lake)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.endswith("onrecord: stopped; nothing of run demo is visible, the same command makes it\n")
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


def test_when_all_that_was_tried_failed_the_exit_code_is_1(site: Site, tmp_path: Path) -> None:
    config = config_of(
        tmp_path, ["http://wire.example/nothing-here", "no address"], resolve={"*.example": site.address}
    )
    run = onrecord(site, "run", config)
    assert run.returncode == 1
    assert "all that was tried failed" in run.stderr
    with open_lake(open_store(str(tmp_path / "lake"))) as database:
        assert database.execute("SELECT reason FROM failures ORDER BY 1").fetchall() == [
            ("http_gone",),
            ("invalid_url",),
        ]


def test_with_nothing_to_do_the_exit_code_is_0(site: Site, tmp_path: Path) -> None:
    run = onrecord(site, "run", config_of(tmp_path, ["# nothing today"]))
    assert run.returncode == 0
    assert "Books balance: 0 URLs in, 0 rows in fetches." in run.stdout


def test_a_refused_configuration_asks_nothing_and_the_exit_code_is_2(site: Site, tmp_path: Path) -> None:
    run = onrecord(site, "run", config_of(tmp_path, [], delay_secs=1))
    assert (run.returncode, run.stdout) == (2, "")
    assert "fetch.delay_secs: unknown key, did you mean delay_seconds" in run.stderr
    assert not (tmp_path / "lake").exists()


def test_a_run_that_cannot_be_written_exits_with_1_and_shows_nothing(site: Site, tmp_path: Path) -> None:
    config = config_of(tmp_path, ["http://wire.example/2025/mayor-race"], resolve={"*.example": site.address})
    (tmp_path / "lake/_staging").mkdir(parents=True)
    (tmp_path / "lake/_staging/blocked").write_text("a file where the run needs a folder")
    run = onrecord(site, "run", config, "--run-id", "blocked")
    assert run.returncode == 1
    assert "run blocked was not committed, the lake is as it was" in run.stderr
    assert visible(tmp_path / "lake") == []
