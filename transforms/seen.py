"""`DropSeen`: of a stream's requests, each page's first in a while."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.coders import FloatCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Duration

from transforms.counters import count
from transforms.records import UrlRequest


class Unseen(NamedTuple):
    """Every request that came in is in one of the two."""

    requests: "beam.PCollection[UrlRequest]"
    twins: "beam.PCollection[UrlRequest]"
    """Requests for a page that was asked for a while ago, by this stream."""


class DropSeen(beam.PTransform):
    """Lets a page's first request pass, and then none for a while.

    Takes two PCollections of `UrlRequest`, those that sources name and those that are taken up again after a failure;
    gives an `Unseen`. What is remembered is one time a page, in the runner's state, and for a bounded while: older
    pages are the ledger's matter (``pipeline.ledger``), which knows a page once its window is committed.

    Args:
        seconds: for how long a page is remembered.
        again_seconds: how long after a page's last request it may be taken up again.
    """

    def __init__(self, seconds: float, again_seconds: float) -> None:
        super().__init__()
        self._drop = _DropSeen(seconds, again_seconds)

    def expand(self, inputs: "tuple[beam.PCollection[UrlRequest], beam.PCollection[UrlRequest]]") -> Unseen:
        named, again = inputs
        keyed = (
            named | "Named" >> beam.Map(_keyed, False).with_output_types(_Keyed),
            again | "Again" >> beam.Map(_keyed, True).with_output_types(_Keyed),
        )
        seen = keyed | beam.Flatten() | "Drop" >> beam.ParDo(self._drop).with_outputs("twins", main="requests")
        seen.requests.element_type = UrlRequest
        seen.twins.element_type = UrlRequest
        return Unseen(seen.requests, seen.twins)


_Keyed = tuple[str, tuple[bool, UrlRequest]]
"""A page's id, whether it is taken up again, and the request."""


def _keyed(request: UrlRequest, is_again: bool) -> _Keyed:
    return request.article_id, (is_again, request)


class _DropSeen(beam.DoFn):
    SEEN = ReadModifyWriteStateSpec("seen", FloatCoder())
    # In event time: a timer of the clock would hold the watermark for as long.
    FORGET = TimerSpec("forget", TimeDomain.WATERMARK)

    def __init__(self, seconds: float, again_seconds: float) -> None:
        self._seconds, self._again_seconds = seconds, again_seconds

    def process(
        self,
        element: _Keyed,
        timestamp: "beam.utils.timestamp.Timestamp" = beam.DoFn.TimestampParam,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008 - Beam's way
        forget: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(FORGET),  # noqa: B008
    ) -> Iterator[UrlRequest | TaggedOutput]:
        is_again, request = element[1]
        before, now = seen.read(), time.time()
        if before and not (is_again and now - before >= self._again_seconds):
            count("sources", "seen")
            yield TaggedOutput("twins", request)
            return
        seen.write(now)
        forget.set(timestamp + Duration(self._seconds))
        yield request

    @on_timer(FORGET)  # type: ignore[untyped-decorator]
    def forget(
        self,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008
    ) -> None:
        seen.clear()
