"""The transforms of Pub/Sub: `ReadPubSub`, a subscription that is pulled until the stream is drained, and its end."""

import time
from typing import Any

import apache_beam as beam

from transforms.runtime.polling_source import Poll, Polled
from transforms.schema.records import UrlRequest
from transforms.sources.config import PubSubSource
from transforms.sources.streaming.pubsub import MAX_MESSAGES, open_subscriber, pull, receipt_of, request_of_message

_BURST_SECONDS = 5.0
_SLEEP_SECONDS = 1.0
_OUTAGE_SECONDS = 10.0


class ReadPubSub(beam.PTransform):
    """Reads a subscription without end: PBegin -> PCollection[UrlRequest], unbounded.

    An element's time is that of its pull, and the watermark moves while the queue is empty. Each request carries the
    ack_handle of its message, which `transforms.sources.streaming.pubsub.acknowledge` takes once the rows stand: what a
    lost worker held comes again.

    On Dataflow the engine's own source reads: it acknowledges what it has stored itself, requests carry no ack_handle,
    and their time is that of their publication, which its watermark knows.

    Args:
        source: the subscription.
    """

    def __init__(self, source: PubSubSource) -> None:
        super().__init__()
        self._source = source

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        source = self._source
        if type(begin.pipeline.runner).__name__ == "DataflowRunner":
            # Not with timestamp_attribute: a message where it is broken or missing would stop the job for good.
            return (
                begin
                | beam.io.ReadFromPubSub(
                    subscription=source.subscription, id_label=source.id_attribute, with_attributes=True
                )
                | "Request"
                >> beam.Map(
                    lambda message: request_of_message(message.data, message.attributes, source.timestamp_attribute)
                ).with_output_types(UrlRequest)
            )
        pulled = begin | Poll(range(source.pullers), _Puller(source))
        pulled.element_type = UrlRequest
        return pulled


class _Puller:
    """Pulls once; what it remembers is when the next pull is due."""

    def __init__(self, source: PubSubSource) -> None:
        self._source = source
        self._client: Any = None
        self._a_second = source.per_minute / 60 / source.pullers
        self._most = min(MAX_MESSAGES, max(1, int(self._a_second * _BURST_SECONDS)))

    def __reduce__(self) -> tuple[type["_Puller"], tuple[PubSubSource]]:
        # Each process opens a client of its own.
        return type(self), (self._source,)

    def __call__(self, _puller: int, state: bytes) -> Polled:
        if (left := float(state or 0) - time.time()) > 0:
            # Some engines come back at once.
            time.sleep(min(left, _SLEEP_SECONDS))
            return Polled([], state, max(0.0, left - _SLEEP_SECONDS))
        source = self._source
        self._client = self._client or open_subscriber()
        messages = pull(self._client, source.subscription, self._most, source.lease_seconds)
        pause = _OUTAGE_SECONDS if messages is None else len(messages) / self._a_second
        requests = [
            request_of_message(
                received.message.data,
                received.message.attributes,
                source.timestamp_attribute,
                receipt_of(source.subscription, received.ack_id),
            )
            for received in messages or ()
        ]
        return Polled(requests, str(time.time() + pause).encode(), pause)
