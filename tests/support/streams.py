"""Run `onrecord stream` in separate processes, and read its lake."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.errors import ConfigError
from pipeline.lake.manifest import manifests
from pipeline.lake.query.catalog import open_lake
from pipeline.run.engines import find_prism
from tests.support.newsroom import Newsroom
from transforms.schema.tables import TABLES
from transforms.storage.folder import FolderStore

ROOT = Path(__file__).parents[2]


def needs_prism() -> None:
    """Skip a test if Prism is not installed."""
    try:
        find_prism()
    except ConfigError as error:
        pytest.skip(str(error))


class Stream:
    """A stream of a newsroom's feeds: configuration, process and lake.

    Args:
        folder: where they lie.
        newsroom: the site.
        sources: as in a configuration.
        fetch: settings of the fetch stage.
        stream: settings of the stream.
    """

    def __init__(
        self,
        folder: Path,
        newsroom: Newsroom,
        sources: Sequence[dict[str, Any]],
        fetch: dict[str, Any],
        stream: dict[str, Any],
    ) -> None:
        self.lake, self.log = folder / "lake", folder / "log"
        self._config = folder / "live.yaml"
        resolve = {"*.example": f"127.0.0.1:{newsroom.port}"}
        made = {
            "name": "live",
            "lake": str(self.lake),
            "sources": list(sources),
            "fetch": {"resolve": resolve, "allow_private_hosts": ["*.example"], "jitter": 0, **fetch},
            "annotate": {"model": "rules"},
            "stream": stream,
        }
        self._config.write_text(json.dumps(made))
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self, command: str = "stream", *options: str) -> Iterator[None]:
        """Run the stream in its own process group, which is killed when the block ends.

        Args:
            command: what `onrecord` does with the configuration; ``run`` makes one run of it.
            options: of this command.
        """
        arguments = [sys.executable, "-W", "ignore", "-m", "onrecord", command, str(self._config), *options]
        with (
            self.log.open("ab") as said,
            subprocess.Popen(arguments, cwd=ROOT, stdout=said, stderr=said, start_new_session=True) as process,
        ):
            self._process = process
            try:
                yield
            finally:
                self.kill()

    def until(self, holds: Callable[[], bool], seconds: float = 240) -> None:
        """Wait until a condition holds, while the stream runs."""
        assert self._process is not None
        end = time.monotonic() + seconds
        while not holds():
            assert self._process.poll() is None, self.log.read_text()[-5_000:]
            assert time.monotonic() < end, self.log.read_text()[-5_000:]
            time.sleep(0.2)

    def stop(self, *, group: bool = False, seconds: float = 120) -> int:
        """Send Ctrl-C to the process, or to its group like a terminal; return the exit code."""
        assert self._process is not None
        (os.killpg if group else os.kill)(self._process.pid, signal.SIGINT)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """Kill the process and its children."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def rows(self, query: str) -> list[Any]:
        """Query the committed lake; no rows before it exists."""
        if not self.lake.exists():
            return []
        with open_lake(FolderStore(str(self.lake))) as database:
            return database.execute(query).fetchall()

    @property
    def articles(self) -> dict[str, float]:
        """URL of each committed article, with the time of its first commit in seconds since 1970."""
        committed = {m.run_id: m.committed_at.timestamp() for m in manifests(FolderStore(str(self.lake)))}
        found: dict[str, float] = {}
        for url, run_id in self.rows("SELECT url, run_id FROM articles"):
            found[url] = min(found.get(url, committed[run_id]), committed[run_id])
        return found

    def faults(self) -> list[str]:
        """List the inconsistencies of the lake after the stream has ended."""
        store = FolderStore(str(self.lake))
        faults = [
            f"{m.run_id}: {m.urls} URLs, {m.rows('fetches')} rows"
            for m in manifests(store)
            if m.rows("fetches") != m.urls
        ]
        for name, table in TABLES.items():
            # A page may have a fetch row in each window, but its article is stored once.
            key = ", ".join(("run_id", *table.key) if name in ("fetches", "failures") else table.key)
            faults += [
                f"{name}: {row}" for row in self.rows(f"SELECT {key}, count(*) n FROM {name} GROUP BY ALL HAVING n > 1")
            ]
        faults += [
            f"{table}: {row} of no article"
            for table in ("entities", "quotes", "stories")
            for row in self.rows(f"SELECT version_id FROM {table} ANTI JOIN articles USING (version_id)")
        ]
        unread = "SELECT url FROM fetches ANTI JOIN articles USING (article_id)"
        faults += [f"no text of {row}" for row in self.rows(f"{unread} WHERE outcome = 'ok' AND source <> 'listing'")]
        return faults + [f"left: {path}" for path in store.files("_staging") if not path.endswith("attempt.json")]
