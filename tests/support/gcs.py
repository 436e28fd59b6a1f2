"""Google Cloud Storage for tests: the emulator behind a proxy that adds missing checks.

The proxy refuses a request whose ``ifGenerationMatch`` does not hold (412), as the service does, and can answer chosen
requests with an error of the service in place of the emulator's answer, or after it.
"""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from gcp_storage_emulator.server import create_server
from google.cloud import storage

from tests.support.proxy import Answer, ask, serve


@dataclass
class Fault:
    """An error for requests of this method whose decoded target matches."""

    method: str
    target: str
    status: int
    times: int = 1_000_000
    after: bool = False
    """Execute the request and lose only its response."""


@dataclass
class Gcs:
    """A running service; `log` has ``METHOD target`` of each request."""

    port: int
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Handle one request."""
        self.log.append(f"{method} {unquote(target)}")
        fault = self._fault(method, unquote(target))
        if fault is not None and not fault.after:
            return _error(fault.status)
        # One at a time, so that no request runs between check and change.
        with self.turn:
            wanted = parse_qs(urlsplit(target).query).get("ifGenerationMatch")
            if wanted and int(wanted[0]) != self._generation(target, body):
                return _error(412)
            answer = ask(self.port, method, target, headers, body)
        return _error(fault.status) if fault is not None else answer

    def _fault(self, method: str, target: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.target, target):
                fault.times -= 1
                return fault
        return None

    def _generation(self, target: str, body: bytes) -> int:
        """Generation of the object of a request; 0 if it does not exist."""
        parts = urlsplit(target)
        found = re.search(r"/b/([^/]+)/o(?:/(.+))?$", parts.path)
        assert found, target
        # A multipart upload has the object's name in its first part.
        named = found[2] or json.loads(re.findall(rb'\{.*?"name".*?\}+(?=\r?\n|$)', body)[0])["name"]
        path = f"/storage/v1/b/{found[1]}/o/{quote(unquote(named), safe='')}"
        status, _, content = ask(self.port, "GET", path, {}, b"")
        return int(json.loads(content)["generation"]) if status == 200 else 0


def _error(status: int) -> Answer:
    message = {
        403: "account does not have storage.objects access",
        412: "At least one of the pre-conditions you specified did not hold.",
        503: "We encountered an internal error. Please try again.",
    }[status]
    return status, {}, json.dumps({"error": {"code": status, "message": message}}).encode()


@contextmanager
def serve_gcs(*buckets: str) -> Iterator[Gcs]:
    """Serve Google Cloud Storage on loopback and point the client libraries of this process at it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gcs = Gcs(free.getsockname()[1])
    emulator = create_server("127.0.0.1", gcs.port, in_memory=True)
    emulator.start()
    with serve(gcs) as gcs.address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", gcs.address)
        patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        for bucket in buckets:
            storage.Client().create_bucket(bucket)
        yield gcs
    emulator.stop()


@contextmanager
def gcs_of_another_process(*buckets: str) -> Iterator[str]:
    """Run the service in another process, for clients that block this one; yield its address."""
    command = [sys.executable, "-W", "ignore", "-m", __name__, *buckets]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STORAGE_EMULATOR_HOST", address)
            patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
            # It ends when its input is closed.
            yield address


if __name__ == "__main__":
    with serve_gcs(*sys.argv[1:]) as served:
        sys.stdout.write(f"{served.address}\n")
        sys.stdout.flush()
        sys.stdin.read()
