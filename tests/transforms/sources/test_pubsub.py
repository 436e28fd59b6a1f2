"""Tests of converting Pub/Sub messages into requests; tests/engines/test_pubsub.py tests the service."""

import json
from datetime import datetime, timezone

import apache_beam as beam
import pytest
from apache_beam.runners.dataflow import DataflowRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.schema.failures import Rejected
from transforms.schema.records import stable_id
from transforms.schema.urls import canonical_url, url_id
from transforms.sources import PubSubSource
from transforms.sources.streaming.pubsub import MAX_BYTES, MAX_SHOWN, request_of_message
from transforms.sources.streaming.pubsub_transform import ReadPubSub

URL = "https://a.example/1"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    "data",
    [
        URL.encode(),
        f"\ufeff  {URL}?utm_source=x#top\r\n".encode(),
        _json(url=URL),
        _json(url=f" {URL}\n", source="desk", more={"a": [1]}),
        b"\xef\xbb\xbf\n" + _json(url=URL),
        _json(url=URL, published="soon"),
        _json(url=URL, published=20260304),
    ],
)
def test_url(data: bytes) -> None:
    request = request_of_message(data, {}, ack_handle="s 1")
    assert (request.url, request.article_id) == (URL, url_id(URL))
    assert (request.source, request.ack_handle, request.published_at) == ("pubsub", "s 1", None)


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (_json(url=URL, published="2026-03-04T06:06:07+01:00"), {}),
        (_json(url=URL, published="2026-03-04T05:06:07Z"), {"at": "2001-01-01T00:00:00Z"}),
        (_json(url=URL, published="soon"), {"at": "2026-03-04T05:06:07Z"}),
        (URL.encode(), {"at": "2026-03-04T05:06:07Z", "id": "7"}),
        (URL.encode(), {"at": "1772600767000"}),
    ],
)
def test_publication_time(data: bytes, attributes: dict[str, str]) -> None:
    assert request_of_message(data, attributes, "at").published_at == AT


@pytest.mark.parametrize("at", ["", "soon", "9" * 15, "9" * 400, "-1", "१७७२", "2026-13-01T00:00:00Z"])
def test_invalid_time_is_ignored(at: str) -> None:
    assert request_of_message(URL.encode(), {"at": at}, "at").published_at is None


def test_other_attributes_are_ignored() -> None:
    assert request_of_message(URL.encode(), {"at": "2026-03-04T05:06:07Z", "": "2026-03-04"}).published_at is None


POISON = {
    b"": "",
    b"\xff\xfe\x00": "���",
    b"https://a.example/caf\xe9": "https://a.example/caf�",
    b"https://a.example/\x00/..\x1b[2J": "https://a.example/�/..�[2J",
    b"https://a.example/a\nb": "https://a.example/a�b",
    "https://a.example/\u2028\u0085b".encode(): "https://a.example/��b",
    b"news of the day": "news of the day",
    b"ftp://a.example/1": "ftp://a.example/1",
    b"javascript:alert(1)": "javascript:alert(1)",
    b"https://user:hunter2@a.example/1": "https://***@a.example/1",
    b'{"url": "https://a.example/1"': '{"url": "https://a.example/1"',
    b'{"link": "https://a.example/1"}': '{"link": "https://a.example/1"}',
    b'{"url": 7}': '{"url": 7}',
    b'{"url": " "}': '{"url": " "}',
    b'{"url": ["https://a.example/1"]}': '{"url": ["https://a.example/1"]}',
    b'{"url": "ftp://a.example/1"}': "ftp://a.example/1",
    b'{"url": "https://a.example/\\u0000\\ud800b"}': "https://a.example/��b",
    b'"https://a.example/1"': '"https://a.example/1"',
    b'["https://a.example/1"]': '["https://a.example/1"]',
    b'{"url": "https://a.example/1", "n": ' + b"9" * 5_000 + b"}": None,
    b'{"url":' * 9_000: None,
    b'{"a":' + b"[" * 60_000: None,
    b"https://a.example/" + b"x" * 9_000: None,
    b"https://a.example/" + b"x" * 10_000_000: None,
    b"https://a.example/1" + b" " * MAX_BYTES: None,
    b"https://" + b"a" * 1_970 + b":" + b"hunter2" * 100 + b"@a.example/1": "https://***@a.example/1",
}


@pytest.mark.parametrize("data", POISON, ids=range(len(POISON)))
def test_invalid_message_becomes_an_invalid_url(data: bytes) -> None:
    request = request_of_message(data, {}, ack_handle="s 1")
    wanted = POISON[data]
    if wanted is None:
        assert request.url.startswith(data[:1_000].decode()) and request.url.endswith("\ufffd")
        assert len(request.url) == MAX_SHOWN
    else:
        assert request.url == wanted
    with pytest.raises(Rejected, match=r"URL|control characters|user name"):
        canonical_url(request.url)
    assert request.article_id == stable_id("raw", request.url)
    assert (request.source, request.ack_handle) == ("pubsub", "s 1")


def test_dataflow_uses_its_own_source() -> None:
    source = PubSubSource(
        subscription="projects/some-project/subscriptions/urls", id_attribute="id", timestamp_attribute="at"
    )
    pipeline = beam.Pipeline(FnApiRunner())
    # Passed to the constructor, the runner would check its bucket.
    pipeline.runner = DataflowRunner()
    requests = pipeline | ReadPubSub(source)
    assert not requests.is_bounded
    labels = {label for step in _steps(pipeline) for label in (step.full_label, type(step.transform).__name__)}
    assert "ReadFromPubSub" in labels
    assert not any("Pullers" in label for label in labels)


def _steps(pipeline: beam.Pipeline) -> list[beam.pipeline.AppliedPTransform]:
    steps: list[beam.pipeline.AppliedPTransform] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def enter_composite_transform(self, step: beam.pipeline.AppliedPTransform) -> None:
            steps.append(step)

    pipeline.visit(Visitor())
    return steps
