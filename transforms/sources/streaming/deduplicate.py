"""`Deduplicate`: of a stream's requests, each page's first in a while."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.coders import FloatCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Duration

from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import UrlRequest


class Deduplicated(NamedTuple):
    """Every request that came in is in one of the two."""

    requests: "beam.PCollection[UrlRequest]"
    duplicates: "beam.PCollection[UrlRequest]"
    """Requests for a page that was asked for a while ago, by this stream."""


class Deduplicate(beam.PTransform):
    """Lets a page's first request pass, and then none for a while.

    PCollection[UrlRequest] -> `Deduplicated`. One that is taken up again (`UrlRequest.failed_at`) passes too, if it was
    settled after its page's last request had passed: that one is under way otherwise. What is remembered is one time a
    page, in the runner's state, and for a bounded while: older pages are the ledger's matter
    (``pipeline.lake.query.crawl_state``), which knows a page once its window is committed.

    Args:
        seconds: for how long a page is remembered.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._drop = _DropSeen(seconds)

    @multiple_outputs
    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Deduplicated:
        keyed = requests | "Page" >> beam.Map(lambda r: (r.article_id, r)).with_output_types(tuple[str, UrlRequest])
        seen = keyed | "Drop" >> beam.ParDo(self._drop).with_outputs("duplicates", main="requests")
        seen.requests.element_type = UrlRequest
        seen.duplicates.element_type = UrlRequest
        return Deduplicated(seen.requests, seen.duplicates)


class _DropSeen(beam.DoFn):
    SEEN = ReadModifyWriteStateSpec("seen", FloatCoder())
    # In event time: a timer of the clock would hold the watermark for as long.
    FORGET = TimerSpec("forget", TimeDomain.WATERMARK)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def process(
        self,
        element: tuple[str, UrlRequest],
        timestamp: "beam.utils.timestamp.Timestamp" = beam.DoFn.TimestampParam,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008 - Beam's way
        forget: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(FORGET),  # noqa: B008
    ) -> Iterator[UrlRequest | TaggedOutput]:
        request = element[1]
        before, failed_at = seen.read(), request.failed_at.timestamp() if request.failed_at is not None else None
        if before and (failed_at is None or failed_at <= before):
            count("sources", "seen")
            yield TaggedOutput("duplicates", request)
            return
        # What failed is compared with failures, whose clock may be another.
        seen.write(time.time() if failed_at is None else failed_at)
        forget.set(timestamp + Duration(self._seconds))
        yield request

    @on_timer(FORGET)  # type: ignore[untyped-decorator]
    def forget(
        self,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008
    ) -> None:
        seen.clear()
