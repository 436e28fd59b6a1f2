"""Test a killed and restarted Pub/Sub stream: each URL once, none lost, all messages acknowledged."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.lake.query.catalog import open_lake
from tests.support.newsroom import Newsroom, open_newsroom
from tests.support.pubsub import ROOT, SUBSCRIPTION, PubSub, serve_pubsub
from transforms.storage.folder import FolderStore

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1_200)]
URLS, POISON, DUPLICATES = 9_300, 200, 500
HOSTS = 100
ARTICLES = 300
"""Number of URLs with an article; the others are gone (404)."""
LEASE_SECONDS = 60


def messages(newsroom: Newsroom) -> tuple[list[str], list[bytes], list[bytes]]:
    """All URLs, all invalid messages, and all messages in random order, with some URLs twice."""
    hosts = [f"paper{n}.example" for n in range(HOSTS)]
    urls = [newsroom.publish(hosts[n % HOSTS]) for n in range(ARTICLES)]
    urls += [f"http://{hosts[n % HOSTS]}/gone/{n}" for n in range(URLS - ARTICLES)]
    poison = [b"no address %d" % n if n % 2 else b'{"url": %d}' % n for n in range(POISON - 2)]
    poison += [b"http://paper0.example/\xff", b"http://paper0.example/" + b"x" * 70_000]
    chance = random.Random(7)  # noqa: S311 - no secret
    of_urls = [url.encode() if chance.random() < 0.5 else json.dumps({"url": url}).encode() for url in urls]
    duplicates = [f"{url}#duplicate".encode() for url in chance.sample(urls, DUPLICATES)]
    every = of_urls + duplicates + poison
    chance.shuffle(every)
    return urls, poison, every


@contextmanager
def stream(config: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `onrecord stream` in its own process group, which is killed when the block ends."""
    command = [sys.executable, "-m", "onrecord", "stream", str(config)]
    with (
        log.open("ab") as said,
        subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, seconds: float = 400) -> None:
    """Wait until a condition holds, while the stream runs."""
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()[-5_000:]
        time.sleep(1)


def rows(lake: Path, query: str) -> list[tuple[str, ...]]:
    """Query the lake; no rows before it exists."""
    if not lake.exists():
        return []
    with open_lake(FolderStore(str(lake))) as database:
        return database.execute(query).fetchall()


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    with serve_pubsub() as served:
        yield served


def test_killed_stream_loses_no_url(pubsub: PubSub, tmp_path: Path) -> None:
    lake, log, config = tmp_path / "lake", tmp_path / "log", tmp_path / "queue.yaml"
    with open_newsroom() as newsroom:
        urls, poison, every = messages(newsroom)
        source = {"type": "pubsub", "subscription": SUBSCRIPTION, "per_minute": 60_000, "lease_seconds": LEASE_SECONDS}
        resolve = {"*.example": f"127.0.0.1:{newsroom.port}"}
        made = {
            "name": "queue",
            "lake": str(lake),
            "sources": [source],
            "fetch": {"resolve": resolve, "allow_private_hosts": ["*.example"], "delay_seconds": 0},
            "annotate": {"model": "rules"},
            "stream": {"window": "5s"},
        }
        config.write_text(json.dumps(made))
        pubsub.publish(every)

        with stream(config, log) as process:
            until(lambda: len(rows(lake, "SELECT url FROM fetches")) > 1_000, process, log)
            os.killpg(process.pid, signal.SIGKILL)
        unsettled = [message for message in pubsub.messages() if not message.acks]
        assert unsettled, "the stream was killed too late for this test"
        pubsub.wait(LEASE_SECONDS + 1)

        with stream(config, log) as process:
            until(lambda: all(message.acks for message in pubsub.messages()), process, log)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0, log.read_text()[-5_000:]

    asked = Counter(url for (url,) in rows(lake, "SELECT url FROM fetches WHERE reason IS DISTINCT FROM 'not_due'"))
    refused = Counter(url for (url,) in rows(lake, "SELECT url FROM fetches WHERE reason = 'invalid_url'"))
    # A redelivered invalid message fails again, because it has no known page.
    assert len(refused) == POISON
    assert set(asked) == {*urls, *refused}
    assert {url: n for url, n in asked.items() if n > 1 and url not in refused} == {}
    assert {url for (url,) in rows(lake, "SELECT url FROM failures WHERE reason = 'invalid_url'")} == set(refused)
    assert {url for url in refused if len(url) < 100} == {data.decode(errors="replace") for data in poison[:-1]}
    articles = Counter(url for (url,) in rows(lake, "SELECT url FROM articles"))
    assert articles == Counter(urls[:ARTICLES])
