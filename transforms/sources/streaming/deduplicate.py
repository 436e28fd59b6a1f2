"""Deduplicate the requests of a stream by page within a time limit."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import apache_beam as beam
from apache_beam.coders import FloatCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Duration

from transforms.runtime.metrics import count
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.records import UrlRequest

TaggedDuplicate: TypeAlias = TaggedOutput[Literal["duplicates"], UrlRequest]


class Deduplicated(NamedTuple):
    """Each input request is in one of the two collections."""

    requests: "beam.PCollection[UrlRequest]"
    duplicates: "beam.PCollection[UrlRequest]"
    """Requests for a page that this stream requested less than the time limit ago."""


@dataclass
class Deduplicate(beam.PTransform):
    """Drop repeated requests for a page: PCollection[UrlRequest] -> `Deduplicated`.

    A retry (`UrlRequest.failed_at`) passes too, if it failed after the page's last request passed; otherwise that
    request is still in progress. The runner's state holds one time per page, for a limited time: older pages are known
    to the crawl state (``pipeline.lake.query.crawl_state``) once their window is committed.

    Args:
        seconds: how long a page is remembered.
    """

    seconds: float

    def __post_init__(self) -> None:
        super().__init__()

    @multiple_outputs
    def expand(self, requests: "beam.PCollection[UrlRequest]") -> Deduplicated:
        keyed = requests | "Page" >> beam.Map(lambda r: (r.article_id, r)).with_output_types(tuple[str, UrlRequest])
        unique = keyed | "Drop" >> beam.ParDo(_DropDuplicates(self.seconds)).with_outputs("duplicates", main="requests")
        return Deduplicated(unique.requests, unique.duplicates)


class _DropDuplicates(beam.DoFn):
    SEEN = ReadModifyWriteStateSpec("seen", FloatCoder())
    # In event time: a processing-time timer would hold back the watermark for as long.
    FORGET = TimerSpec("forget", TimeDomain.WATERMARK)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def process(
        self,
        element: tuple[str, UrlRequest],
        timestamp: "beam.utils.timestamp.Timestamp" = beam.DoFn.TimestampParam,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008 - Beam's way
        forget: "beam.transforms.userstate.RuntimeTimer" = beam.DoFn.TimerParam(FORGET),  # noqa: B008
    ) -> Iterator[UrlRequest | TaggedDuplicate]:
        request = element[1]
        before, failed_at = seen.read(), request.failed_at.timestamp() if request.failed_at is not None else None
        if before and (failed_at is None or failed_at <= before):
            count("sources", "seen")
            yield TaggedOutput("duplicates", request)
            return
        # A retry stores the time of its failure, because the clock of that worker may differ.
        seen.write(time.time() if failed_at is None else failed_at)
        forget.set(timestamp + Duration(self._seconds))
        yield request

    @on_timer(FORGET)  # type: ignore[untyped-decorator]
    def forget(
        self,
        seen: "beam.transforms.userstate.ReadModifyWriteRuntimeState" = beam.DoFn.StateParam(SEEN),  # noqa: B008
    ) -> None:
        seen.clear()
