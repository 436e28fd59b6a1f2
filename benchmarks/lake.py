"""Measure a lake of a million articles: lookup of 10,000 URLs in the crawl state, and queries about one speaker.

    python -m benchmarks.lake [--articles N] [--lake FOLDER]

The rows have invented words; daily runs write and commit them as usual. Each figure is that of a separate process, from
start to end: seconds and peak memory. The exit code is 1 if a figure is over its limit.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.manifest import manifests
from transforms.schema.records import content_hash
from transforms.schema.run import StagedFile
from transforms.schema.tables import TABLES
from transforms.schema.urls import request_of
from transforms.storage.base import Store
from transforms.storage.open import open_store
from transforms.write.parquet import merge_staged_files

DAYS, SITES, SPEAKERS = 50, 400, 20_000
QUOTES = ENTITIES = 3
"""Number of rows per article."""
ASKED = 10_000
MOST_MEMORY = 1_024
"""Memory limit of each measured process, in MB."""
FIRST_DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)

LOOK_UP = """
import sys, time
from datetime import date
from benchmarks.lake import requests
from pipeline.lake.query.crawl_state import look_up, open_crawl_state
from transforms.schema.run import Run
from transforms.storage.open import open_store
lake, articles = sys.argv[1], int(sys.argv[2])
run = Run(run_id="now", run_date=date(2027, 1, 1), attempt="a", lake=lake)
with open_crawl_state(open_store(lake)) as state:
    start = time.monotonic()
    known = look_up(state, list(requests(articles)), run)
    print(f"{len(known):,} known; {time.monotonic() - start:.2f} s without the start")
"""
QUERY = "from pipeline.cli.app import main; main()"
SPEAKER = "SELECT count(*) AS quotes, count(DISTINCT domain) AS sites FROM {} WHERE speaker_name = 'Speaker 7'"
MEMORY = """
import atexit, sys
from pathlib import Path
def report():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(status["VmHWM"].split()[0], file=sys.stderr)
atexit.register(report)
"""
"""Prints the peak memory of a process at its end, in KB (Linux; the figure of wait4 includes the parent's)."""


def url_of(number: int) -> str:
    """Return the URL of the n-th article."""
    return f"http://site{number % SITES}.example/2026/story-{number}"


def requests(articles: int) -> Iterator[Any]:
    """Yield the requests to look up: as many known URLs as unknown ones, from the whole lake."""
    for number in range(ASKED):
        yield request_of(url_of(number * (2 * articles // ASKED) + number % 2), "feed")


def sentences(chance: random.Random) -> list[str]:
    """Generate some thousand sentences of invented words."""
    letters = ["".join(pair) for pair in zip("bdfgklmnprst" * 5, "aeiou" * 12, strict=True)]
    words = ["".join(chance.choices(letters, k=chance.randint(1, 4))) for _ in range(6_000)]
    return [" ".join(chance.choices(words, k=chance.randint(8, 24))).capitalize() + "." for _ in range(8_000)]


def rows(numbers: range, day: date, run_id: str, pool: list[str], chance: random.Random) -> dict[str, pa.Table]:
    """Generate the rows of all tables for the articles of a day."""
    ids = [request_of(url_of(n), "feed").article_id for n in numbers]
    versions = [content_hash(f"v{n}") for n in numbers]
    domains = [f"site{n % SITES}.example" for n in numbers]
    at = datetime.combine(day, datetime.min.time(), timezone.utc)
    times = [at + timedelta(seconds=chance.randrange(86_400)) for _ in numbers]
    common: dict[str, list[Any]] = {"article_id": ids, "version_id": versions, "domain": domains, "published_at": times}
    made: dict[str, dict[str, Any]] = {
        "articles": {
            **common,
            "url": map(url_of, numbers),
            "title": [chance.choice(pool) for _ in numbers],
            "text": ["\n\n".join(chance.choices(pool, k=24)) for _ in numbers],
            "word_count": [400 for _ in numbers],
            "text_hash": versions,
            "sketch": [sorted(chance.randrange(-(2**63), 2**63) for _ in range(64)) for _ in numbers],
            "language": ["en" for _ in numbers],
            "fetched_at": times,
        },
        "stories": {**common, "story_id": versions, "similarity": [1.0 for _ in numbers]},
        "fetches": {
            **common,
            "url": map(url_of, numbers),
            "outcome": ["ok" for _ in numbers],
            "http_status": [200 for _ in numbers],
            "etag": [f'"{v}"' for v in versions],
            "text_hash": versions,
            "fetched_at": times,
            "run_time": [at for _ in numbers],
        },
    }
    for table, count in (("quotes", QUOTES), ("entities", ENTITIES)):
        many = {name: [value for value in values for _ in range(count)] for name, values in common.items()}
        total = len(numbers) * count
        names = [f"Speaker {chance.randrange(SPEAKERS)}" for _ in range(total)]
        one = [content_hash(f"{table}{v}{n % count}") for n, v in enumerate(many["version_id"])]
        made[table] = {
            **many,
            **{"quote_id": one, "utterance_id": one, "text": [chance.choice(pool) for _ in one], "speaker_name": names},
            **{"entity_id": one, "name": names, "ordinal": [n % count for n in range(total)]},
        }
    return {table: _filled(table, values, run_id, day) for table, values in made.items()}


def _filled(table: str, values: dict[str, Any], run_id: str, day: date) -> pa.Table:
    """Create a table with its exact schema; missing values are null, empty, 0 or one word."""
    schema = TABLES[table].schema
    known = {name: list(found) for name, found in values.items() if name in schema.names}
    size = len(known["article_id"])
    known |= {"run_id": [run_id] * size, "run_date": [day] * size}
    for field in schema:
        if field.name not in known:
            plain: Any = [] if pa.types.is_list(field.type) else "none" if pa.types.is_string(field.type) else 0
            known[field.name] = [None if field.nullable else plain] * size
            if pa.types.is_boolean(field.type):
                known[field.name] = [False] * size
    return pa.table([pa.array(known[f.name], f.type) for f in schema], schema=schema)


def make_lake(store: Store, articles: int) -> None:
    """Commit the runs of the lake, one per day."""
    chance = random.Random(1)  # noqa: S311 - the same lake each time, no secret
    pool = sentences(chance)
    for number in range(DAYS):
        at = FIRST_DAY + timedelta(days=number)
        run_id = f"bench-{at:%Y%m%dT%H%M}"
        with exclusive(store, run_id) as lease_owner:
            run = new_attempt(run_id, at.date(), store.root, lease_owner)
            numbers = range(number, articles, DAYS)
            files: list[StagedFile] = []
            for table, made in rows(numbers, run.run_date, run_id, pool, chance).items():
                path = f"{run.staging}/rows/{table}/rows.parquet"
                with store.new_file(path) as local:
                    pq.write_table(made, local)
                staged = StagedFile(table=table, partition=run.partition, path=path, rows=made.num_rows, bytes=0)
                files += merge_staged_files(run, [staged])
            commit(store, run, files, urls=len(numbers))


def measure(program: str, arguments: list[str]) -> tuple[float, float, str]:
    """Run a Python program to its end.

    Returns:
        Its seconds, the most memory that it held in MB, and the last line that it printed.
    """
    start = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-c", MEMORY + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        raise SystemExit(f"a measurement ended with {done.returncode}: {done.stderr}")
    return seconds, int(done.stderr.split()[-1]) / 1024, done.stdout.splitlines()[-1]


def main() -> None:
    """Create the lake if it does not exist, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--lake", help="folder of the lake; reused if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(options.lake or folder)
        if not manifests(store):
            start = time.monotonic()
            make_lake(store, options.articles)
            print(f"created in {time.monotonic() - start:,.0f} s")
        standing = manifests(store)
        for table in TABLES:
            files = [f for m in standing for f in m.files.get(table, [])]
            megabytes = sum(f.bytes for f in files) / 2**20
            print(f"{table:10} {sum(f.rows for f in files):10,} rows {len(files):5} files {megabytes:8,.0f} MB")
        size = str(sum(m.rows("articles") for m in standing))
        query = ["query", "--lake", store.root, "--format", "jsonl"]
        over = False
        for name, most_seconds, program, arguments in (
            (f"crawl state: lookup of {ASKED:,} URLs", 10, LOOK_UP, [store.root, size]),
            ("query: one speaker", 2, QUERY, [*query, SPEAKER.format("quotes")]),
            ("query: one speaker, newest versions", 4, QUERY, [*query, SPEAKER.format("quotes_latest")]),
        ):
            seconds, memory, output = measure(program, arguments)
            is_over = seconds > most_seconds or memory > MOST_MEMORY
            over = over or is_over
            limit = f"{'OVER' if is_over else 'within'} {most_seconds} s and {MOST_MEMORY:,} MB"
            print(f"{name:36} {seconds:6.2f} s {memory:6,.0f} MB   {limit}   {output}")
        if over:
            raise SystemExit("a figure is over its limit")


if __name__ == "__main__":
    main()
