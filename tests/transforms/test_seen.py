"""Of a stream's requests, each page's first in a while."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

import transforms.seen
from transforms.records import UrlRequest
from transforms.seen import DropSeen
from transforms.urls import request_of

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(transforms.seen, "time", clock)
    return clock


class Clock:
    """The process's, which an element sets to its own time."""

    now = NOW

    def time(self) -> float:
        return self.now


def note(request: UrlRequest, path: Path) -> None:
    with path.open("a") as file:
        file.write(f"{request.source} {request.url}\n")


def dropped(
    folder: Path, clock: Clock, events: Iterable[tuple[float, str, bool]], seconds: float = 1_000, again: float = 100
) -> tuple[list[str], list[str]]:
    """What passes and what does not, of URLs that come at some seconds and are taken up again or not."""
    stream = TestStream()
    for at, url, is_again in events:
        value = request_of(f"http://a.example/{url}", "again" if is_again else "feed")
        stream = stream.advance_watermark_to(Timestamp.of(NOW + at))
        stream = stream.add_elements([TimestampedValue((at, value), Timestamp.of(NOW + at))])
    stream = stream.advance_watermark_to_infinity()

    def tick(event: tuple[float, UrlRequest]) -> UrlRequest:
        clock.now = NOW + event[0]
        return event[1]

    with beam.Pipeline(FnApiRunner()) as pipeline:
        requests = pipeline | stream | beam.Map(tick).with_output_types(UrlRequest)
        by_kind = [requests | k >> beam.Filter(lambda r, k=k: r.source == k) for k in ("feed", "again")]
        seen = tuple(by_kind) | DropSeen(seconds, again)
        seen.requests | "R" >> beam.Map(note, folder / "requests")
        seen.twins | "T" >> beam.Map(note, folder / "twins")
    return lines(folder / "requests"), lines(folder / "twins")


def lines(path: Path) -> list[str]:
    found: Sequence[str] = path.read_text().replace("http://a.example/", "").splitlines() if path.exists() else []
    return sorted(found)


def test_a_pages_first_request_passes_and_each_is_in_one_output(tmp_path: Path, clock: Clock) -> None:
    events = [(0, "1", False), (1, "2", False), (2, "1", False), (900, "1", False)]
    assert dropped(tmp_path, clock, events) == (["feed 1", "feed 2"], ["feed 1", "feed 1"])


def test_what_is_taken_up_passes_when_its_last_request_is_long_ago(tmp_path: Path, clock: Clock) -> None:
    events = [(0, "1", False), (99, "1", True), (100, "1", True), (150, "1", True), (200, "1", True)]
    assert dropped(tmp_path, clock, events) == (["again 1", "again 1", "feed 1"], ["again 1", "again 1"])


def test_what_is_taken_up_and_was_never_seen_passes(tmp_path: Path, clock: Clock) -> None:
    assert dropped(tmp_path, clock, [(0, "1", True), (1, "1", False)]) == (["again 1"], ["feed 1"])


def test_a_page_is_forgotten_after_a_while_and_no_sooner(tmp_path: Path, clock: Clock) -> None:
    events = [(0, "1", False), (990, "1", False), (1_010, "1", False), (1_020, "1", False)]
    assert dropped(tmp_path, clock, events) == (["feed 1", "feed 1"], ["feed 1", "feed 1"])


def test_the_while_counts_from_the_last_request_that_passed(tmp_path: Path, clock: Clock) -> None:
    events = [(0, "1", False), (500, "1", True), (1_010, "1", False), (1_510, "1", False)]
    assert dropped(tmp_path, clock, events) == (["again 1", "feed 1", "feed 1"], ["feed 1"])
