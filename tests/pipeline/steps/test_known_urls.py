"""Known URLs are filtered and failed ones retried, in runs and in streams."""

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.config.models import RevisitConfig, RunConfig
from pipeline.lake.tombstones import ForgetTarget, write_tombstone
from pipeline.steps.known_urls import AcknowledgeDuplicates, RetryUrls, _FilterKnownUrls, _PollRetries
from tests.support.crawls import NOON, REQUEST, TIMEOUT, ago, committed, fetched, run_at, stream_at
from transforms.schema.records import UrlRequest
from transforms.schema.run import Run
from transforms.schema.urls import request_of
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def config_of(store: Store, **options: object) -> RunConfig:
    sources = [{"type": "feeds", "urls": ["http://site1.example/feed"]}]
    return RunConfig.model_validate({"name": "daily", "lake": store.root, "sources": sources, **options})


@pytest.mark.parametrize(("days", "urls"), [(7, [REQUEST.url]), (0, [])])
def test_run_reads_the_retry_queue(days: int, urls: list[str], store: Store) -> None:
    committed(store, run_at(store, ago(days=1)), fetched(REQUEST, ago(days=1), **TIMEOUT))
    config = config_of(store, revisit={"take_up_days": days})
    with beam.Pipeline() as pipeline:
        requests = pipeline | RetryUrls(config, run_at(store, NOON))
        assert requests.element_type is UrlRequest
        assert_that(requests | beam.Map(lambda request: request.url), equal_to(urls))


def test_stream_polls_the_retry_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(timezone.utc)
    poller = _PollRetries(config_of(store), stream_at(store, now - timedelta(days=40)))
    first = poller(None, b"")
    assert (first.outputs, first.seconds) == ([], 900)
    window = stream_at(store, now).of_window(now - timedelta(hours=1))
    committed(store, window, fetched(REQUEST, now, **TIMEOUT))
    early = poller(None, first.state)
    assert (early.outputs, early.state) == ([], first.state)
    assert 800 < early.seconds <= 900
    later = time.time() + 901
    monkeypatch.setattr("pipeline.steps.known_urls.time.time", lambda: later)
    assert [request.url for request in poller(None, early.state).outputs] == [REQUEST.url]


class Filter:
    """The DoFn of `FilterKnownUrls`; returns the tagged outputs of a bundle."""

    def __init__(self, run: Run) -> None:
        self._do = _FilterKnownUrls(RevisitConfig(), run)
        self._do.setup()

    def __call__(self, *requests: UrlRequest) -> list[tuple[str, WindowedValue]]:
        self._do.start_bundle()
        for n, request in enumerate(requests):
            assert list(self._do.process(request, Timestamp(100 + n), GlobalWindow())) == []
        found = list(self._do.finish_bundle())
        return [(v.tag, v.value) if isinstance(v, TaggedOutput) else ("requests", v) for v in found]


def test_stream_reopens_the_crawl_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(timezone.utc)
    stream = stream_at(store, now - timedelta(days=3))
    filter_urls = Filter(stream)
    committed(store, stream.of_window(now - timedelta(minutes=5)), fetched(REQUEST, now))
    assert [tag for tag, _ in filter_urls(REQUEST)] == ["requests"]  # opened before the commit
    monkeypatch.setattr("pipeline.steps.known_urls._REOPEN_SECONDS", 0.0)
    new = request_of("http://site1.example/2", "feed")
    found = filter_urls(new, replace(REQUEST, ack_handle="r1"))
    assert [(tag, v.value.url, int(v.timestamp)) for tag, v in found] == [
        ("requests", new.url, 100),
        ("fetches", REQUEST.url, 101),
    ]
    assert (found[1][1].value.reason, found[1][1].value.ack_handle) == ("not_due", "r1")


def test_stream_compares_tombstones_with_the_current_date(store: Store) -> None:
    now = datetime.now(timezone.utc)
    write_tombstone(store, ForgetTarget(before=now.date()))
    assert [tag for tag, _ in Filter(stream_at(store, now - timedelta(days=3)))(REQUEST)] == ["requests"]


def test_duplicates_of_committed_pages_are_acknowledged(store: Store) -> None:
    stream = stream_at(store, NOON)
    committed(store, stream.of_window(ago(minutes=5)), fetched(REQUEST, NOON))
    other = replace(request_of("http://site1.example/2", "feed"), ack_handle="in progress")
    file = Path(store.root).parent / "acknowledged.txt"

    def acknowledge(handles: Iterable[str]) -> None:
        with file.open("a") as lines:
            lines.writelines(f"{handle}\n" for handle in handles)

    with beam.Pipeline() as pipeline:
        requests = [replace(REQUEST, ack_handle="committed"), REQUEST, other]
        _ = pipeline | beam.Create(requests).with_output_types(UrlRequest) | AcknowledgeDuplicates(stream, acknowledge)
    assert file.read_text() == "committed\n"
