"""Measure the lag of a stream on Prism, from feed to commit: python -m benchmarks.stream [--quick]

Twenty feeds on loopback publish two items per second for two minutes. The lag of an item is the time from its
appearance in a feed to the commit of its article. The exit code is 1 if an item was lost or committed twice.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.newsroom import open_newsroom
from tests.support.streams import Stream

FEEDS = 20
A_SECOND = 2.0
DELAY = 0.2


def lags(window: int, seconds: float, folder: Path) -> list[float]:
    """Run a stream and return the sorted lags of all items in seconds.

    Raises:
        SystemExit: an item was lost or stands twice.
    """
    hosts = [f"paper{n}.example" for n in range(FEEDS)]
    with open_newsroom() as newsroom:
        sources = [{"type": "feeds", "urls": [f"http://{host}/feed.xml" for host in hosts]}]
        settings = {"window": f"{window}s", "poll_least": "2s", "poll_most": "5s"}
        stream = Stream(folder, newsroom, sources, {"delay_seconds": DELAY}, settings)
        with stream.running():
            stream.until(lambda: len({asked.host for asked in newsroom.log}) == FEEDS)
            end = time.monotonic() + seconds
            number = 0
            while time.monotonic() < end:
                newsroom.publish(hosts[number % FEEDS])
                number += 1
                time.sleep(1 / A_SECOND)
            stream.until(lambda: newsroom.urls.keys() <= stream.articles.keys(), seconds=4 * window + 120)
            if stream.stop():
                raise SystemExit(stream.log.read_text())
        committed = stream.articles
        twice = [url for (url,), n in Counter(stream.rows("SELECT url FROM articles")).items() if n > 1]
        if twice or committed.keys() != newsroom.urls.keys():
            raise SystemExit(f"twice: {twice}; lost: {newsroom.urls.keys() - committed.keys()}")
        return sorted(committed[url] - at for url, at in newsroom.urls.items())


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="duration in seconds")
    parser.add_argument("--windows", type=int, nargs="*", default=[10, 60], help="lengths of windows, in seconds")
    parser.add_argument("--quick", action="store_true", help="20 s with windows of 5 s: rough figures")
    options = parser.parse_args()
    seconds, windows = (20, [5]) if options.quick else (options.seconds, options.windows)
    print(f"{os.cpu_count()} cores, load {', '.join(f'{part:.1f}' for part in os.getloadavg())}")
    print(f"{'lag in seconds':30} {'items':>7} {'median':>8} {'99 %':>8} {'most':>8}")
    with tempfile.TemporaryDirectory() as root:
        for window in windows:
            folder = Path(root, f"window-{window}")
            folder.mkdir()
            found = lags(window, seconds, folder)
            cells = (found[len(found) // 2], found[int(len(found) * 0.99)], found[-1])
            print(
                f"{f'windows of {window} s':30} {len(found):7,} " + " ".join(f"{cell:8.1f}" for cell in cells),
                flush=True,
            )


if __name__ == "__main__":
    main()
