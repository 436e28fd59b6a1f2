"""Tests of streams on Prism, with real processes, sockets and changing feeds."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.demo.server import Site
from tests.support import golden_tables as golden
from tests.support.newsroom import PER_SITEMAP, Newsroom, open_newsroom
from tests.support.streams import Stream, needs_prism

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WINDOW, GRACE = 10, 30
"""Length of a window, and maximum time from its end to the commit, in seconds."""
DELAY = 0.2
"""Seconds between two requests to a host."""
FAST = {"window": f"{WINDOW}s", "poll_least": "2s", "poll_most": "5s", "take_up_every": "5s"}


@pytest.fixture(autouse=True, scope="module")
def _prism() -> None:
    needs_prism()


def feeds(hosts: Sequence[str]) -> dict[str, Any]:
    """A source with the feeds of these hosts."""
    return {"type": "feeds", "urls": [f"http://{host}/feed.xml" for host in hosts]}


@contextmanager
def publishing(newsroom: Newsroom, hosts: Sequence[str]) -> Iterator[None]:
    """Publish two items per second, on one host after another, until the block ends."""
    ended = threading.Event()

    def publish() -> None:
        number = 0
        while not ended.wait(0.5):
            newsroom.publish(hosts[number % len(hosts)])
            number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def asked_since(newsroom: Newsroom, since: float) -> float:
    """Time of the first request after a time; both in seconds since 1970."""
    clock = time.time() - time.monotonic()
    return min(asked.at + clock for asked in newsroom.log if asked.at + clock > since)


def shortest_gap(newsroom: Newsroom, host: str) -> float:
    """The shortest time between two requests to a host, in seconds."""
    times = [asked.at for asked in newsroom.log if asked.host == host]
    return min((after - before for before, after in pairwise(times)), default=float("inf"))


LIVELY = [f"paper{n}.example" for n in range(18)]
FAINT, DEAD = "faint.example", "dead.example"


@dataclass
class Followed:
    """A finished stream of twenty feeds. Times are in seconds since 1970."""

    stream: Stream
    newsroom: Newsroom
    codes: list[int]
    """Its exit codes."""
    began: float
    """Its first request."""
    is_back: float
    """Time when the failed feed recovered."""
    stopped: float
    restarted: float
    """Its first request after the restart."""

    def deadline(self, host: str, published: float) -> float:
        """The latest time at which an item's article must be committed."""
        known = max(published, self.is_back if host == FAINT else self.began)
        if known + WINDOW + GRACE > self.stopped:
            known = max(known, self.restarted)
        return known + WINDOW + GRACE


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """One feed fails, another fails and recovers; Ctrl-C stops the stream once, and it is restarted."""
    hosts = [*LIVELY, FAINT, DEAD]
    with open_newsroom() as newsroom, ExitStack() as stack:
        folder = tmp_path_factory.mktemp("followed")
        stream = Stream(folder, newsroom, [feeds(hosts)], {"delay_seconds": DELAY}, FAST)
        for host in hosts:
            newsroom.publish(host)
        newsroom.dead.add(DEAD)
        with publishing(newsroom, hosts):
            with stream.running():
                stream.until(lambda: len(stream.articles) > len(LIVELY))
                newsroom.dead.add(FAINT)
                time.sleep(8)
                newsroom.dead.remove(FAINT)
                is_back = time.time()
                time.sleep(8)
                stopped = time.time()
                codes = [stream.stop(group=True)]
            time.sleep(2)
            again = time.time()
            stack.enter_context(stream.running())
            stream.until(lambda: any(at > again for at in stream.articles.values()))
            time.sleep(5)
        restarted = asked_since(newsroom, again)
        end = time.time() + WINDOW + GRACE
        expected = {url for url in newsroom.urls if DEAD not in url}
        stream.until(lambda: expected <= stream.articles.keys() or time.time() > end)
        codes.append(stream.stop())
        yield Followed(stream, newsroom, codes, asked_since(newsroom, 0), is_back, stopped, restarted)


def test_each_item_is_committed_once_and_in_time(followed: Followed) -> None:
    published = {url: at for url, at in followed.newsroom.urls.items() if DEAD not in url}
    committed = followed.stream.articles
    assert Counter(url for (url,) in followed.stream.rows("SELECT url FROM articles")) == Counter(published.keys())
    late = {
        url: committed[url] - at
        for url, at in published.items()
        if committed[url] > followed.deadline(url.split("/")[2], at)
    }
    assert late == {}


def test_lake_is_consistent_after_a_stop(followed: Followed) -> None:
    assert followed.codes == [0, 0], followed.stream.log.read_text()[-5_000:]
    assert followed.stream.faults() == []


def test_failed_feed_has_rows(followed: Followed) -> None:
    failed = followed.stream.rows("SELECT DISTINCT url, outcome, reason FROM fetches WHERE outcome = 'failed'")
    assert sorted(failed) == [(f"http://{host}/feed.xml", "failed", "http_5xx") for host in (DEAD, FAINT)]


def test_delay_between_requests(followed: Followed) -> None:
    hosts = {asked.host for asked in followed.newsroom.log}
    assert hosts == {*LIVELY, FAINT, DEAD}
    assert {host for host in hosts if shortest_gap(followed.newsroom, host) < DELAY} == set()
    # Once per process.
    robots = Counter(asked.host for asked in followed.newsroom.log if asked.path == "/robots.txt")
    assert set(robots.values()) == {2}


def test_killed_stream_recovers_staged_pages(tmp_path: Path) -> None:
    hosts = [f"paper{n}.example" for n in range(6)]
    with open_newsroom() as newsroom, ExitStack() as stack:
        stream = Stream(tmp_path, newsroom, [feeds(hosts)], {"delay_seconds": DELAY}, {**FAST, "window": "15s"})
        for host in hosts * 20:
            newsroom.publish(host)
        with publishing(newsroom, hosts):
            with stream.running():
                stream.until(lambda: len(staged(stream)) > 20)
                stream.kill()
            staged_urls = staged(stream) | stream.articles.keys()
            asked = {f"http://{a.host}{a.path}" for a in newsroom.log}
            stack.enter_context(stream.running())
            stream.until(lambda: len(stream.articles) > len(asked))
        expected = newsroom.urls.keys()
        stream.until(lambda: expected <= stream.articles.keys())
        assert stream.stop() == 0, stream.log.read_text()[-5_000:]

        assert Counter(url for (url,) in stream.rows("SELECT url FROM articles")) == Counter(expected)
        assert stream.faults() == []
        times = Counter(f"http://{a.host}{a.path}" for a in newsroom.log)
        assert {url: times[url] for url in staged_urls if times[url] != 1} == {}


def staged(stream: Stream) -> set[str]:
    """URLs with an article and a fetch row in complete staged files."""
    found = []
    for table in ("articles", "fetches"):
        urls: set[str] = set()
        for path in stream.lake.glob(f"_staging/live-stream/*/rows/{table}/*.parquet"):
            # A file that is being written or was just committed cannot be read.
            with suppress(pa.ArrowInvalid, OSError):
                urls |= set(pq.read_table(path, columns=["url"])["url"].to_pylist())
        found.append(urls)
    return found[0] & found[1]


SLOW, TARDY, MAPPED = "slow.example", "tardy.example", "mapped.example"
CRAWL_DELAY, PAUSE, PATIENCE = 5, 3, 12


def test_slow_site_does_not_delay_others(tmp_path: Path) -> None:
    """One site has a crawl delay of five seconds, one responds after three seconds, one has watched sitemaps."""
    quick = [f"paper{n}.example" for n in range(6)]
    with open_newsroom() as newsroom, ExitStack() as stack:
        newsroom.robots[SLOW] = f"User-agent: *\nCrawl-delay: {CRAWL_DELAY}\n"
        newsroom.pauses[TARDY] = PAUSE
        for host in (*[SLOW] * 5, *[TARDY] * 8, *quick, *[MAPPED] * PER_SITEMAP):
            newsroom.publish(host)
        sitemaps = {"type": "sitemaps", "urls": [f"http://{MAPPED}/sitemap.xml"]}
        sources = [feeds([SLOW, TARDY, *quick]), sitemaps]
        settings = {**FAST, "patience": f"{PATIENCE}s"}
        stream = Stream(tmp_path, newsroom, sources, {"delay_seconds": DELAY}, settings)
        stack.enter_context(stream.running())
        stream.until(lambda: len(stream.articles) >= len(quick) + PER_SITEMAP)
        began = asked_since(newsroom, 0)
        with publishing(newsroom, [*quick, MAPPED]):
            time.sleep(20)
        stream.until(lambda: newsroom.urls.keys() <= stream.articles.keys(), seconds=240)
        assert stream.stop() == 0, stream.log.read_text()[-5_000:]

        committed = stream.articles
        delays = {
            url: committed[url] - max(at, began)
            for url, at in newsroom.urls.items()
            if SLOW not in url and TARDY not in url
        }
        assert {url: delay for url, delay in delays.items() if delay > WINDOW + PATIENCE + GRACE} == {}
        assert any(asked.path == "/sitemap-1.xml" for asked in newsroom.log), "the index listed no sitemap"
        skipped = {url for (url,) in stream.rows("SELECT url FROM fetches WHERE reason = 'host_budget'")}
        assert skipped, "the slow site was not slow"
        assert skipped <= {url for url in newsroom.urls if SLOW in url or TARDY in url}
        assert shortest_gap(newsroom, SLOW) >= CRAWL_DELAY
        assert stream.faults() == []


def test_run_on_prism_equals_the_default_runner(tmp_path: Path) -> None:
    with Site() as site:
        command = golden.command(tmp_path / "lake", "--runner", "prism")[len(golden.ONRECORD) :]
        done = golden.onrecord(site, *command)
        assert done.returncode == 0, done.stderr
        here = golden.onrecord(site, *golden.command(tmp_path / "here")[len(golden.ONRECORD) :])
        assert here.returncode == 0, here.stderr
    assert golden.stable_rows(tmp_path / "lake") == golden.stable_rows(tmp_path / "here")


def test_interrupted_run_on_prism_commits_fetched_pages(tmp_path: Path) -> None:
    with open_newsroom() as newsroom:
        urls = [newsroom.publish("paper.example") for _ in range(200)]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        source = {"type": "urls", "path": str(tmp_path / "urls.txt")}
        run = Stream(tmp_path, newsroom, [source], {"delay_seconds": DELAY}, {})
        with run.running("run", "--runner", "prism"):
            run.until(lambda: len(newsroom.log) > 10)
            assert run.stop(group=True) == 0, run.log.read_text()[-5_000:]
    outcomes = Counter(run.rows("SELECT outcome, reason FROM fetches"))
    assert set(outcomes) == {("ok", None), ("skipped", "cancelled")}
    assert sum(outcomes.values()) == len(urls)
    assert len(run.articles) == outcomes["ok", None]
