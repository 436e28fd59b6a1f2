"""Tests of `FetchPages` in a pipeline: every URL is in exactly one output."""

from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from tests.support.http_server import Server, respond
from transforms.fetch import FEED_TYPES, FetchConfig, transform
from transforms.fetch.transform import AssignShards, FetchPages, assign_shards, shard_of
from transforms.schema.records import UrlRequest
from transforms.schema.urls import request_of, site_of

Make = Callable[..., FetchConfig]
FORBIDS = respond(body=b"User-agent: *\nDisallow: /private", headers={"Content-Type": "text/plain"})


def _requests(*urls: str) -> list[UrlRequest]:
    return [request_of(url, "urls") for url in urls]


def test_every_url_is_in_one_output(server: Server, config: Make) -> None:
    server.on("/robots.txt", FORBIDS)
    server.on("/gone", respond(404))
    requests = _requests(
        "http://a.example/1",
        "http://www.a.example/1#twin",
        "http://b.example/1",
        "http://b.example/gone",
        "http://c.example/private/1",
        "no address",
    )
    pipeline = TestPipeline(runner=FnApiRunner())
    with pipeline:
        fetched = pipeline | beam.Create(requests) | FetchPages(config())
        pages = fetched.pages | "P" >> beam.Map(lambda p: (p.fetch.domain, p.fetch.outcome, len(p.body) > 0))
        assert_that(pages, equal_to([("a.example", "ok", True), ("b.example", "ok", True)]), "Pages")
        fetches = fetched.fetches | "F" >> beam.Map(lambda f: (f.url, f.outcome, f.reason))
        rows = [
            ("http://b.example/gone", "failed", "http_gone"),
            ("http://c.example/private/1", "skipped", "robots"),
            ("no address", "failed", "invalid_url"),
        ]
        assert_that(fetches, equal_to(rows), "Fetches")
        failures = fetched.failures | "G" >> beam.Map(lambda f: (f.url, f.reason, f.stage))
        assert_that(
            failures,
            equal_to([(url, reason, "fetch") for url, outcome, reason in rows if outcome == "failed"]),
            "Failures",
        )
    assert sorted(set(server.paths())) == ["/1", "/gone", "/robots.txt"]
    counted = {
        c.key.metric.name: c.committed
        for c in pipeline.result.metrics().query()["counters"]
        if c.key.metric.namespace == "fetch"
    }
    assert counted == {"ok": 2, "http_gone": 1, "robots": 1, "invalid_url": 1, "twin": 1}


def test_accept(server: Server, config: Make) -> None:
    server.on("/feed", respond(headers={"Content-Type": "application/atom+xml"}))
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        fetched = pipeline | beam.Create(_requests("http://a.example/feed")) | FetchPages(config(), accept=FEED_TYPES)
        assert_that(fetched.pages | beam.Map(lambda p: p.content_type), equal_to(["application/atom+xml"]))


def test_windows_are_kept(server: Server, config: Make) -> None:
    def stamp(request: UrlRequest, window: Any = beam.DoFn.WindowParam) -> tuple[str, float]:
        return request.url, float(window.start)

    with TestPipeline(runner=FnApiRunner()) as pipeline:
        fetched = (
            pipeline
            | beam.Create(
                [TimestampedValue(r, at) for r, at in zip(_requests("http://a.example/1", "bad"), (5, 65), strict=True)]
            )
            | beam.WindowInto(FixedWindows(60))
            | FetchPages(config())
        )
        pages = fetched.pages | "P" >> beam.Map(lambda p: p.request) | "PW" >> beam.Map(stamp)
        missed = fetched.fetches | "F" >> beam.Map(lambda f: request_of(f.url, "urls")) | "FW" >> beam.Map(stamp)
        assert_that(pages, equal_to([("http://a.example/1", 0.0)]), "Pages", use_global_window=True)
        assert_that(missed, equal_to([("bad", 60.0)]), "NoPage", use_global_window=True)


@pytest.mark.parametrize("assigned", [{}, {"a.example": 7, "": 9}], ids=["by hash", "by size"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/1", "https://www.a.example/1?utm_source=x"),
        ("http://a.example:8080/1", "http://www.a.example:8080/2"),
        ("no address", "another"),
    ],
)
def test_duplicates_are_in_one_shard(one: str, other: str, assigned: dict[str, int]) -> None:
    first, second = _requests(one, other)
    assert shard_of(first, 1000, assigned) == shard_of(second, 1000, assigned)


def test_hosts_are_distributed() -> None:
    shards = {shard_of(r, 32, {}) for r in _requests(*(f"http://h{n}.example/" for n in range(500)))}
    assert shards == set(range(32))


SITES = [(f"h{n}.example", 1 + 200 // (n + 1)) for n in range(60)]
"""A few large sites and many small ones, as on the web."""


def test_shards_have_equal_sizes() -> None:
    assigned = assign_shards(SITES, 4)
    sizes = [sum(urls for site, urls in SITES if assigned[site] == shard) for shard in range(4)]
    assert max(sizes) - min(sizes) <= min(urls for _, urls in SITES)
    assert assign_shards(reversed(SITES), 4) == assigned
    # A site is never divided.
    assert assign_shards([("large.example", 90), ("a.example", 3), ("b.example", 7)], 2) == {
        "large.example": 0,
        "b.example": 1,
        "a.example": 1,
    }


@pytest.mark.parametrize("most", [10_000, 5], ids=["all by size", "the largest by size"])
def test_each_site_is_in_one_shard(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "MOST_ASSIGNED", most)
    requests = _requests(*(f"http://{site}/{n}" for site, urls in SITES for n in range(urls)))
    sizes = dict(SITES)

    def is_dealt(shards: list[tuple[str, set[int]]]) -> None:
        assert all(len(numbers) == 1 for _, numbers in shards)
        assert len(shards) == len(SITES)
        size = sum(sizes[site] for site, numbers in shards if numbers == {0})
        assert abs(size / len(requests) - 0.5) < (0.01 if most > len(SITES) else 0.2)

    with TestPipeline(runner=FnApiRunner()) as pipeline:
        sites = (
            pipeline
            | beam.Create(requests)
            | AssignShards(2)
            | beam.Map(lambda assigned: (site_of(assigned[1].url), assigned[0]))
            | beam.GroupByKey()
            | beam.MapTuple(lambda site, shards: (site, set(shards)))
        )
        assert_that(sites, is_dealt)
