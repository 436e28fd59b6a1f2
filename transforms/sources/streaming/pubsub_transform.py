"""Read a Pub/Sub subscription until the stream is drained: the `ReadPubSub` transform."""

import time
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from transforms.runtime.polling_source import Poll, Polled
from transforms.schema.records import UrlRequest
from transforms.sources.config import PubSubSource
from transforms.sources.streaming.pubsub import MAX_MESSAGES, ack_handle_of, open_subscriber, pull, request_of_message

_BURST_SECONDS = 5.0
_SLEEP_SECONDS = 1.0
_OUTAGE_SECONDS = 10.0


@dataclass
class ReadPubSub(beam.PTransform):
    """Read a subscription without an end: PBegin -> PCollection[UrlRequest], unbounded.

    The timestamp of an element is the time of its pull, and the watermark advances while the queue is empty. Each
    request carries the ack handle of its message; `transforms.sources.streaming.pubsub.acknowledge` takes it after the
    commit, so the messages of a crashed worker are delivered again.

    On Dataflow the engine's own source reads the subscription: it acknowledges messages once it has stored them, so
    requests carry no ack handle, and their timestamp is that of publication, which its watermark follows.

    Args:
        source: the subscription.
    """

    source: PubSubSource

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, begin: beam.pvalue.PBegin) -> "beam.PCollection[UrlRequest]":
        source = self.source
        if type(begin.pipeline.runner).__name__ == "DataflowRunner":
            # Without timestamp_attribute: a message with an invalid or missing one would stop the job permanently.
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
        return begin | Poll(range(source.pullers), _Puller(source), UrlRequest)


class _Puller:
    """Pulls once; its state is the time of the next pull."""

    def __init__(self, source: PubSubSource) -> None:
        self._source = source
        self._client: Any = None
        self._per_second = source.per_minute / 60 / source.pullers
        self._most = min(MAX_MESSAGES, max(1, int(self._per_second * _BURST_SECONDS)))

    def __reduce__(self) -> tuple[type["_Puller"], tuple[PubSubSource]]:
        # Each process opens its own client.
        return type(self), (self._source,)

    def __call__(self, _puller: int, state: bytes) -> Polled:
        if (left := float(state or 0) - time.time()) > 0:
            # Some engines poll again immediately.
            time.sleep(min(left, _SLEEP_SECONDS))
            return Polled([], state, max(0.0, left - _SLEEP_SECONDS))
        source = self._source
        self._client = self._client or open_subscriber()
        messages = pull(self._client, source.subscription, self._most, source.lease_seconds)
        pause = _OUTAGE_SECONDS if messages is None else len(messages) / self._per_second
        requests = [
            request_of_message(
                received.message.data,
                received.message.attributes,
                source.timestamp_attribute,
                ack_handle_of(source.subscription, received.ack_id),
            )
            for received in messages or ()
        ]
        return Polled(requests, str(time.time() + pause).encode(), pause)
