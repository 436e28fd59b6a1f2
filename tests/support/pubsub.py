"""Google Cloud Pub/Sub for tests: Google's in-memory fake (`tests/engines/pubsub`) in its own process."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import BatchSettings

ROOT = Path(__file__).parents[2]
TOPIC = "projects/some-project/topics/articles"
SUBSCRIPTION = "projects/some-project/subscriptions/articles"


@dataclass(frozen=True)
class Message:
    """Deliveries and acknowledgements of a message."""

    data: bytes
    deliveries: int
    acks: int
    leases: tuple[int, ...]
    """Requested deadlines, in seconds."""


class PubSub:
    """A running fake, with one topic and one subscription to it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._line()
        """For PUBSUB_EMULATOR_HOST."""

    def publish(self, messages: Iterable[bytes], **attributes: str) -> None:
        """Publish messages with these attributes, and wait until they are stored."""
        with PublisherClient(BatchSettings(max_latency=0.05)) as publisher:
            for sent in [publisher.publish(TOPIC, data, **attributes) for data in messages]:
                sent.result(30)

    def messages(self) -> list[Message]:
        """All messages, in the order in which they were published."""
        return [
            Message(base64.b64decode(m["data"] or ""), m["deliveries"], m["acks"], tuple(m["modacks"]))
            for m in json.loads(self._ask("messages"))
        ]

    def wait(self, seconds: int) -> None:
        """Advance the service's clock. It drops messages that are not leased after ten minutes."""
        self._ask(f"wait {seconds}")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the Pub/Sub fake has ended"
        return line.strip()


@contextmanager
def serve_pubsub() -> Iterator[PubSub]:
    """Serve Pub/Sub on loopback and point the client libraries of this process, and of its children, at it."""
    with subprocess.Popen([_built()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        # It ends when its input is closed.
        pubsub = PubSub(process)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
            patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
            with PublisherClient() as publisher, SubscriberClient() as subscriber:
                publisher.create_topic(name=TOPIC)
                subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
            yield pubsub


def _built() -> Path:
    """Build the fake; Go does so only if its source changed."""
    go = shutil.which("go", path=f"{os.environ['PATH']}{os.pathsep}/usr/local/go/bin")
    if go is None:
        pytest.skip("Go is needed to build the fake of Pub/Sub (https://go.dev/doc/install)")
    binary = ROOT / ".engines" / "pubsub"
    binary.parent.mkdir(exist_ok=True)
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = subprocess.run(
            [go, "build", "-o", binary, "."],
            cwd=ROOT / "tests" / "engines" / "pubsub",
            stderr=subprocess.PIPE,
            text=True,
        )
    if built.returncode:
        pytest.skip(f"the fake of Pub/Sub cannot be built; is the Go module proxy in reach? {built.stderr[-500:]}")
    return binary
