"""Sources without an end: `Poll` asks something over and over, for as long as the pipeline runs.

Beam's own ``Watch`` (``apache_beam.io.watch``) asks each element at one fixed interval, keeps every output's hash for
ever and cannot be told to stop; here the poller says what it wants to remember and when its next turn is, and a drain
(`transforms.runtime.drain`) ends the source, so that the watermark goes to its end and every window is closed.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
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
"""A poller has its turn at least so often: a source that sleeps for longer would hold up the watermark, and with it
every window."""

# Prism takes the watermark of the part that reported last for that of all parts, so what another part's turn brings
# meanwhile would be late.
_LAG_SECONDS = 5.0
_UNDER_WAY = object()


class Polled(NamedTuple):
    """What one turn brought."""

    outputs: Sequence[Any]
    """Records; a `TaggedOutput` for another output than the main one."""
    memory: bytes
    """What the poller wants to be given in its next turn; it survives a worker where the runner keeps state. Never
    empty: Beam takes an empty rest for none."""
    seconds: float
    """How long it would sleep until then."""


class Poller(Protocol):
    """Asks a source once. It may be called in any process, but for one element never twice at a time."""

    def __call__(self, element: Any, memory: bytes, /) -> Polled: ...


class Poll(beam.PTransform):
    """Asks sources over and over: PBegin -> PCollection of their outputs, or their tagged outputs.

    A record's timestamp is the end of its turn, and the watermark stands some seconds before the last one.

    Args:
        elements: the sources, or parts of them: each is asked by one worker at a time.
        poller: asks one of them.
        tags: the names of outputs beside the main one, which is ``main`` then.
    """

    def __init__(self, elements: Sequence[Any], poller: Poller, tags: Iterable[str] = ()) -> None:
        super().__init__()
        self._elements, self._poller, self._tags = list(elements), poller, tuple(tags)

    def expand(self, begin: beam.pvalue.PBegin) -> Any:
        turns = beam.ParDo(_Turns(self._poller))
        polled = (
            begin
            | beam.Create(self._elements)
            | beam.Reshuffle()
            | (turns.with_outputs(*self._tags, main="main") if self._tags else turns)
        )
        for output in (polled.main, *(polled[tag] for tag in self._tags)) if self._tags else (polled,):
            output.is_bounded = False  # Beam asks the input, where outputs have tags
        return polled


class _Tracker(RestrictionTracker):
    """A restriction is what the poller remembers; None, once there is nothing left to ask.

    A turn is claimed before it begins (`_UNDER_WAY`), and at its end what comes next. Between the two nothing can be
    given away: another worker would ask at the same time, and what this turn brings would belong to nobody.
    """

    def __init__(self, memory: bytes | None) -> None:
        self._memory = memory
        self._rest: bytes | object | None = memory
        self._is_done = False

    def current_restriction(self) -> bytes | None:
        return self._memory

    def try_claim(self, position: bytes | object | None) -> bool:
        if self._is_done:
            return False
        self._rest = position
        return True

    def try_split(self, _fraction: float) -> tuple[None, bytes | object] | None:
        rest = self._rest
        if self._is_done or rest is _UNDER_WAY or rest is None:
            return None
        self._is_done, self._memory, self._rest = True, None, None
        return None, rest

    def check_done(self) -> bool:
        if self._rest is not None:
            raise ValueError("a poller's turn was neither taken nor given back")
        return True

    def current_progress(self) -> RestrictionProgress:
        # A fraction alone: where there is none, Beam divides by the bytes that were given so far, which may be none.
        return RestrictionProgress(fraction=1.0 if self._rest is None else 0.5)

    def is_bounded(self) -> bool:
        return self._memory is None


class _MemoryCoder(Coder):
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
        return _MemoryCoder()

    def restriction_size(self, _element: Any, _restriction: bytes | None) -> int:
        return 1

    def truncate(self, _element: Any, _restriction: bytes | None) -> None:
        """A runner that drains the pipeline asks no more."""


class _Turns(beam.DoFn):
    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: Any,
        tracker: RestrictionTrackerView = beam.DoFn.RestrictionParam(_Provider()),  # noqa: B008 - Beam's way
        estimator: Any = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider()),  # noqa: B008
    ) -> Iterator[Any]:
        memory, began = tracker.current_restriction(), Timestamp.of(time.time())
        if memory is None or is_draining():
            tracker.try_claim(None)
            return
        if not tracker.try_claim(_UNDER_WAY):
            return
        turn = self._poller(element, memory)
        ended = Timestamp.of(time.time())
        if not turn.memory:
            raise ValueError("a poller gave no memory, so its source would end here without a word")
        tracker.try_claim(turn.memory)
        for output in turn.outputs:
            is_tagged = isinstance(output, TaggedOutput)
            stamped = TimestampedValue(output.value if is_tagged else output, ended)
            yield TaggedOutput(output.tag, stamped) if is_tagged else stamped
        before, lagged = estimator.current_watermark(), began - Duration(_LAG_SECONDS)
        estimator.set_watermark(lagged if before is None else max(before, lagged))
        tracker.defer_remainder(Duration(min(turn.seconds, TICK_SECONDS)))
