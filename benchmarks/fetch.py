"""Measure the fetch stage against a misbehaving server on loopback: python -m benchmarks.fetch

Prints the throughput over many hosts; outcomes, request intervals and memory of a run of 2,000 URLs, 20 % of them bad;
and the number of private addresses that pass the address guard. Takes about a minute.
"""

import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tests.support.addresses import CLOSED
from tests.support.http_server import Behaviour, Request, Server, endless, raw, respond, slow
from transforms.fetch import FetchConfig, fetch_pages
from transforms.fetch.http.address_guard import AddressGuard
from transforms.fetch.transform import FetchPages
from transforms.schema.failures import Rejected
from transforms.schema.records import UrlRequest
from transforms.schema.urls import canonical_url, request_of

HOSTS = 200
LATENCY = 0.3
DELAY = 0.2
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
BAD: dict[str, Behaviour] = {
    "closed": raw(),
    "endless": endless(HEAD + b"\r\n", bytes(65_536))[0],
    "forbidden": respond(403),
    "gone": respond(404),
    "headers": raw(HEAD + b"X-A: 1\r\n" * 10_000 + b"\r\n"),
    "inside": respond(302, b"", {"Location": "http://169.254.169.254/"}),
    "loop": respond(302, b"", {"Location": "/bad/loop"}),
    "pdf": respond(headers={"Content-Type": "application/pdf"}),
    "reset": raw(HEAD + b"Content-Length: 9999\r\n\r\n<html>", pause=0.05, abort=True),
    "stalls": slow(5),
    "truncated": raw(HEAD + b"Content-Length: 9999\r\n\r\n<html>"),
    "unavailable": respond(503),
    "unpacks": respond(body=gzip.compress(bytes(40 * 2**20)), headers={"Content-Encoding": "gzip"}),
}


def settings(port: int, **fields: object) -> FetchConfig:
    """Create a configuration in which all ``.example`` names resolve to the server."""
    known = {"resolve": {"*.example": f"127.0.0.1:{port}"}, "allow_private_hosts": ("*.example",), "delay_seconds": 0}
    return FetchConfig.model_validate({**known, **fields})


def hosts(count: int) -> list[UrlRequest]:
    """One URL for each of `count` hosts."""
    return [request_of(f"http://h{n}.example/page", "urls") for n in range(count)]


def throughput() -> None:
    """Print the pages per second from many slow hosts, compared with sequential requests."""
    with Server() as server:
        server.on("/page", slow(LATENCY))
        rates = []
        for count, concurrency in ((20, 1), (HOSTS, FetchConfig().concurrency)):
            began = time.monotonic()
            fetched = sum(
                result.fetch.outcome == "ok"
                for result in fetch_pages(
                    hosts(count), settings(server.port, obey_robots=False, concurrency=concurrency)
                )
            )
            rates.append(fetched / (time.monotonic() - began))
    alone, together = rates
    print(f"{HOSTS} hosts that respond in {LATENCY * 1000:.0f} ms: {together:.0f} pages/s, sequentially {alone:.1f}")
    print(f"  ratio {together / alone:.0f} (at least 50)")


def many(count: int) -> list[UrlRequest]:
    """Distribute `count` URLs over the hosts; every fifth fails in one of the ways."""
    kinds = list(BAD)
    return [
        request_of(
            f"http://h{n % HOSTS}.example/"
            + (f"bad/{kinds[n // 5 % len(kinds)]}?n={n}" if (n + n // HOSTS) % 5 == 0 else f"page?n={n}"),
            "urls",
        )
        for n in range(count)
    ]


def child(port: int, count: int, path: str) -> None:
    """Fetch `many` URLs with the transform in a separate process, and write their outcomes."""
    config = settings(
        port, delay_seconds=DELAY, backoff_seconds=0.2, max_attempts=2, first_byte_timeout=1, max_body_bytes=2**21
    )

    def write(row: Any) -> None:
        with Path(path).open("a") as file:
            file.write(json.dumps([row.article_id, row.outcome, row.reason]) + "\n")

    with beam.Pipeline(options=PipelineOptions([], runner="FnApiRunner")) as pipeline:
        fetched = pipeline | beam.Create(many(count)) | FetchPages(config)
        _ = fetched.pages | "Rows" >> beam.Map(lambda page: page.fetch) | "WritePages" >> beam.Map(write)
        _ = fetched.fetches | "WriteFetches" >> beam.Map(write)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def whole(count: int) -> float:
    """Run `child`, print outcomes and intervals, and return its peak memory in MiB."""
    body = b"<html><body>" + random.Random(0).randbytes(50_000).hex().encode() + b"</body></html>"  # noqa: S311
    with Server() as server, tempfile.NamedTemporaryFile() as file:
        server.on("/page", respond(body=body))
        for kind, behaviour in BAD.items():
            server.on(f"/bad/{kind}", behaviour)
        began = time.monotonic()
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fetch", str(server.port), str(count), file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took = time.monotonic() - began
        rows = [json.loads(line) for line in Path(file.name).read_text().splitlines()]
        fastest = min_gap(server.log)
    ids, wanted = Counter(row[0] for row in rows), {request.article_id for request in many(count)}
    balanced = set(ids) == wanted and max(ids.values()) == 1
    bad = sum(request.url.startswith("http") and "/bad/" in request.url for request in many(count))
    memory = float(done.stdout.split()[-1])
    print(f"{count:,} URLs, {bad} of them bad, {HOSTS} hosts, FnApiRunner: {took:.1f} s, peak {memory:.0f} MiB")
    print(f"  {'all URLs' if balanced else 'NOT all URLs'} accounted for: {len(rows):,} rows for {len(wanted):,} URLs")
    print(f"  shortest time between two requests to a host {fastest:.3f} s (at least {DELAY})")
    print("  " + ", ".join(f"{n} {name}" for name, n in Counter(row[2] or row[1] for row in rows).most_common()))
    return memory


def min_gap(log: list[Request]) -> float:
    """Return the shortest time between two requests to one host in the server's log."""
    times: dict[str, list[float]] = {}
    for request in log:
        times.setdefault(request.host, []).append(request.at)
    return min(later - sooner for each in times.values() for sooner, later in pairwise(sorted(each)))


def guard() -> None:
    """Print the number of private addresses that pass the guard."""
    through = []
    for host in CLOSED:
        try:
            AddressGuard(FetchConfig()).check(canonical_url(f"http://{host}/"))
        except Rejected:
            continue
        through.append(host)
    print(f"Address guard: {len(CLOSED)} private addresses and spellings, {len(through)} passed {through or ''}")


def main() -> None:
    """Print all figures."""
    if len(sys.argv) == 4:
        child(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
        return
    throughput()
    few, lots = whole(HOSTS), whole(2_000)
    print(f"Peak memory of 2,000 URLs compared with {HOSTS}: ratio {lots / few:.2f} (at most 1.3)")
    guard()


if __name__ == "__main__":
    main()
