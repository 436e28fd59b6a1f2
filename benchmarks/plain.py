"""Run the pipeline's functions in a loop without Beam: python -m benchmarks.plain CONFIG [--processes N]

Writes the same lake as ``onrecord run CONFIG``, from URL lists and web archives, into an empty lake. Prints the CPU
seconds of each stage as JSON. A separate thread fetches pages; ``read`` is the remaining time of the processes.
"""

import argparse
import json
import multiprocessing
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

from pipeline.config.load import load_config
from pipeline.config.models import RunConfig
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit, exclusive
from pipeline.lake.quality_gate import check_quality
from pipeline.stories.assign import write_stories
from transforms.annotate.annotator import BATCH_SIZE, annotate_articles
from transforms.extract import extract_page
from transforms.fetch import fetch_pages
from transforms.schema.failures import Rejected, failed
from transforms.schema.records import Article, NoPage, Page
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import TABLES, Row
from transforms.schema.urls import request_of, site_of
from transforms.sources.url_lists import urls_of
from transforms.storage.open import list_files, open_input, open_store
from transforms.warc.reader import UnreadableRecord, read_warc
from transforms.write.parquet import RowWriter, merge_staged_files

Seconds = defaultdict[str, float]


def results_of(config: RunConfig, share: int, shares: int) -> Iterator[Page | NoPage | UnreadableRecord]:
    """Yield the results of one process: its share of the hosts or archives."""
    requests = []
    for source in config.urls:
        for name in (name for pattern in source.patterns for name in list_files(pattern)):
            requests += [request_of(url, "urls") for url in urls_of(name, source.format, source.column)]
    hosts = sorted({site_of(request.url) for request in requests})[share::shares]
    yield from fetch_pages([r for r in requests if site_of(r.url) in frozenset(hosts)], config.fetch)
    archives = [name for source in config.archives for pattern in source.patterns for name in list_files(pattern)]
    for name in sorted(archives)[share::shares]:
        with open_input(name) as file:
            yield from read_warc(file, name)


def stage(run: Run, config: RunConfig, share: int, shares: int) -> tuple[list[StagedFile], int, Seconds]:
    """Read, extract, annotate and stage one share of a run; return its files, number of URLs and CPU seconds."""
    store, spent, urls = open_store(run.lake), Seconds(float), 0
    began = time.process_time()
    writers = {
        name: RowWriter(store, TABLES[name], run, f"{run.staging}/rows/{name}/{uuid.uuid4().hex}.parquet")
        for name in ("articles", "entities", "quotes", "fetches", "failures")
    }

    def write(table: str, rows: Iterable[Row]) -> None:
        with spends(spent, "write"):
            for row in rows:
                writers[table].add(row)

    waiting: list[Article] = []
    for result in results_of(config, share, shares):
        urls += 1
        for table, rows in rows_of(result, config, spent):
            write(table, rows)
            if table == "articles" and config.annotate.enabled:
                waiting += rows
        if len(waiting) == BATCH_SIZE:
            for table, rows in annotated(waiting, config, spent):
                write(table, rows)
            waiting = []
    for table, rows in annotated(waiting, config, spent):
        write(table, rows)
    with spends(spent, "write"):
        files = [writer.close() for writer in writers.values()]
    spent["read"] = time.process_time() - began - sum(spent.values())
    return files, urls, spent


def rows_of(
    result: Page | NoPage | UnreadableRecord, config: RunConfig, spent: Seconds
) -> Iterator[tuple[str, list[Any]]]:
    """Yield the rows of one page by table."""
    if isinstance(result, NoPage):
        yield "fetches", [result.fetch]
        return
    try:
        if isinstance(result, UnreadableRecord):
            raise result.refused
        with spends(spent, "extract"):
            article = extract_page(result, config.extract)
    except Rejected as refused:
        row, failure = failed(result.fetch, "extract", refused)
        yield "fetches", [row]
        yield "failures", [failure]
        return
    yield "articles", [article]
    yield "fetches", [replace(result.fetch, outcome="ok", text_hash=article.text_hash)]


def annotated(articles: Sequence[Article], config: RunConfig, spent: Seconds) -> Iterator[tuple[str, list[Any]]]:
    """Annotate articles in a batch and yield the rows by table."""
    with spends(spent, "annotate"):
        found = annotate_articles(articles, config.annotate)
    for annotation in found:
        yield "entities", list(annotation.entities)
        yield "quotes", list(annotation.quotes)


@contextmanager
def spends(spent: Seconds, name: str) -> Iterator[None]:
    """Add the CPU seconds of this thread under a name."""
    start = time.thread_time()
    try:
        yield
    finally:
        spent[name] += time.thread_time() - start


def run_plainly(config: RunConfig, processes: int) -> Mapping[str, float]:
    """Execute a run without Beam and return the CPU seconds of each stage."""
    run_id, now = "plain", datetime.now(timezone.utc)
    store = open_store(config.lake)
    with exclusive(store, run_id) as lease_owner:
        run = new_attempt(run_id, now.date(), store.root, lease_owner, logical_time=now)
        if processes == 1:
            shares = [stage(run, config, 0, 1)]
        else:
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                shares = pool.starmap(stage, [(run, config, share, processes) for share in range(processes)])
                pool.close()
                pool.join()
        spent = {name: sum(spent[name] for _, _, spent in shares) for name in shares[0][2]}
        start = time.process_time()
        staged = sorted((file for files, _, _ in shares for file in files if file.rows), key=lambda file: file.table)
        files = [
            file
            for _, of_table in groupby(staged, lambda file: file.table)
            for file in merge_staged_files(run, of_table)
        ]
        files += write_stories(run, [file for file in files if file.table == "articles"])
        urls = sum(urls for _, urls, _ in shares)
        commit(store, run, files, urls, check_quality(store, run, files, config.quality))
        spent["publish"] = time.process_time() - start
    return spent


def main() -> None:
    """Execute the run and print its CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(run_plainly(load_config(options.config), options.processes)))


if __name__ == "__main__":
    main()
