"""Poll unbounded sources with `Poll`, a splittable DoFn that runs as long as the pipeline.

Beam's own ``Watch`` (``apache_beam.io.watch``) polls each element at one fixed interval, keeps the hash of every output
forever and cannot be stopped. Here the poller chooses its checkpoint state and its next poll, and a drain
(`transforms.runtime.drain`) ends the source, so that the watermark advances to its end and every window closes.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners.sdf_utils import RestrictionTrackerView
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms.runtime.drain import is_draining

TICK_SECONDS = 2.0
"""Maximum time between two calls of a poller: a longer pause would hold back the watermark and every window."""

# Prism uses the watermark of the last restriction that reported for all restrictions, so outputs of another
# restriction's poll would be late.
_LAG_SECONDS = 5.0
_UNDER_WAY = object()


class Polled(NamedTuple):
    """Result of one poll."""

    outputs: Sequence[Any]
    """Records; a `TaggedOutput` for an output other than the main one."""
    state: bytes
    """Checkpoint state for the next poll; survives a worker failure if the runner keeps state. Never empty: Beam
    treats an empty remainder as the end."""
    seconds: float
    """Seconds until the next poll."""


class Poller(Protocol):
    """Polls a source once. It is called in any process, but never concurrently for one element."""

    def __call__(self, element: Any, state: bytes, /) -> Polled: ...


@dataclass
class Poll(beam.PTransform):
    """Poll sources repeatedly: PBegin -> PCollection of their outputs, or tagged outputs.

    The timestamp of a record is the end of its poll; the watermark is a few seconds behind the last poll.

    Args:
        elements: the sources or parts of them; one worker at a time polls an element.
        poller: polls one element.
        output_type: type of the main output's elements.
        tagged_types: types of further outputs by tag; if given, the name of the main output is ``main``.
    """

    elements: Sequence[Any]
    poller: Poller
    output_type: Any = Any
    tagged_types: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, begin: beam.pvalue.PBegin) -> Any:
        polls = beam.ParDo(_PollLoop(self.poller)).with_output_types(self.output_type, **self.tagged_types)
        polled = (
            begin
            | beam.Create(list(self.elements))
            | beam.Reshuffle()
            | (polls.with_outputs(*self.tagged_types, main="main") if self.tagged_types else polls)
        )
        for output in (polled.main, *(polled[tag] for tag in self.tagged_types)) if self.tagged_types else (polled,):
            output.is_bounded = False  # with tagged outputs, Beam would derive it from the input
        return polled


class _Tracker(RestrictionTracker):
    """Tracks a restriction: the poller's checkpoint state, or None after polling has ended.

    A poll is claimed before it begins (`_UNDER_WAY`), and the next state at its end. In between, the restriction
    cannot be split: another worker would poll concurrently, and the outputs of this poll would be lost.
    """

    def __init__(self, state: bytes | None) -> None:
        self._state = state
        self._rest: bytes | object | None = state
        self._is_done = False

    def current_restriction(self) -> bytes | None:
        return self._state

    def try_claim(self, position: bytes | object | None) -> bool:
        if self._is_done:
            return False
        self._rest = position
        return True

    def try_split(self, _fraction: float) -> tuple[None, bytes | object] | None:
        rest = self._rest
        if self._is_done or rest is _UNDER_WAY or rest is None:
            return None
        self._is_done, self._state, self._rest = True, None, None
        return None, rest

    def check_done(self) -> bool:
        if self._rest is not None:
            raise ValueError("the restriction is not finished: a poll was not claimed or did not return")
        return True

    def current_progress(self) -> RestrictionProgress:
        # Without a fraction, Beam divides by the number of bytes output so far, which may be 0.
        return RestrictionProgress(fraction=1.0 if self._rest is None else 0.5)

    def is_bounded(self) -> bool:
        return self._state is None


class _StateCoder(Coder):
    """None, or bytes."""

    def encode(self, value: bytes | None) -> bytes:
        return b"" if value is None else b"+" + value

    def decode(self, encoded: bytes) -> bytes | None:
        return encoded[1:] if encoded else None

    def is_deterministic(self) -> bool:
        return True


class _Provider(RestrictionProvider):
    def initial_restriction(self, _element: Any) -> bytes | None:
        return b""

    def create_tracker(self, restriction: bytes | None) -> _Tracker:
        return _Tracker(restriction)

    def restriction_coder(self) -> Coder:
        return _StateCoder()

    def restriction_size(self, _element: Any, _restriction: bytes | None) -> int:
        return 1

    def truncate(self, _element: Any, _restriction: bytes | None) -> None:
        """End the source if the runner drains the pipeline."""


class _PollLoop(beam.DoFn):
    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: Any,
        tracker: RestrictionTrackerView = beam.DoFn.RestrictionParam(_Provider()),  # noqa: B008 - Beam's way
        estimator: Any = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider()),  # noqa: B008
    ) -> Iterator[Any]:
        state, began = tracker.current_restriction(), Timestamp.of(time.time())
        if state is None or is_draining():
            tracker.try_claim(None)
            return
        if not tracker.try_claim(_UNDER_WAY):
            return
        polled = self._poller(element, state)
        ended = Timestamp.of(time.time())
        if not polled.state:
            raise ValueError("a poller returned an empty state, which would end its source silently")
        tracker.try_claim(polled.state)
        for output in polled.outputs:
            is_tagged = isinstance(output, TaggedOutput)
            stamped = TimestampedValue(output.value if is_tagged else output, ended)
            yield TaggedOutput(output.tag, stamped) if is_tagged else stamped
        before, lagged = estimator.current_watermark(), began - Duration(_LAG_SECONDS)
        estimator.set_watermark(lagged if before is None else max(before, lagged))
        tracker.defer_remainder(Duration(min(polled.seconds, TICK_SECONDS)))
