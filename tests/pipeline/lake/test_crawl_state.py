"""The crawl state decides which URLs a run fetches, skips or retries."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pipeline.config.models import RevisitConfig
from pipeline.lake.query.crawl_state import UrlHistory, apply_revisit_policy, look_up, open_crawl_state, urls_to_retry
from pipeline.lake.tombstones import ForgetTarget
from tests.support.crawls import (
    NOON,
    NOT_REACHED,
    REQUEST,
    TIMEOUT,
    ago,
    committed,
    fetched,
    run_at,
    stream_at,
)
from transforms.schema.failures import Reason
from transforms.schema.records import Fetch, UrlRequest
from transforms.schema.run import Run
from transforms.schema.urls import request_of
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore

NO_TOMBSTONES = ForgetTarget()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def known_of(store: Store, *requests: UrlRequest, run: Run, is_rerun: bool = False) -> dict[str, UrlHistory]:
    with open_crawl_state(store) as database:
        return look_up(database, requests, run, is_rerun=is_rerun)


def retries(store: Store, run: Run, config: RevisitConfig | None = None, name: str = "daily") -> list[UrlRequest]:
    with open_crawl_state(store) as database:
        found = urls_to_retry(database, name, config or RevisitConfig(), run)
    assert all(request.failed_at is not None for request in found)
    return [replace(request, failed_at=None) for request in found]


def test_last_page_gives_the_validators(store: Store) -> None:
    committed(store, run_at(store, ago(days=3)), fetched(REQUEST, ago(days=3), etag='"old"', text_hash="a"))
    answer = fetched(REQUEST, ago(days=2), outcome="unchanged", etag=None, last_modified="yesterday", text_hash="b")
    committed(store, run_at(store, ago(days=2)), answer)
    failed = fetched(REQUEST, ago(days=1), outcome="failed", reason="timeout", retriable=True)
    committed(store, run_at(store, ago(days=1)), failed)
    known = known_of(store, REQUEST, run=run_at(store, NOON))
    times = ago(days=1), ago(days=3), ago(days=2)
    assert known == {REQUEST.article_id: UrlHistory("timeout", *times, None, "yesterday", "b")}


def test_new_url_has_no_history(store: Store) -> None:
    other = request_of("http://site1.example/2", "feed")
    assert known_of(store, other, run=run_at(store, NOON)) == {}
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1)))
    assert known_of(store, other, run=run_at(store, NOON)) == {}
    assert known_of(store, run=run_at(store, NOON)) == {}


def test_own_rows_are_ignored(store: Store) -> None:
    run = committed(store, run_at(store, NOON), fetched(REQUEST, NOON))
    assert known_of(store, REQUEST, run=run) == {}
    assert REQUEST.article_id in known_of(store, REQUEST, run=run_at(store, ago(days=-1)))


def test_rerun_ignores_later_runs(store: Store) -> None:
    for moment in (ago(hours=2), NOON, ago(hours=-2)):
        committed(store, run_at(store, moment), fetched(REQUEST, moment, etag=f'"{moment.hour}"'))
    known = known_of(store, REQUEST, run=run_at(store, NOON), is_rerun=True)
    assert known[REQUEST.article_id].etag == '"10"'
    assert known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id].etag == '"14"'


def test_earlier_means_by_time_not_by_name(store: Store) -> None:
    committed(store, run_at(store, ago(hours=2), "weekly"), fetched(REQUEST, ago(hours=2), etag='"before"'))
    committed(store, run_at(store, ago(hours=-2), "all"), fetched(REQUEST, ago(hours=-2), etag='"after"'))
    known = known_of(store, REQUEST, run=run_at(store, NOON), is_rerun=True)
    assert known[REQUEST.article_id].etag == '"before"'


def test_ages_are_measured_in_logical_time(store: Store) -> None:
    run = committed(store, run_at(store, ago(hours=1)), fetched(REQUEST, ago(days=-300)))
    assert known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id].first_at == run.time == ago(hours=1)


def history(first: datetime, last: datetime, reason: str = "") -> UrlHistory:
    return UrlHistory(reason, last, first, last, '"v1"', "yesterday", "hash")


@pytest.mark.parametrize(
    ("first", "last", "due"),
    [
        # Ages 1h, 6h, 24h after the first response; due if one has passed and the last response is earlier.
        ({"minutes": 59}, {"minutes": 59}, False),
        ({"minutes": 60}, {"minutes": 60}, True),
        ({"hours": 3}, {"hours": 3}, True),
        ({"hours": 3}, {"hours": 1}, False),
        ({"hours": 7}, {"hours": 5}, True),
        ({"hours": 7}, {"hours": 1}, False),
        ({"hours": 30}, {"hours": 20}, True),
        ({"hours": 30}, {"hours": 6}, False),
        ({"days": 400}, {"days": 400}, True),
        ({"days": 400}, {"days": 300}, False),
        # The run of a later day came first, so nothing is due now.
        ({"days": -3}, {"days": -3}, False),
    ],
)
def test_page_is_due_once_after_each_age(first: dict[str, float], last: dict[str, float], due: bool) -> None:
    known = history(ago(**first), ago(**last))
    assert known.is_due(NOON, RevisitConfig()) is due
    assert known.is_due(NOON, RevisitConfig(always=True))
    assert not known.is_due(NOON, RevisitConfig(after=()))


def filtered(store: Store, known: UrlHistory | None, **config: object) -> UrlRequest | Fetch:
    policy = RevisitConfig(**config)  # type: ignore[arg-type]
    return apply_revisit_policy(REQUEST, known, policy, run_at(store, NOON), NO_TOMBSTONES)


def test_due_url_is_requested_with_validators(store: Store) -> None:
    request = filtered(store, history(ago(days=2), ago(days=2)))
    assert isinstance(request, UrlRequest)
    assert (request.etag, request.last_modified, request.text_hash) == ('"v1"', "yesterday", "hash")
    assert filtered(store, history(ago(days=2), ago(days=2)), conditional=False) == REQUEST
    assert filtered(store, None) == REQUEST


def test_url_that_is_not_due_is_skipped(store: Store) -> None:
    row = filtered(store, history(ago(minutes=5), ago(minutes=5)))
    assert isinstance(row, Fetch)
    assert (row.url, row.outcome, row.reason, row.retriable, row.attempts) == (
        REQUEST.url,
        "skipped",
        "not_due",
        False,
        0,
    )


def test_not_due_rows_are_ignored(store: Store) -> None:
    committed(store, run_at(store, ago(days=3)), fetched(REQUEST, ago(days=3)))
    row = filtered(store, history(NOON, NOON))
    assert isinstance(row, Fetch)
    before = known_of(store, REQUEST, run=run_at(store, NOON))
    committed(store, run_at(store, ago(days=1)), replace(row, domain="site1.example"))
    assert known_of(store, REQUEST, run=run_at(store, NOON)) == before


@pytest.mark.parametrize("reason", [Reason.HTTP_GONE, Reason.ROBOTS, Reason.OPTED_OUT])
def test_gone_url_is_skipped_for_gone_days(reason: Reason, store: Store) -> None:
    known = UrlHistory(reason.value, ago(days=10), ago(days=10), ago(days=10))
    row = filtered(store, known, gone_days=11)
    assert isinstance(row, Fetch)
    assert (row.outcome, row.reason) == ("skipped", "not_due")
    assert isinstance(filtered(store, known, gone_days=9), UrlRequest)


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"reason": "timeout", "retriable": True}, True),
        ({"reason": "http_5xx", "retriable": True, "http_status": 503}, True),
        ({"reason": "host_budget", "retriable": True, "outcome": "skipped"}, True),
        ({"reason": "port_not_allowed"}, True),
        ({"reason": "http_4xx", "http_status": 403}, False),
        ({"reason": "not_article", "http_status": 200}, False),
        # Rejected before the response was complete: the row has no status.
        ({"reason": "unsupported_type", "attempts": 1}, False),
        ({"reason": "too_large", "attempts": 1}, False),
    ],
)
def test_permanent_failures_count_as_responses(fields: dict[str, object], due: bool, store: Store) -> None:
    committed(store, run_at(store, ago(minutes=9)), fetched(REQUEST, ago(minutes=9), **{"outcome": "failed", **fields}))
    known = known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id]
    assert known.is_due(NOON, RevisitConfig()) is due


def test_forgotten_url_is_skipped(store: Store) -> None:
    tombstones = ForgetTarget(hosts=frozenset({"site1.example"}))
    row = apply_revisit_policy(REQUEST, None, RevisitConfig(), run_at(store, NOON), tombstones)
    assert isinstance(row, Fetch)
    assert (row.outcome, row.reason, row.retriable) == ("skipped", "forgotten", False)


def urls(requests: Sequence[UrlRequest]) -> list[str]:
    return [request.url for request in requests]


@pytest.mark.parametrize("fields", [TIMEOUT, NOT_REACHED, {**NOT_REACHED, "reason": "cancelled"}])
def test_retriable_failures_and_unreached_urls_are_retried(fields: dict[str, object], store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **fields))
    assert retries(store, run_at(store, NOON)) == [REQUEST]
    assert retries(store, run_at(store, NOON), RevisitConfig(take_up_days=1)) == [REQUEST]
    assert retries(store, run_at(store, ago(days=-6))) == [REQUEST]
    assert retries(store, run_at(store, ago(days=-7))) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"outcome": "failed", "reason": "http_gone"},
        {**TIMEOUT, "source": "listing"},
        {**TIMEOUT, "source": "warc"},
    ],
)
def test_other_urls_are_not_retried(fields: dict[str, object], store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **fields))
    assert retries(store, run_at(store, NOON)) == []


def test_run_with_a_custom_id_retries_failures_of_the_same_day(store: Store) -> None:
    committed(store, run_at(store, ago(hours=1)), fetched(REQUEST, ago(hours=1), **TIMEOUT))
    committed(
        store, run_at(store, ago(hours=-1)), fetched(request_of("http://site1.example/2", "feed"), NOON, **TIMEOUT)
    )
    assert retries(store, run_at(store, NOON, run_id="by-hand")) == [REQUEST]


def test_response_in_any_run_ends_the_retries(store: Store) -> None:
    committed(store, run_at(store, ago(days=2)), fetched(REQUEST, ago(days=2), **TIMEOUT))
    committed(store, run_at(store, ago(hours=2), "hourly"), fetched(REQUEST, ago(hours=2)))
    assert retries(store, run_at(store, NOON)) == []


def test_each_configuration_has_its_own_retry_queue(store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **TIMEOUT))
    assert retries(store, run_at(store, NOON, "daily-sport"), name="daily-sport") == []
    by_hand = run_at(store, ago(days=1), run_id="by-hand")
    other = request_of("http://site1.example/2", "feed")
    committed(store, by_hand, fetched(other, ago(days=1), **TIMEOUT))
    assert retries(store, run_at(store, NOON)) == [REQUEST]
    assert retries(store, run_at(store, ago(days=1))) == []


def daily(store: Store, days: int, **fields: object) -> list[int]:
    """Make one run a day that retries the URL; returns the days on which it was requested."""
    retried = []
    committed(store, run_at(store, NOON), fetched(REQUEST, NOON, **{**TIMEOUT, **fields}))
    for day in range(1, days):
        run = run_at(store, ago(days=-day))
        again = retries(store, run)
        retried += [day] * len(again)
        committed(store, run, *(fetched(r, run.time, **{**TIMEOUT, **fields}) for r in again))
    return retried


def test_url_is_retried_take_up_tries_times(store: Store) -> None:
    assert daily(store, 20) == [1, 2, 3, 4]


def test_url_is_retried_for_take_up_days(store: Store) -> None:
    assert daily(store, 30, attempts=0) == [1, 2, 3, 4, 5, 6, 7]


def test_run_retries_take_up_urls_earliest_first(store: Store) -> None:
    for day in (3, 2, 1):
        request = request_of(f"http://site1.example/{day}", "feed")
        committed(store, run_at(store, ago(days=day)), fetched(request, ago(days=day), **TIMEOUT))
    found = retries(store, run_at(store, NOON), RevisitConfig(take_up_urls=2))
    assert urls(found) == ["http://site1.example/3", "http://site1.example/2"]


def test_rows_of_schema_version_1_have_their_date_as_time() -> None:
    old = FolderStore(str(Path(__file__).parents[2] / "data" / "lake-v1"))
    with open_crawl_state(old) as database:
        url, source = database.execute("SELECT url, source FROM fetches WHERE outcome = 'ok' LIMIT 1").fetchall()[0]
        request = request_of(url, source)
        known = look_up(database, [request], run_at(old, NOON))
    assert known[request.article_id].first_at == datetime(2025, 3, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize("late", ["", "-late1", "-late12"])
def test_failures_of_a_window_are_retried_by_the_stream_and_by_runs(late: str, store: Store) -> None:
    window = stream_at(store, ago(days=1)).of_window(ago(hours=2))
    committed(store, replace(window, run_id=window.run_id + late), fetched(REQUEST, ago(hours=2), **TIMEOUT))
    assert urls(retries(store, run_at(store, NOON))) == urls(retries(store, stream_at(store, NOON))) == [REQUEST.url]
    assert retries(store, stream_at(store, NOON), name="other") == []


def test_retries_are_limited_per_domain(store: Store) -> None:
    for hour in (5, 4, 3):
        request = request_of(f"http://site1.example/{hour}", "feed")
        committed(store, run_at(store, ago(hours=hour)), fetched(request, ago(hours=hour), **TIMEOUT))
    other = request_of("http://other.example/1", "feed")
    row = fetched(other, ago(hours=1), **TIMEOUT, domain="other.example")
    committed(store, run_at(store, ago(hours=1)), row)
    with open_crawl_state(store) as database:
        found = urls_to_retry(database, "daily", RevisitConfig(), run_at(store, NOON), per_domain=2)
    assert urls(found) == ["http://site1.example/5", "http://site1.example/4", "http://other.example/1"]
