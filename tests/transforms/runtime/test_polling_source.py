"""A source without an end: its turns, its state, its watermark, its end by a drain."""

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from transforms.runtime.drain import drain, resume
from transforms.runtime.polling_source import (
    _UNDER_WAY,
    TICK_SECONDS,
    Poll,
    Polled,
    _PollLoop,
    _Provider,
    _StateCoder,
    _Tracker,
)


@pytest.fixture(autouse=True)
def _resumed() -> Iterator[None]:
    yield
    resume()


class Counting:
    """Counts its turns in its state; the last of them drains."""

    def __init__(self, turns: int, seconds: float = 0.0) -> None:
        self._turns, self._seconds = turns, seconds

    def __call__(self, element: str, state: bytes) -> Polled:
        number = int(state or 0) + 1
        if number == self._turns:
            drain()
        odd = [TaggedOutput("odd", f"{element}{number}")] if number % 2 else []
        return Polled([f"{element}{number}", *odd], str(number).encode(), self._seconds)


def note(what: str, path: Path) -> None:
    with path.open("a") as file:
        file.write(f"{what}\n")


def noted(path: Path) -> list[str]:
    return sorted(path.read_text().split())


def test_its_memory_goes_round_and_a_drain_ends_it(tmp_path: Path) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        polled = pipeline | Poll(["a"], Counting(5), str, {"odd": str})
        for name, output in (("main", polled.main), ("odd", polled.odd)):
            assert (output.is_bounded, output.element_type) == (False, str)
            output | name >> beam.Map(note, tmp_path / name)
    assert noted(tmp_path / "main") == ["a1", "a2", "a3", "a4", "a5"]
    assert noted(tmp_path / "odd") == ["a1", "a3", "a5"]


def test_without_tags_it_is_one_collection_and_each_source_is_asked(tmp_path: Path) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        polled = pipeline | Poll(["a", "b"], Counting(1))
        assert polled.is_bounded is False
        polled | beam.Map(note, tmp_path / "all")
    # The first turn of the one drains, before or after the first of the other.
    assert set(noted(tmp_path / "all")) & {"a1", "b1"}


def turn(poller: Any, state: bytes = b"", watermark: Timestamp | None = None) -> tuple[list[Any], Any, Any]:
    """One turn as a runner makes it: its outputs, what is deferred of it, and the watermark."""
    tracker = ThreadsafeRestrictionTracker(_Tracker(state))
    estimator = ManualWatermarkEstimator(watermark)
    outputs = list(_PollLoop(poller).process("a", RestrictionTrackerView(tracker), estimator))
    tracker.check_done()
    return outputs, tracker.deferred_status(), estimator.current_watermark()


def test_the_watermark_stands_before_the_beginning_of_the_turn_and_outputs_behind_its_end() -> None:
    seen: list[float] = []

    def slow(_element: str, _state: bytes) -> Polled:
        seen.append(time.time())
        time.sleep(0.2)
        seen.append(time.time())
        return Polled(["x", TaggedOutput("t", "y")], b"1", 0.0)

    outputs, deferred, watermark = turn(slow)
    began, ended = seen
    assert watermark < Timestamp.of(began)
    plain, tagged = outputs
    assert isinstance(plain, TimestampedValue)
    assert isinstance(tagged, TaggedOutput)
    assert (plain.value, tagged.value.value) == ("x", "y")
    assert plain.timestamp == tagged.value.timestamp >= Timestamp.of(ended)
    assert deferred[0] == b"1"


def test_the_watermark_never_goes_back() -> None:
    later = Timestamp.of(time.time() + 1000)
    assert turn(lambda _e, _m: Polled([], b"1", 0.0), watermark=later)[2] == later


def test_it_comes_back_soon_however_long_its_source_sleeps() -> None:
    _, (_, delay), _ = turn(lambda _e, _m: Polled([], b"1", 3_600.0))
    assert delay.micros <= TICK_SECONDS * 1e6
    _, (_, delay), _ = turn(lambda _e, _m: Polled([], b"1", 0.5))
    assert 400_000 < delay.micros <= 500_000


def test_empty_state_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty state"):
        turn(lambda _e, _m: Polled(["x"], b"", 0.0))


def test_a_drain_asks_no_more_and_leaves_nothing_to_ask() -> None:
    drain()
    outputs, deferred, _ = turn(lambda _e, _m: pytest.fail("it was asked"))
    assert (outputs, deferred) == ([], None)


def test_claimed_poll_cannot_be_split() -> None:
    tracker = _Tracker(b"7")
    assert tracker.try_claim(_UNDER_WAY)
    assert tracker.try_split(0) is None
    with pytest.raises(ValueError, match="not claimed or did not return"):
        tracker.check_done()
    assert tracker.try_claim(b"8")
    assert tracker.try_split(0) == (None, b"8")
    assert tracker.current_restriction() is None
    assert tracker.try_split(0) is None
    assert not tracker.try_claim(_UNDER_WAY)  # what was given away is another's turn
    assert tracker.check_done()


def test_what_was_not_begun_can_be_given_away_whole() -> None:
    tracker = _Tracker(b"")
    assert tracker.try_split(0.5) == (None, b"")
    assert not tracker.try_claim(_UNDER_WAY)
    assert tracker.check_done()


def test_what_is_over_is_bounded_and_not_given_away() -> None:
    tracker = _Tracker(b"")
    assert not tracker.is_bounded()
    # Whatever was given so far: Beam once made a NaN of it, and the engine ended the job.
    assert tracker.current_progress().with_completed(0).fraction_completed == 0.5
    assert tracker.try_claim(None)
    assert tracker.try_split(0) is None
    assert tracker.current_progress().fraction_completed == 1
    assert tracker.check_done()
    assert _Tracker(None).is_bounded()


def test_a_runner_that_drains_leaves_nothing_of_it() -> None:
    provider = _Provider()
    provider.truncate("a", b"7")
    assert provider.initial_restriction("a") == b""
    assert isinstance(provider.create_tracker(b"7"), _Tracker)


@pytest.mark.parametrize("state", [None, b"", b"+", b"\0x"])
def test_memory_is_written_and_read(state: bytes | None) -> None:
    coder = _StateCoder()
    assert coder.is_deterministic()
    assert coder.decode(coder.encode(state)) == state


def test_the_mark_of_a_turn_is_known_after_pickling() -> None:
    assert pickle.loads(pickle.dumps(_PollLoop(Counting(1))))  # noqa: S301 - ours
