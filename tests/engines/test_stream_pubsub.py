"""A whole stream out of Pub/Sub that is killed on its way: each URL once, nothing lost, nothing left unacknowledged."""

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
URLS, POISON, TWINS = 9_300, 200, 500
HOSTS = 100
ARTICLES = 300
"""How many URLs lead to an article; the others are gone (404)."""
LEASE_SECONDS = 60


def messages(newsroom: Newsroom) -> tuple[list[str], list[bytes], list[bytes]]:
    """All URLs; all poison; and every message, URLs (some twice) and poison, in an order of their own."""
    hosts = [f"paper{n}.example" for n in range(HOSTS)]
    urls = [newsroom.publish(hosts[n % HOSTS]) for n in range(ARTICLES)]
    urls += [f"http://{hosts[n % HOSTS]}/gone/{n}" for n in range(URLS - ARTICLES)]
    poison = [b"no address %d" % n if n % 2 else b'{"url": %d}' % n for n in range(POISON - 2)]
    poison += [b"http://paper0.example/\xff", b"http://paper0.example/" + b"x" * 70_000]
    chance = random.Random(7)  # noqa: S311 - no secret
    of_urls = [url.encode() if chance.random() < 0.5 else json.dumps({"url": url}).encode() for url in urls]
    twins = [f"{url}#twin".encode() for url in chance.sample(urls, TWINS)]
    every = of_urls + twins + poison
    chance.shuffle(every)
    return urls, poison, every


@contextmanager
def stream(config: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`onrecord stream`, in a process group of its own, which is gone when the block has ended."""
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
    """Waits until this holds, while the stream flows."""
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()[-5_000:]
        time.sleep(1)


def rows(lake: Path, query: str) -> list[tuple[str, ...]]:
    """What the lake answers; nothing before there is one."""
    if not lake.exists():
        return []
    with open_lake(FolderStore(str(lake))) as database:
        return database.execute(query).fetchall()


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    with serve_pubsub() as served:
        yield served


def test_a_stream_that_is_killed_loses_nothing(pubsub: PubSub, tmp_path: Path) -> None:
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
        assert unsettled, "it was killed too late to show anything"
        pubsub.wait(LEASE_SECONDS + 1)

        with stream(config, log) as process:
            until(lambda: all(message.acks for message in pubsub.messages()), process, log)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0, log.read_text()[-5_000:]

    asked = Counter(url for (url,) in rows(lake, "SELECT url FROM fetches WHERE reason IS DISTINCT FROM 'not_due'"))
    refused = Counter(url for (url,) in rows(lake, "SELECT url FROM fetches WHERE reason = 'invalid_url'"))
    # Poison that came again after the kill is refused again: there is no page of it that could be known.
    assert len(refused) == POISON
    assert set(asked) == {*urls, *refused}
    assert {url: n for url, n in asked.items() if n > 1 and url not in refused} == {}
    assert {url for (url,) in rows(lake, "SELECT url FROM failures WHERE reason = 'invalid_url'")} == set(refused)
    assert {url for url in refused if len(url) < 100} == {data.decode(errors="replace") for data in poison[:-1]}
    articles = Counter(url for (url,) in rows(lake, "SELECT url FROM articles"))
    assert articles == Counter(urls[:ARTICLES])
