"""Tests of the Pub/Sub source with Google's fake server: pull, redelivery and drain."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows
from apache_beam.utils.timestamp import Timestamp

from pipeline.config.errors import ConfigError
from pipeline.stream.runner import stream_options
from tests.support.pubsub import SUBSCRIPTION, PubSub, serve_pubsub
from transforms.runtime.drain import drain, resume, shared_drain
from transforms.schema.records import UrlRequest
from transforms.sources import PubSubSource
from transforms.sources.streaming.pubsub import SubscriptionError, ack_handle_of, acknowledge, open_subscriber, pull
from transforms.sources.streaming.pubsub_transform import ReadPubSub

pytestmark = pytest.mark.engine
URLS = [f"https://site{n % 7}.example/{n}" for n in range(25)]
MISSING = SUBSCRIPTION + "-not-there"


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    with serve_pubsub() as served:
        yield served


def pulled(most: int = 1_000, lease_seconds: int = 600) -> dict[str, str]:
    """The ack handle of each message of one pull, by its data."""
    with open_subscriber() as client:
        messages = pull(client, SUBSCRIPTION, most, lease_seconds)
        assert messages is not None
        return {m.message.data.decode(): ack_handle_of(SUBSCRIPTION, m.ack_id) for m in messages}


def test_acknowledged_message_is_not_redelivered(pubsub: PubSub) -> None:
    pubsub.publish(url.encode() for url in URLS)
    ack_handles = pulled()
    assert sorted(ack_handles) == sorted(URLS)
    assert pulled() == {}

    acknowledge(ack_handles[url] for url in URLS[:20])
    pubsub.wait(599)
    assert pulled() == {}
    assert [(m.deliveries, m.acks, m.leases) for m in pubsub.messages()] == [(1, 1, (600,))] * 20 + [(1, 0, (600,))] * 5


def test_unacknowledged_message_is_redelivered(pubsub: PubSub) -> None:
    pubsub.publish(url.encode() for url in URLS)
    first = pulled(lease_seconds=30)
    acknowledge(first[url] for url in URLS[:20])
    pubsub.wait(31)
    second = pulled()
    assert sorted(second) == sorted(URLS[20:])

    acknowledge(first.values())
    assert {m.acks for m in pubsub.messages()[20:]} == {0}, "an expired ack handle acknowledged a redelivered message"
    acknowledge(second.values())
    assert {(m.deliveries, m.acks) for m in pubsub.messages()[20:]} == {(2, 1)}


def test_invalid_ack_handles_are_ignored(pubsub: PubSub, caplog: pytest.LogCaptureFixture) -> None:
    pubsub.publish([b"https://a.example/1"])
    ack_handles = list(pulled().values())
    acknowledge(
        [
            *ack_handles,
            *ack_handles,
            ack_handle_of(MISSING, "m0:1"),
            ack_handle_of(SUBSCRIPTION, "m99:1"),
            "",
            "nonsense",
        ]
    )
    assert [m.acks for m in pubsub.messages()] == [1]
    assert f"{MISSING}: 1 messages will be redelivered" in caplog.text


def test_request_size_limit(pubsub: PubSub, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit is reduced, because the ack handles of the fake are short.
    monkeypatch.setattr("transforms.sources.streaming.pubsub._MAX_REQUEST", 50)
    pubsub.publish(url.encode() for url in URLS)
    acknowledge(pulled().values())
    assert {(m.acks, m.leases) for m in pubsub.messages()} == {(1, (600,))}


def test_pull_limit(pubsub: PubSub) -> None:
    pubsub.publish(url.encode() for url in URLS)
    assert len(pulled(most=3)) == 3


def test_unreachable_service_is_retried(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    with open_subscriber() as client:
        assert pull(client, SUBSCRIPTION, 10, 600) is None
    assert f"{SUBSCRIPTION} cannot be read now" in caplog.text


def test_missing_subscription(pubsub: PubSub) -> None:
    with open_subscriber() as client, pytest.raises(SubscriptionError, match=f"{MISSING} cannot be read: 404"):
        pull(client, MISSING, 10, 600)


class Stream:
    """Output of a running stream, in a file because workers may be other processes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def lines(self) -> list[list[str]]:
        """The lines so far: end of the window or timestamp, then URL and ack handle."""
        text = self._file.read_text() if self._file.exists() else ""
        return [line.split("\t") for line in text.splitlines()]

    def until(self, holds: "Callable[[list[list[str]]], bool]") -> list[list[str]]:
        """Wait until a condition holds."""
        end = time.monotonic() + 60
        while not holds(lines := self.lines()):
            assert time.monotonic() < end, lines
            time.sleep(0.05)
        return lines


@contextmanager
def streaming(source: PubSubSource, folder: Path) -> Iterator[Stream]:
    """Run the source until the body ends; then drain it and wait for its end."""
    file = folder / "requests"
    failed: list[Exception] = []

    def run() -> None:
        try:
            with beam.Pipeline(FnApiRunner()) as pipeline:
                _ = pipeline | ReadPubSub(source) | beam.Map(_write, str(file))
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Stream(file)
    finally:
        drain()
        thread.join(60)
        resume()
    assert not thread.is_alive()
    assert not failed, failed


@beam.ptransform_fn  # type: ignore[untyped-decorator]
def _windows(requests: "beam.PCollection[UrlRequest]", file: str) -> "beam.PCollection[None]":
    """Write a line for each URL when its window of two seconds closes; late data is lost."""
    return (
        requests
        | beam.Map(lambda request: ("", request.url)).with_output_types(tuple[str, str])
        | beam.WindowInto(FixedWindows(2))
        | beam.GroupByKey()
        | beam.Map(_write_group, file)
    )


def _write_group(group: tuple[str, Iterable[str]], file: str) -> None:
    with Path(file).open("a") as lines:
        lines.writelines(f"{url}\n" for url in group[1])


def test_windows_close_without_late_data(pubsub: PubSub, tmp_path: Path) -> None:
    source = PubSubSource(subscription=SUBSCRIPTION, pullers=2, per_minute=100_000)
    file = tmp_path / "requests"
    try:
        options = stream_options(["--environment_type=LOOPBACK"])
    except ConfigError as error:
        pytest.skip(str(error))
    with shared_drain():
        pipeline = beam.Pipeline(options=options)
        _ = pipeline | ReadPubSub(source) | _windows(str(file))
        result = pipeline.run()
        try:
            for n in range(20):
                pubsub.publish(b"https://a.example/%d/%d" % (n, m) for m in range(5))
                time.sleep(0.4)
            lines = Stream(file).until(lambda lines: len(lines) == 100)
        finally:
            drain()
            result.wait_until_finish(60_000)
    assert len(Stream(file).lines()) == len(lines)


def _write(request: UrlRequest, file: str, timestamp: Timestamp = beam.DoFn.TimestampParam) -> None:
    with Path(file).open("a") as lines:
        lines.write(f"{timestamp.micros / 1e6}\t{request.url}\t{request.ack_handle}\n")


@pytest.mark.parametrize("pullers", [1, 3])
def test_stream_runs_until_drained(pubsub: PubSub, tmp_path: Path, pullers: int) -> None:
    source = PubSubSource(subscription=SUBSCRIPTION, pullers=pullers, per_minute=100_000)
    pubsub.publish([b"https://a.example/0"])
    with streaming(source, tmp_path) as stream:
        stream.until(lambda lines: len(lines) == 1)
        began = time.time()
        pubsub.publish([url.encode() for url in URLS] + [b"no address"])
        lines = stream.until(lambda lines: len(lines) == 27)
    assert sorted(url for _, url, _ in lines[1:]) == sorted([*URLS, "no address"])
    assert all(began <= float(at) <= time.time() for at, _, _ in lines[1:])

    assert {(m.deliveries, m.acks) for m in pubsub.messages()} == {(1, 0)}
    acknowledge(ack_handle for _, _, ack_handle in lines)
    assert {(m.deliveries, m.acks) for m in pubsub.messages()} == {(1, 1)}


def test_rate_limit(pubsub: PubSub, tmp_path: Path) -> None:
    # 600 per minute are ten per second, in pulls of at most fifty.
    pubsub.publish(b"https://a.example/%d" % n for n in range(500))
    began = time.monotonic()
    with streaming(PubSubSource(subscription=SUBSCRIPTION, per_minute=600), tmp_path) as stream:
        stream.until(lambda lines: len(lines) >= 100)
        seconds = time.monotonic() - began
        taken = len(stream.lines())
    assert seconds > 5
    assert taken <= 50 + 10 * seconds
