"""What earlier runs know of a URL, and what a later run makes of it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.config.models import RevisitConfig, RunConfig
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit
from pipeline.lake.query.crawl_state import UrlHistory, apply_revisit_policy, look_up, open_crawl_state, urls_to_retry
from pipeline.lake.tombstones import ForgetTarget, write_tombstone
from pipeline.steps.known_urls import _FilterKnownUrls, _PollRetries
from tests.support.records import make_fetch
from transforms.schema.failures import Reason
from transforms.schema.records import Fetch, UrlRequest
from transforms.schema.run import Run
from transforms.schema.urls import request_of
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.write.parquet import merge_staged_files, write_rows

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
REQUEST = request_of("http://site1.example/1", "feed")
NOTHING = ForgetTarget()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


def run_at(store: Store, moment: datetime, name: str = "daily", run_id: str | None = None) -> Run:
    return new_attempt(run_id or f"{name}-{moment:%Y%m%dT%H%M}", moment.date(), store.root, logical_time=moment)


def committed(store: Store, run: Run, *fetches: Fetch) -> Run:
    staged = write_rows(run, "fetches", fetches, f"{run.staging}/rows/fetches/f.parquet")
    commit(store, run, merge_staged_files(run, [staged]), urls=len(fetches))
    return run


def fetched(request: UrlRequest, moment: datetime, **fields: object) -> Fetch:
    known = {"url": request.url, "article_id": request.article_id, "domain": "site1.example", "source": request.source}
    return make_fetch(1, **{**known, "fetched_at": moment, **fields})


def known_of(store: Store, *requests: UrlRequest, run: Run, is_rerun: bool = False) -> dict[str, UrlHistory]:
    with open_crawl_state(store) as database:
        return look_up(database, requests, run, is_rerun=is_rerun)


def left(store: Store, run: Run, config: RevisitConfig | None = None, name: str = "daily") -> list[UrlRequest]:
    with open_crawl_state(store) as database:
        taken = urls_to_retry(database, name, config or RevisitConfig(), run)
    assert all(request.failed_at is not None for request in taken)
    return [replace(request, failed_at=None) for request in taken]


def test_the_last_answer_with_a_page_gives_the_validators(store: Store) -> None:
    committed(store, run_at(store, ago(days=3)), fetched(REQUEST, ago(days=3), etag='"old"', text_hash="a"))
    answer = fetched(REQUEST, ago(days=2), outcome="unchanged", etag=None, last_modified="yesterday", text_hash="b")
    committed(store, run_at(store, ago(days=2)), answer)
    failed = fetched(REQUEST, ago(days=1), outcome="failed", reason="timeout", retriable=True)
    committed(store, run_at(store, ago(days=1)), failed)
    known = known_of(store, REQUEST, run=run_at(store, NOON))
    times = ago(days=1), ago(days=3), ago(days=2)
    assert known == {REQUEST.article_id: UrlHistory("timeout", *times, None, "yesterday", "b")}


def test_a_url_that_no_run_knows_is_not_in_the_answer(store: Store) -> None:
    other = request_of("http://site1.example/2", "feed")
    assert known_of(store, other, run=run_at(store, NOON)) == {}
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1)))
    assert known_of(store, other, run=run_at(store, NOON)) == {}
    assert known_of(store, run=run_at(store, NOON)) == {}


def test_a_runs_own_rows_are_not_known_to_it(store: Store) -> None:
    run = committed(store, run_at(store, NOON), fetched(REQUEST, NOON))
    assert known_of(store, REQUEST, run=run) == {}
    assert REQUEST.article_id in known_of(store, REQUEST, run=run_at(store, ago(days=-1)))


def test_a_run_that_is_made_anew_knows_only_the_runs_before_it(store: Store) -> None:
    for moment in (ago(hours=2), NOON, ago(hours=-2)):
        committed(store, run_at(store, moment), fetched(REQUEST, moment, etag=f'"{moment.hour}"'))
    known = known_of(store, REQUEST, run=run_at(store, NOON), is_rerun=True)
    assert known[REQUEST.article_id].etag == '"10"'
    assert known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id].etag == '"14"'


def test_before_it_means_by_time_whatever_the_names_of_the_configurations(store: Store) -> None:
    committed(store, run_at(store, ago(hours=2), "weekly"), fetched(REQUEST, ago(hours=2), etag='"before"'))
    committed(store, run_at(store, ago(hours=-2), "all"), fetched(REQUEST, ago(hours=-2), etag='"after"'))
    known = known_of(store, REQUEST, run=run_at(store, NOON), is_rerun=True)
    assert known[REQUEST.article_id].etag == '"before"'


def test_ages_are_counted_in_the_runs_logical_time(store: Store) -> None:
    run = committed(store, run_at(store, ago(hours=1)), fetched(REQUEST, ago(days=-300)))
    assert known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id].first_at == run.time == ago(hours=1)


def answered(first: datetime, last: datetime, reason: str = "") -> UrlHistory:
    return UrlHistory(reason, last, first, last, '"v1"', "yesterday", "hash")


@pytest.mark.parametrize(
    ("first", "last", "due"),
    [
        # Ages 1h, 6h, 24h since the first answer; due where one has passed and no answer lies after it.
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
        # A later day's run came first: there is nothing to ask again now.
        ({"days": -3}, {"days": -3}, False),
    ],
)
def test_a_page_is_asked_for_again_after_each_age_and_then_never(
    first: dict[str, float], last: dict[str, float], due: bool
) -> None:
    known = answered(ago(**first), ago(**last))
    assert known.is_due(NOON, RevisitConfig()) is due
    assert known.is_due(NOON, RevisitConfig(always=True))
    assert not known.is_due(NOON, RevisitConfig(after=()))


def filtered(store: Store, known: UrlHistory | None, **config: object) -> UrlRequest | Fetch:
    policy = RevisitConfig(**config)  # type: ignore[arg-type]
    return apply_revisit_policy(REQUEST, known, policy, run_at(store, NOON), NOTHING)


def test_a_url_that_is_due_is_asked_for_with_its_validators(store: Store) -> None:
    asked = filtered(store, answered(ago(days=2), ago(days=2)))
    assert isinstance(asked, UrlRequest)
    assert (asked.etag, asked.last_modified, asked.text_hash) == ('"v1"', "yesterday", "hash")
    assert filtered(store, answered(ago(days=2), ago(days=2)), conditional=False) == REQUEST
    assert filtered(store, None) == REQUEST


def test_a_url_that_is_not_due_has_a_row_that_says_so(store: Store) -> None:
    row = filtered(store, answered(ago(minutes=5), ago(minutes=5)))
    assert isinstance(row, Fetch)
    assert (row.url, row.outcome, row.reason, row.retriable, row.attempts) == (
        REQUEST.url,
        "skipped",
        "not_due",
        False,
        0,
    )


def test_a_row_that_says_not_due_is_no_knowledge(store: Store) -> None:
    committed(store, run_at(store, ago(days=3)), fetched(REQUEST, ago(days=3)))
    row = filtered(store, answered(NOON, NOON))
    assert isinstance(row, Fetch)
    before = known_of(store, REQUEST, run=run_at(store, NOON))
    committed(store, run_at(store, ago(days=1)), replace(row, domain="site1.example"))
    assert known_of(store, REQUEST, run=run_at(store, NOON)) == before


@pytest.mark.parametrize("reason", [Reason.HTTP_GONE, Reason.ROBOTS, Reason.OPTED_OUT])
def test_what_is_gone_is_left_alone_for_the_days_configured_and_no_longer(reason: Reason, store: Store) -> None:
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
        # Refused before its end: the row has no status.
        ({"reason": "unsupported_type", "attempts": 1}, False),
        ({"reason": "too_large", "attempts": 1}, False),
    ],
)
def test_an_answer_that_is_for_good_counts_as_one_and_other_failures_are_tried_again(
    fields: dict[str, object], due: bool, store: Store
) -> None:
    committed(store, run_at(store, ago(minutes=9)), fetched(REQUEST, ago(minutes=9), **{"outcome": "failed", **fields}))
    known = known_of(store, REQUEST, run=run_at(store, NOON))[REQUEST.article_id]
    assert known.is_due(NOON, RevisitConfig()) is due


def test_what_the_lake_was_told_to_forget_is_not_asked_for(store: Store) -> None:
    banned = ForgetTarget(hosts=frozenset({"site1.example"}))
    row = apply_revisit_policy(REQUEST, None, RevisitConfig(), run_at(store, NOON), banned)
    assert isinstance(row, Fetch)
    assert (row.outcome, row.reason, row.retriable) == ("skipped", "forgotten", False)


TIMEOUT = {"outcome": "failed", "reason": "timeout", "retriable": True, "attempts": 3}
UNASKED = {"outcome": "skipped", "reason": "host_budget", "retriable": True}


def urls(requests: Sequence[UrlRequest]) -> list[str]:
    return [request.url for request in requests]


@pytest.mark.parametrize("fields", [TIMEOUT, UNASKED, {**UNASKED, "reason": "cancelled"}])
def test_what_failed_retriably_or_was_not_come_to_is_taken_up(fields: dict[str, object], store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **fields))
    assert left(store, run_at(store, NOON)) == [REQUEST]
    assert left(store, run_at(store, NOON), RevisitConfig(take_up_days=1)) == [REQUEST]
    assert left(store, run_at(store, ago(days=-6))) == [REQUEST]
    assert left(store, run_at(store, ago(days=-7))) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"outcome": "failed", "reason": "http_gone"},
        {**TIMEOUT, "source": "listing"},
        {**TIMEOUT, "source": "warc"},
    ],
)
def test_what_is_settled_and_what_is_no_article_of_the_web_is_not(fields: dict[str, object], store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **fields))
    assert left(store, run_at(store, NOON)) == []


def test_a_run_with_an_id_of_its_own_takes_up_what_was_left_the_same_day(store: Store) -> None:
    committed(store, run_at(store, ago(hours=1)), fetched(REQUEST, ago(hours=1), **TIMEOUT))
    committed(
        store, run_at(store, ago(hours=-1)), fetched(request_of("http://site1.example/2", "feed"), NOON, **TIMEOUT)
    )
    assert left(store, run_at(store, NOON, run_id="by-hand")) == [REQUEST]


def test_an_answer_in_any_run_ends_it(store: Store) -> None:
    committed(store, run_at(store, ago(days=2)), fetched(REQUEST, ago(days=2), **TIMEOUT))
    committed(store, run_at(store, ago(hours=2), "hourly"), fetched(REQUEST, ago(hours=2)))
    assert left(store, run_at(store, NOON)) == []


def test_each_configuration_takes_up_what_its_own_runs_left(store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **TIMEOUT))
    assert left(store, run_at(store, NOON, "daily-sport"), name="daily-sport") == []
    by_hand = run_at(store, ago(days=1), run_id="by-hand")
    other = request_of("http://site1.example/2", "feed")
    committed(store, by_hand, fetched(other, ago(days=1), **TIMEOUT))
    assert left(store, run_at(store, NOON)) == [REQUEST]
    assert left(store, run_at(store, ago(days=1))) == []


def daily(store: Store, days: int, **fields: object) -> list[int]:
    """Runs that take up what is left, a day each; the days on which the URL was asked for."""
    asked = []
    committed(store, run_at(store, NOON), fetched(REQUEST, NOON, **{**TIMEOUT, **fields}))
    for day in range(1, days):
        run = run_at(store, ago(days=-day))
        again = left(store, run)
        asked += [day] * len(again)
        committed(store, run, *(fetched(r, run.time, **{**TIMEOUT, **fields}) for r in again))
    return asked


def test_a_url_is_given_up_after_so_many_tries(store: Store) -> None:
    assert daily(store, 20) == [1, 2, 3, 4]


def test_a_url_is_given_up_so_many_days_after_its_first_failure(store: Store) -> None:
    assert daily(store, 30, attempts=0) == [1, 2, 3, 4, 5, 6, 7]


def test_a_run_takes_up_so_many_the_longest_known_first(store: Store) -> None:
    for day in (3, 2, 1):
        request = request_of(f"http://site1.example/{day}", "feed")
        committed(store, run_at(store, ago(days=day)), fetched(request, ago(days=day), **TIMEOUT))
    taken = left(store, run_at(store, NOON), RevisitConfig(take_up_urls=2))
    assert urls(taken) == ["http://site1.example/3", "http://site1.example/2"]


def test_rows_of_an_older_schema_count_from_their_date() -> None:
    old = FolderStore(str(Path(__file__).parents[2] / "data" / "lake-v1"))
    with open_crawl_state(old) as database:
        url, source = database.execute("SELECT url, source FROM fetches WHERE outcome = 'ok' LIMIT 1").fetchall()[0]
        request = request_of(url, source)
        known = look_up(database, [request], run_at(old, NOON))
    assert known[request.article_id].first_at == datetime(2025, 3, 12, tzinfo=timezone.utc)


def stream_at(store: Store, moment: datetime) -> Run:
    return new_attempt("daily-stream", moment.date(), store.root, logical_time=moment)


@pytest.mark.parametrize("late", ["", "-late1", "-late12"])
def test_what_a_window_of_a_stream_left_is_taken_up_by_the_stream_and_by_runs(late: str, store: Store) -> None:
    window = stream_at(store, ago(days=1)).of_window(ago(hours=2))
    committed(store, replace(window, run_id=window.run_id + late), fetched(REQUEST, ago(hours=2), **TIMEOUT))
    assert urls(left(store, run_at(store, NOON))) == urls(left(store, stream_at(store, NOON))) == [REQUEST.url]
    assert left(store, stream_at(store, NOON), name="other") == []


def test_so_many_of_one_domain_are_taken_up_the_longest_known_first(store: Store) -> None:
    for hour in (5, 4, 3):
        request = request_of(f"http://site1.example/{hour}", "feed")
        committed(store, run_at(store, ago(hours=hour)), fetched(request, ago(hours=hour), **TIMEOUT))
    other = request_of("http://other.example/1", "feed")
    row = fetched(other, ago(hours=1), **TIMEOUT, domain="other.example")
    committed(store, run_at(store, ago(hours=1)), row)
    with open_crawl_state(store) as database:
        taken = urls_to_retry(database, "daily", RevisitConfig(), run_at(store, NOON), per_domain=2)
    assert urls(taken) == ["http://site1.example/5", "http://site1.example/4", "http://other.example/1"]


def config_of(store: Store, **more: object) -> RunConfig:
    sources = [{"type": "feeds", "urls": ["http://site1.example/feed"]}]
    return RunConfig.model_validate({"name": "daily", "lake": store.root, "sources": sources, **more})


def test_a_stream_takes_up_what_is_left_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(timezone.utc)
    poller = _PollRetries(config_of(store), stream_at(store, now - timedelta(days=40)))
    nothing = poller(None, b"")
    assert (nothing.outputs, nothing.seconds) == ([], 900)
    window = stream_at(store, now).of_window(now - timedelta(hours=1))
    committed(store, window, fetched(REQUEST, now, **TIMEOUT))
    soon = poller(None, nothing.state)
    assert (soon.outputs, soon.state) == ([], nothing.state)
    assert 800 < soon.seconds <= 900
    ahead = time.time() + 901
    monkeypatch.setattr("pipeline.steps.known_urls.time.time", lambda: ahead)
    assert urls(poller(None, soon.state).outputs) == [REQUEST.url]


class Look:
    """`FilterKnownUrls` as a worker has it: what it gives for requests of a bundle."""

    def __init__(self, run: Run) -> None:
        self._do = _FilterKnownUrls(RevisitConfig(), run)
        self._do.setup()

    def __call__(self, *requests: UrlRequest) -> list[tuple[str, WindowedValue]]:
        self._do.start_bundle()
        for n, request in enumerate(requests):
            assert list(self._do.process(request, Timestamp(100 + n), GlobalWindow())) == []
        found = list(self._do.finish_bundle())
        return [(v.tag, v.value) if isinstance(v, TaggedOutput) else ("requests", v) for v in found]


def test_a_stream_learns_of_its_own_windows_and_rows_keep_their_times(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(timezone.utc)
    stream = stream_at(store, now - timedelta(days=3))
    look = Look(stream)
    committed(store, stream.of_window(now - timedelta(minutes=5)), fetched(REQUEST, now))
    assert [name for name, _ in look(REQUEST)] == ["requests"]  # opened before
    monkeypatch.setattr("pipeline.steps.known_urls._REOPEN_SECONDS", 0.0)
    new = request_of("http://site1.example/2", "feed")
    found = look(new, replace(REQUEST, ack_handle="r1"))
    assert [(name, v.value.url, int(v.timestamp)) for name, v in found] == [
        ("requests", new.url, 100),
        ("fetches", REQUEST.url, 101),
    ]
    assert (found[1][1].value.reason, found[1][1].value.ack_handle) == ("not_due", "r1")


def test_what_was_forgotten_before_a_day_does_not_stop_a_stream_that_began_before_it(store: Store) -> None:
    now = datetime.now(timezone.utc)
    write_tombstone(store, ForgetTarget(before=now.date()))
    assert [name for name, _ in Look(stream_at(store, now - timedelta(days=3)))(REQUEST)] == ["requests"]
