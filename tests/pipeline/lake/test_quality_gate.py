"""The quality gate measures a run, holds it, and lets a user accept it."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.models import RunConfig
from pipeline.config.quality import QualityConfig
from pipeline.demo import server
from pipeline.demo.server import Behaviour, Site
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive, held
from pipeline.lake.manifest import KEEP_HELD, Check, Manifest, read_manifest
from pipeline.lake.quality_gate import check_quality
from pipeline.lake.transaction import HeldError, NothingHeldError
from pipeline.run.reprocess import reprocess
from pipeline.run.runner import execute
from tests.support.golden_tables import onrecord
from tests.support.lakes import by_manifest, column, daily_config, on_disk, run_of, tables_on_disk
from tests.support.quotations import quote
from tests.support.records import make_article, make_fetch
from transforms.schema.records import Fetch
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import Row
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.write.parquet import merge_staged_files, write_rows

DAY = date(2026, 3, 4)
MOMENT = datetime(2026, 3, 4, 6, tzinfo=timezone.utc)
RUN = "days-20260304T0600"
SMALL = QualityConfig(min_sample=4, silent_articles=2)
HOST = "http://wire.example"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def staged(store: Store, run_id: str = RUN, **rows: Sequence[Row]) -> tuple[Run, list[StagedFile]]:
    """An attempt that is ready to be committed."""
    run = new_attempt(run_id, DAY, store.root)
    files = [
        file
        for table, records in rows.items()
        for file in merge_staged_files(run, [write_rows(run, table, records, f"{run.staging}/rows/{table}/a.parquet")])
    ]
    return run, files


def checks(store: Store, config: QualityConfig = SMALL, run_id: str = RUN, **rows: Sequence[Row]) -> dict[str, Check]:
    run, files = staged(store, run_id, **rows)
    return {check.name: check for check in check_quality(store, run, files, config)}


def gone(number: int) -> Fetch:
    return make_fetch(number, outcome="failed", reason="http_gone")


def test_share_of_failed_urls(store: Store) -> None:
    skipped = [make_fetch(n, outcome="skipped", reason="not_due") for n in range(50, 60)]
    listing = [make_fetch(60, source="listing", outcome="failed", reason="dns")]
    rows = [make_fetch(0), *(gone(n) for n in range(1, 9)), make_fetch(9, outcome="unchanged"), *skipped, *listing]
    assert checks(store, fetches=rows)["max_failed"] == Check(name="max_failed", figure=0.8, limit=0.8, of=10)
    found = checks(store, fetches=[gone(99), *rows])["max_failed"]
    assert found.breach == "81.8 % of 11 URLs failed, most often with http_gone; the limit is 80 % (quality.max_failed)"


def test_share_of_quotes_without_speaker(store: Store) -> None:
    article = make_article(1, "So it was said on that day, and nobody minded.")
    quotes = [quote(article, n, n + 5, "Ada Moss" if n < 2 else None) for n in range(5)]
    assert checks(store, quotes=quotes)["max_speakerless"].breach is None
    found = checks(store, quotes=quotes[1:])["max_speakerless"]
    assert found.breach == "75 % of 4 quotes have no speaker; the limit is 60 % (quality.max_speakerless)"


def test_share_of_repeated_texts_counts_pages_of_one_site(store: Store) -> None:
    wire = [make_article(n, "The same story.", domain=f"site{n}.example") for n in range(8)]
    assert checks(store, articles=wire)["max_repeated"].figure == 0
    wall = [make_article(n, "Accept our cookies.", domain="walled.example") for n in range(10, 16)]
    found = checks(store, articles=[*wire, *wall])["max_repeated"]
    assert found.breach == (
        "42.9 % of 14 articles have the same text as another article of their site, most often on walled.example; the "
        "limit is 30 % (quality.max_repeated)"
    )


def test_small_samples_and_null_limits_are_not_checked(store: Store) -> None:
    rows: dict[str, Any] = {"fetches": [gone(n) for n in range(4)], "articles": [make_article(1)]}
    assert set(checks(store, **rows)) == {"max_failed"}
    assert checks(store, QualityConfig(), **rows) == {}
    assert checks(store, QualityConfig(min_sample=1, max_failed=None), **rows).keys() == {"max_repeated"}


def earlier_runs(store: Store, *, days: Sequence[int] = (1, 2, 3), name: str = "days") -> None:
    """Runs on earlier days, each with three pages of two steady sites and one page of another site."""
    for day in days:
        rows = [make_fetch(10 * day + n, domain=site) for n, site in enumerate(["a.example", "a.example", "b.example"])]
        extra = [make_fetch(10 * day + 5, domain=f"only-{day}.example")]
        run_of(store, f"{name}-2026030{day}T0600", fetches=[*rows, *extra], day=date(2026, 3, day))


def silent(store: Store, *rows: Fetch, config: QualityConfig = SMALL, run_id: str = RUN) -> Check | None:
    return checks(store, config, run_id, fetches=rows).get("max_silent")


def test_silent_site_is_named(store: Store) -> None:
    earlier_runs(store)
    alive = make_fetch(1, domain="a.example")
    found = silent(store, alive, make_fetch(2, domain="b.example", outcome="failed", reason="http_4xx"))
    assert found is not None
    assert (found.figure, found.of) == (0.5, 2)
    assert found.breach == (
        "50 % of 2 sites with pages in each of the last 3 runs have none now, b.example; the limit is 10 % "
        "(quality.max_silent)"
    )
    # Runs of the same day, later runs and runs of other names do not count.
    assert silent(store, alive, run_id="days-20260303T0600") is None
    assert silent(store, alive, run_id="other-20260304T0600") is None
    assert silent(store, alive, run_id="by-hand") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "unchanged"},
        {"outcome": "not_modified"},
        {"outcome": "skipped", "reason": "not_due"},
        {"outcome": "skipped", "reason": "host_budget"},
    ],
    ids=str,
)
def test_site_without_new_pages_is_not_silent(fields: dict[str, str], store: Store) -> None:
    earlier_runs(store)
    found = silent(store, make_fetch(1, domain="a.example"), make_fetch(2, domain="b.example", **fields))
    assert found is not None
    assert found.figure == 0


def test_stopped_run_does_not_check_silent_sites(store: Store) -> None:
    earlier_runs(store)
    assert silent(store, make_fetch(1, domain="c.example", outcome="skipped", reason="cancelled")) is None


def test_steady_sites_depend_on_runs_and_pages(store: Store) -> None:
    earlier_runs(store)
    row = make_fetch(1, domain="c.example")
    for changed, of in (({"silent_articles": 4}, 1), ({"silent_articles": 7}, None), ({"silent_runs": 4}, None)):
        found = silent(store, row, config=SMALL.model_copy(update=changed))
        assert (found.of if found else None) == of


def held_run(store: Store) -> Manifest:
    """A held run with four failures."""
    with exclusive(store, RUN):
        run, files = staged(store, fetches=[gone(n) for n in range(4)])
        with pytest.raises(HeldError, match=r"100 % of 4 URLs failed") as raised:
            commit(store, run, files, 4, check_quality(store, run, files, SMALL))
    assert "use `onrecord run CONFIG --date 2026-03-04T06:00 --accept` within 7 days" in str(raised.value)
    manifest = held(store, RUN)
    assert manifest is not None
    return manifest


def test_held_files_are_kept_for_a_week(store: Store) -> None:
    manifest = held_run(store)
    before = on_disk(store)
    with exclusive(store, "other-20260304T0600"):
        assert on_disk(store) == before
    mark = Path(store.root, f"_staging/{RUN}/{manifest.attempt}/held.json")
    content = json.loads(mark.read_text())
    assert content["follows"] is None
    long_ago = manifest.committed_at - KEEP_HELD - timedelta(minutes=1)
    mark.write_text(json.dumps({**content, "committed_at": long_ago.isoformat()}))
    with exclusive(store, "other-20260304T0600"):
        assert store.files("_staging") == []


def test_commit_of_another_attempt_ends_the_hold(store: Store) -> None:
    held_run(store)
    with exclusive(store, RUN):
        run, files = staged(store, fetches=[make_fetch(1)])
        commit(store, run, files, 1)
    assert held(store, RUN) is None
    with exclusive(store, RUN):
        assert store.files("_staging") == []


def test_run_is_not_held_if_row_counts_do_not_reconcile(store: Store) -> None:
    run, files = staged(store, fetches=[gone(n) for n in range(4)])
    with pytest.raises(Exception, match="the row counts do not reconcile") as raised:
        commit(store, run, files, 5, check_quality(store, run, files, SMALL))
    assert not isinstance(raised.value, HeldError)
    assert held(store, RUN) is None


ARTICLE = (
    "<!DOCTYPE html><title>Plan {n}</title><article><h1>Plan {n}</h1>"
    + '<p>"The plan {n} will cost three million," said Mayor Lena Ortega of the port. ' * 3
    + "The council of the town meets again next week to vote on it, as it did in May.</p></article>"
)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A feed with four articles, three of which fail until `repair`."""
    with Site() as served:
        for n in range(4):
            served.put(f"{HOST}/a/{n}", ARTICLE.format(n=n))
            if n:
                monkeypatch.setitem(server.BEHAVIOURS, f"{HOST}/a/{n}", Behaviour(status=500))
        items = "".join(f"<item><link>{HOST}/a/{n}</link></item>" for n in range(4))
        served.put(f"{HOST}/daily.xml", f'<rss version="2.0"><channel>{items}</channel></rss>', "text/xml")
        yield served


def config_of(site: Site, store: Store, **quality: Any) -> RunConfig:
    config = daily_config(
        site,
        Path(store.root),
        f"{HOST}/daily.xml",
        quality={"max_failed": 0.5, "min_sample": 4},
        annotate={"enabled": False},
    )
    fetch = config.fetch.model_copy(update={"max_attempts": 1})
    limits = config.quality.model_copy(update=quality)
    return config.model_copy(update={"fetch": fetch, "quality": limits})


def repair(monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(1, 4):
        monkeypatch.delitem(server.BEHAVIOURS, f"{HOST}/a/{n}")


def requested(site: Site) -> list[str]:
    return sorted(entry.path for entry in site.log if entry.path.startswith("/a/"))


def test_repeat_of_a_held_run_retries_only_failures(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeldError, match=r"75 % of 4 URLs failed, most often with http_5xx; the limit is 50 %"):
        execute(config_of(site, store), RUN, MOMENT)
    assert (tables_on_disk(store), read_manifest(store, RUN)) == ([], None)
    site.log.clear()
    repair(monkeypatch)
    done = execute(config_of(site, store), RUN, MOMENT)
    assert requested(site) == ["/a/1", "/a/2", "/a/3"]
    assert column(store, "SELECT url[-1] FROM articles ORDER BY url") == ["0", "1", "2", "3"]
    assert {check.name: check.breach for check in done.manifest.checks} == {"max_failed": None, "max_repeated": None}
    assert not done.manifest.is_accepted
    assert store.files("_staging") == []


def test_accept_commits_the_held_files_without_requests(site: Site, store: Store) -> None:
    config = config_of(site, store)
    with pytest.raises(HeldError):
        execute(config, RUN, MOMENT)
    waiting = held(store, RUN)
    assert waiting is not None
    site.log.clear()
    done = execute(config, RUN, MOMENT, accept=True)
    assert site.log == []
    assert (done.was_committed, done.manifest.files, done.manifest.is_accepted) == (False, waiting.files, True)
    assert read_manifest(store, RUN) == done.manifest
    assert column(store, "SELECT coalesce(reason, outcome) FROM fetches WHERE source = 'feed' ORDER BY url") == [
        "ok",
        *["http_5xx"] * 3,
    ]
    assert store.files("_staging") == []
    assert execute(config, RUN, MOMENT, accept=True).was_committed
    with pytest.raises(NothingHeldError, match=r"holds no attempt at run days-20260305T0600 in .* nothing to accept"):
        execute(config, "days-20260305T0600", MOMENT + timedelta(days=1), accept=True)


def test_held_rerun_keeps_the_committed_rows(site: Site, store: Store) -> None:
    execute(config_of(site, store, max_failed=None), RUN, MOMENT)
    before, attempt = by_manifest(store), read_manifest(store, RUN)
    site.log.clear()
    with pytest.raises(HeldError, match="75 % of 4 URLs failed"):
        list(reprocess(config_of(site, store), everything=True))
    assert (by_manifest(store), read_manifest(store, RUN)) == (before, attempt)
    done = execute(config_of(site, store), RUN, MOMENT, accept=True)
    assert attempt is not None
    assert done.manifest.parent_version == attempt.version
    assert by_manifest(store)["fetches"] == before["fetches"]
    assert (store.files("_staging"), site.log) == ([], [])
    # An accepted breach does not hold the run again unless the figure is higher.
    assert [run.is_made for run in reprocess(config_of(site, store), everything=True)] == [True]
    assert (made := read_manifest(store, RUN)) is not None
    assert made.is_accepted


def test_command_exits_with_code_3_and_accepts(site: Site, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "days.yaml"
    file.write_text(config_of(site, store).model_dump_json())
    when = ("run", str(file), "--date", "2026-03-04T06:00", "--quiet")
    run = onrecord(site, *when)
    assert run.returncode == 3
    assert run.stderr.splitlines() == [
        f"onrecord: the quality gate holds run {RUN}, and none of it is visible:",
        "  75 % of 4 URLs failed, most often with http_5xx; the limit is 50 % (quality.max_failed)",
        "To commit it unchanged, use `onrecord run CONFIG --date 2026-03-04T06:00 --accept` within 7 days; without "
        "--accept, the same command retries the URLs that failed for a temporary reason",
    ]
    accepted = onrecord(site, *when, "--accept")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert column(store, "SELECT count(*) FROM fetches WHERE source = 'feed'") == [4]
    for wrong in (("--replace",), ("--date", "2026-03-01..2026-03-04")):
        rejected = onrecord(site, *when, "--accept", *wrong)
        assert (rejected.returncode, "not allowed together" in rejected.stderr) == (2, True)
