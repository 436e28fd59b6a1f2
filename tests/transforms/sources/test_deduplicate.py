"""Tests of the deduplication of stream requests."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing import test_stream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from transforms.schema.records import UrlRequest
from transforms.schema.urls import request_of
from transforms.sources.streaming.deduplicate import Deduplicate, _DropDuplicates

NOW = 1_000_000.0


def note(request: UrlRequest, path: Path) -> None:
    with path.open("a") as file:
        file.write(f"{request.source} {request.url}\n")


def lines(path: Path) -> list[str]:
    return sorted(path.read_text().replace("http://a.example/", "").splitlines())


def test_repeated_request_passes_after_the_time_limit(tmp_path: Path) -> None:
    events = [(0, "1"), (1, "2"), (990, "1"), (1_010, "1"), (1_020, "1"), (1_030, "3")]
    stream = test_stream.TestStream()
    for at, page in events:
        moment, request = Timestamp.of(NOW + at), request_of(f"http://a.example/{page}", "feed")
        stream = stream.advance_watermark_to(moment).add_elements([TimestampedValue(request, moment)])
    with beam.Pipeline(BundleBasedDirectRunner()) as pipeline:
        named = pipeline | stream.advance_watermark_to_infinity() | beam.Map(lambda r: r).with_output_types(UrlRequest)
        seen = named | Deduplicate(1_000)
        assert (seen.requests.element_type, seen.duplicates.element_type) == (UrlRequest, UrlRequest)
        seen.requests | "R" >> beam.Map(note, tmp_path / "requests")
        seen.duplicates | "T" >> beam.Map(note, tmp_path / "duplicates")
    assert lines(tmp_path / "requests") == ["feed 1", "feed 1", "feed 2", "feed 3"]
    assert lines(tmp_path / "duplicates") == ["feed 1", "feed 1"]


class State:
    """State of a page, as in a runner."""

    value: Any = None

    def read(self) -> Any:
        return self.value

    def write(self, value: Any) -> None:
        self.value = value

    set = write

    def clear(self) -> None:
        self.value = None


@pytest.mark.parametrize(
    ("events", "passed"),
    [
        # Time of each request, and time of failure if it is a retry, in seconds.
        ([(0, None), (1, None), (900, None)], [True, False, False]),
        ([(0, None), (99, -5), (100, 50), (150, 50), (200, 160)], [True, False, True, False, True]),
        ([(0, -5), (1, None), (2, -5)], [True, False, False]),
        ([(0, None), (200, 100), (201, None)], [True, True, False]),
    ],
)
def test_retry_passes_if_it_failed_after_the_last_request(
    monkeypatch: pytest.MonkeyPatch, events: list[tuple[float, float | None]], passed: list[bool]
) -> None:
    do, seen, forget = _DropDuplicates(1_000), State(), State()
    found = []
    for at, failed in events:
        failed_at = datetime.fromtimestamp(NOW + failed, timezone.utc) if failed is not None else None
        request = replace(request_of("http://a.example/1", "feed"), failed_at=failed_at)
        monkeypatch.setattr("transforms.sources.streaming.deduplicate.time.time", lambda at=at: NOW + at)
        [output] = do.process((request.article_id, request), Timestamp.of(NOW + at), seen, forget)
        assert output == request or (isinstance(output, TaggedOutput) and output.tag == "duplicates")
        found.append(output == request)
        if found[-1]:
            assert forget.value == Timestamp.of(NOW + at + 1_000)
    assert found == passed
    do.forget(seen)
    assert seen.read() is None
