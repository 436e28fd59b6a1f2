"""Thirty daily runs over a changing site: each requests only new and due articles."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline.demo.server import Site
from pipeline.lake.query.catalog import open_lake
from pipeline.run.runner import execute, run_id_of
from tests.support.lakes import daily_config
from transforms.storage.folder import FolderStore

HOST = "http://wire.example"
FIRST = datetime(2026, 1, 1, 6, tzinfo=timezone.utc)
DAYS = 30
IN_FEED = 5
"""Number of articles in the feed, one per day."""
EDITED = 7
"""Each seventh article is edited on the day after its publication."""


def article(number: int, *, edited: bool) -> str:
    """A page with its own text; an edited page has another last paragraph."""
    quote = f'"Harbour plan {number} will cost {number + 3} million," said Mayor Lena Ortega of Port {number}. '
    body = [quote + "The council of the town meets again next week to vote on it." * 2 for _ in range(3)]
    body.append("This article was corrected: the vote is on Friday." if edited else "The vote is on Monday.")
    return f"<!DOCTYPE html><title>Harbour plan {number}</title><article><h1>Harbour plan {number}</h1>" + "".join(
        f"<p>{paragraph}</p>" for paragraph in body
    )


def publish_day(site: Site, day: int) -> None:
    """Serve a day: the feed, a new article, and perhaps an edited one of the day before."""
    for number in (day, day - 1):
        edited = number == day - 1 and number % EDITED == 0
        site.put(f"{HOST}/a/{number}", article(number, edited=edited or (number < day and number % EDITED == 0)))
    items = "".join(
        f"<item><title>Harbour plan {n}</title><link>{HOST}/a/{n}</link></item>"
        for n in range(max(0, day - IN_FEED + 1), day + 1)
    )
    site.put(f"{HOST}/daily.xml", f'<rss version="2.0"><channel><title>Wire</title>{items}</channel></rss>', "text/xml")


@pytest.fixture(scope="module")
def requested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[list[str]]]]:
    """The lake, and the paths of the articles that the run of each day requested."""
    lake = tmp_path_factory.mktemp("days") / "lake"
    by_day: list[list[str]] = []
    with Site() as site:
        config = daily_config(site, lake, f"{HOST}/daily.xml")
        for day in range(DAYS):
            publish_day(site, day)
            site.log.clear()
            moment = FIRST + timedelta(days=day)
            execute(config, run_id_of(config.name, moment), moment)
            by_day.append(sorted(entry.path for entry in site.log if entry.path.startswith("/a/")))
        yield lake, by_day


def test_each_day_requests_two_articles(
    requested: tuple[Path, list[list[str]]],
) -> None:
    _, by_day = requested
    # By the next day all three ages have passed, and one response came after them, so there is no third request.
    assert by_day == [sorted(f"/a/{n}" for n in (day, day - 1) if n >= 0) for day in range(DAYS)]


def test_one_row_per_url_and_day(requested: tuple[Path, list[list[str]]]) -> None:
    lake, _ = requested
    with open_lake(FolderStore(str(lake))) as database:
        rows = database.execute(
            "SELECT outcome, coalesce(reason, ''), count(*) FROM fetches "
            "WHERE source = 'feed' GROUP BY ALL ORDER BY 1, 2"
        ).fetchall()
    edited = len(range(0, DAYS - 1, EDITED))
    not_due = sum(max(0, min(day + 1, IN_FEED) - 2) for day in range(DAYS))
    assert rows == [("not_modified", "", DAYS - 1 - edited), ("ok", "", DAYS + edited), ("skipped", "not_due", not_due)]


def test_edited_article_is_a_new_version(
    requested: tuple[Path, list[list[str]]],
) -> None:
    lake, _ = requested
    with open_lake(FolderStore(str(lake))) as database:
        versions = database.execute(
            "SELECT url, list(run_date - DATE '2026-01-01' ORDER BY run_date), count(DISTINCT text_hash), "
            "bool_or(text LIKE '%corrected%') FROM articles GROUP BY url ORDER BY url"
        ).fetchall()
    expected = []
    for number in range(DAYS):
        edited = number % EDITED == 0 and number + 1 < DAYS
        days = [number, number + 1] if edited else [number]
        expected.append((f"{HOST}/a/{number}", days, len(days), edited))
    assert versions == sorted(expected)
