"""Figures of the report: sums, reasons and limits."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline.config.models import RunConfig
from pipeline.lake.query.catalog import open_lake
from pipeline.report.advice import ADVICE
from pipeline.report.page import render
from pipeline.report.queries import BUCKETS, QUOTES_PER_SPEAKER, SITES_PER_REASON, SPEAKERS, numbers_of
from tests.support.invented import HOSTILE
from tests.support.lakes import run_of
from tests.support.quotations import said
from tests.support.records import NOW, make_article, make_fetch
from transforms.schema.failures import Reason
from transforms.storage.folder import FolderStore


def test_advice_for_each_reason() -> None:
    assert ADVICE.keys() == set(Reason)
    assert all(re.fullmatch(r"[A-Z].+\.", text) for text in ADVICE.values())


def test_options_in_the_advice_exist() -> None:
    named = re.findall(r"(fetch|extract|revisit)\.([a-z_]+)", " ".join(ADVICE.values()))
    assert len(named) > 5
    for section, option in named:
        assert option in RunConfig.model_fields[section].annotation.model_fields, f"{section}.{option}"  # type: ignore[union-attr]


def test_funnel_sums(database: duckdb.DuckDBPyConnection) -> None:
    numbers = numbers_of(database)
    known, *steps, with_quotes, with_speakers = numbers.funnel
    assert known.count == numbers.totals["urls"] - numbers.listings
    for before, step in zip([known, *steps], steps, strict=False):
        assert step.count == before.count - sum(count for _, count in step.lost) - step.lost_otherwise
    assert steps[-1].count == numbers.totals["articles"] == with_quotes.count == with_speakers.count
    assert {reason for reason, _ in steps[0].lost} <= {"robots", "not_due", "host_budget", "forgotten", "cancelled"}
    assert "not_article" in dict(steps[2].lost)


def test_problems(database: duckdb.DuckDBPyConnection) -> None:
    problems = {problem.reason: problem for problem in numbers_of(database).problems}
    assert set(problems) == {reason.value for reason in Reason}
    for reason, problem in problems.items():
        assert problem.count == sum(count for _, count in problem.sites)
        assert problem.retriable == Reason(reason).retriable
        assert problem.examples[0][1].startswith(("http://paper-", "javascript:"))
        assert problem.examples[0][2] in (f"What {reason} means here.", HOSTILE)


def test_sums_of_quotes(database: duckdb.DuckDBPyConnection) -> None:
    numbers = numbers_of(database)
    total = sum(sum(row[1:]) for row in numbers.kinds)
    assert total == numbers.totals["quotes"] == sum(sum(row[2:5]) for row in numbers.speakers)
    assert [row[0] for row in numbers.kinds] == ["direct", "mixed", "indirect"]
    counts = [sum(row[2:5]) for row in numbers.speakers]
    assert counts == sorted(counts, reverse=True)
    shown = [row[0] for row in numbers.quotes]
    assert set(shown) == {row[0] for row in numbers.speakers}
    assert max(map(shown.count, shown)) <= QUOTES_PER_SPEAKER


def test_attitudes_are_apart(tmp_path: Path) -> None:
    store, page = FolderStore(str(tmp_path / "lake")), make_article(1)
    speech = replace(said(page, 0, "Ada Moss", "The ferry will sail."), kind="indirect", cue_class="said")
    plan = said(page, 1, "Bo Lind", "to leave the council")
    plan = replace(plan, kind="indirect", cue_class="intention", cue="plans")
    run_of(store, "a", [page], quotes=[speech, plan])
    with open_lake(store, "a") as database:
        numbers, html = numbers_of(database), render(database, "a").decode()
    assert numbers.kinds == [("indirect", 1, 0, 0), ("attitude", 1, 0, 0)]
    assert [row[0] for row in numbers.speakers] == ["Ada Moss"]
    assert [row[:3] for row in numbers.quotes] == [("Ada Moss", "indirect", "The ferry will sail.")]
    assert [row[:3] for row in numbers.attitudes] == [("Bo Lind", "plans", "to leave the council")]
    assert (numbers.totals["quotes"], numbers.totals["attitudes"], numbers.totals["speakers"]) == (1, 1, 1)
    assert '<blockquote class="attitude" dir="auto">to leave the council</blockquote>' in html


def test_singular_and_no_article(tmp_path: Path) -> None:
    store, page = FolderStore(str(tmp_path / "lake")), make_article(1)
    run_of(store, "a", [page], quotes=[said(page, 0, "Ada Moss", "The ferry will sail.")])
    run_of(store, "b", fetches=[make_fetch(1, outcome="failed", reason="dns")])
    with open_lake(store, "a") as database:
        html = render(database, "a").decode()
    assert "100% of 1 quote with a named speaker." in html
    assert "1 most quoted speaker." in html
    assert not re.findall(r"\b1 (?:URLs|quotes|articles|words|pages|sites)\b", html)
    with open_lake(store, "b") as database:
        html = render(database, "b").decode()
    assert "No site has a new article." in html
    assert "has the most articles: 0" not in html


def test_limits_in_a_large_run(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    fetches = [
        make_fetch(
            n,
            domain=f"site{n}.example",
            outcome="failed",
            reason="dns",
            fetched_at=NOW + timedelta(minutes=n * 17),
        )
        for n in range(500)
    ]
    run_of(store, "many", fetches=fetches)
    with open_lake(store, "many") as database:
        numbers = numbers_of(database)
    (problem,) = numbers.problems
    assert (problem.count, len(problem.sites)) == (500, SITES_PER_REASON)
    assert len(numbers.sites) < 50 and len(numbers.speakers) <= SPEAKERS
    assert len(numbers.speed.counts) <= BUCKETS + 1
    assert sum(map(sum, numbers.speed.counts)) == 500


@pytest.mark.parametrize(("seconds", "width"), [(0, 1), (50, 1), (3_000, 60), (86_400 * 90, 86_400 * 2)])
def test_widths_of_time_buckets(tmp_path: Path, seconds: int, width: int) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    fetches = [make_fetch(n, fetched_at=NOW + timedelta(seconds=seconds * n)) for n in range(2)]
    run_of(store, "timed", fetches=fetches)
    with open_lake(store, "timed") as database:
        speed = numbers_of(database).speed
    assert speed.width == width
    assert speed.counts[0] == ((1, 0, 0) if seconds else (2, 0, 0))
    assert speed.counts[-1] == speed.counts[0]
    assert {b - a for a, b in zip(speed.starts, speed.starts[1:], strict=False)} <= {timedelta(seconds=width)}
