"""BigQuery for tests: the emulator behind a proxy that gives each job the id chosen by its client.

The emulator chooses the ids of upload jobs and repeats a job with a known id. The service does neither: a second
job of an id is refused (409).
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.proxy import Answer, ask, serve

EMULATOR = """
from bqemulator.cli import main
from bqemulator.storage.engine import DuckDBEngine
# Geography would download an extension.
DuckDBEngine._load_spatial = lambda self: None
# The emulator does not quote field names, and treats dt=... in a path as a column.
mended = {" end BIGINT": ' "end" BIGINT', "read_parquet(?)": "read_parquet(?, hive_partitioning = false)"}
plain = DuckDBEngine.execute
def execute(self, sql, *more):
    for wrong, right in mended.items():
        sql = sql.replace(wrong, right)
    return plain(self, sql, *more)
DuckDBEngine.execute = execute
main()
"""


@dataclass
class BigQuery:
    """A running service."""

    port: int
    address: str = ""
    jobs: list[str] = field(default_factory=list)
    """Ids of all started jobs, in order."""
    list_loads: list[bool] = field(default_factory=list)
    """For each started load, whether it requests lists as repeated fields, which the emulator always does."""
    refuse_loads: int = 0
    """Number of loads to fail, like jobs with unreadable files."""
    _uploads: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _failed: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Handle one request."""
        parts = urlsplit(target)
        if method == "POST" and parts.path.endswith("/jobs"):
            wanted = _job_id(body)
            if wanted in self.jobs:
                return 409, {}, _error(409, "duplicate", f"Already Exists: Job {wanted}")
            self.jobs.append(wanted)
            if b'"load"' in body:
                self.list_loads.append(re.search(rb'"enableListInference": ?true', body) is not None)
            status, headers_, content = ask(self.port, method, target, headers, body)
            if "upload_id=" in headers_.get("Location", headers_.get("location", "")):
                location = headers_.get("Location") or headers_["location"]
                self._uploads[parse_qs(urlsplit(location).query)["upload_id"][0]] = wanted
            return self._named(wanted, status, headers_, content)
        if method == "PUT" and "upload_id" in target:
            wanted = self._uploads[parse_qs(parts.query)["upload_id"][0]]
            if self.refuse_loads:
                self.refuse_loads -= 1
                self._failed[wanted] = _failed_job(wanted)
                return 200, {"Content-Type": "application/json"}, self._failed[wanted]
            return self._named(wanted, *ask(self.port, method, target, headers, body))
        found = re.search(r"/(?:jobs|queries)/(\w+)", parts.path)
        wanted = found[1] if found else ""
        if wanted in self._failed:
            return 200, {"Content-Type": "application/json"}, self._failed[wanted]
        known = self._names.get(wanted, wanted)
        answer = ask(self.port, method, target.replace(wanted, known) if wanted else target, headers, body)
        return self._named(wanted, *answer) if wanted in self._names else answer

    def _named(self, wanted: str, status: int, headers: object, content: bytes) -> Answer:
        """Replace the emulator's id in a response by the client's."""
        assert isinstance(headers, dict)
        if status == 200 and content:
            theirs = json.loads(content)["jobReference"]["jobId"]
            if theirs != wanted:
                self._names[wanted] = theirs
            content = content.replace(theirs.encode(), wanted.encode())
        return status, headers, content


def _job_id(body: bytes) -> str:
    found = re.search(rb'"jobId": ?"([^"]+)"', body)
    assert found, body[:500]
    return found[1].decode()


def _error(status: int, reason: str, message: str) -> bytes:
    return json.dumps(
        {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}
    ).encode()


def _failed_job(job_id: str) -> bytes:
    error = {"reason": "invalid", "message": "Error while reading data"}
    return json.dumps(
        {
            "jobReference": {"projectId": "demo-project", "jobId": job_id, "location": "US"},
            "configuration": {"jobType": "LOAD", "load": {}},
            "status": {"state": "DONE", "errorResult": error, "errors": [error]},
            "statistics": {},
        }
    ).encode()


@contextmanager
def serve_bigquery(buckets: Path) -> Iterator[BigQuery]:
    """Serve BigQuery on loopback and point the client library of this process at it.

    Args:
        buckets: the folder that represents ``gs://``.
    """
    settings = {"BQEMU_ENABLE_FORMAT_EXTENSIONS": "false", "BQEMU_GCS_LOCAL_ROOT": str(buckets)}
    emulator = subprocess.Popen(
        [sys.executable, "-c", EMULATOR, "start", "--rest-port", "0", "--grpc-port", "0", "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **settings, "PYTHONWARNINGS": "ignore"},
    )
    assert emulator.stdout is not None
    try:
        listening = next((line for line in emulator.stdout if b"rest.listen" in line), b"{}")
        service = BigQuery(json.loads(listening)["port"])
        drain = threading.Thread(target=emulator.stdout.read, daemon=True)
        drain.start()
        with serve(service) as service.address, pytest.MonkeyPatch.context() as patch:
            patch.setenv("BIGQUERY_EMULATOR_HOST", service.address)
            yield service
    finally:
        emulator.kill()
        emulator.wait()
        emulator.stdout.close()
