"""Reprocess committed runs from the lake, without requests, after a change of the code or the models.

Pages that a run archived (``archive: true``) are extracted and annotated again; of its other articles the stored text
is annotated again. All other rows stay as they are. The new rows replace the old ones with one manifest, as with
``--replace``. Runs are processed in order, so that a text that is the same as in an earlier run stays ``unchanged``.
"""

import dataclasses
import glob
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from pipeline.config.models import RunConfig
from pipeline.graph import annotate, extract_and_annotate, merge_and_commit
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import exclusive
from pipeline.lake.manifest import Manifest, manifests, runs_of
from pipeline.lake.previous_run import manifests_with
from pipeline.lake.query.catalog import open_manifests, quoted
from pipeline.lake.query.crawl_state import look_up, open_crawl_state
from pipeline.lake.recovery import copy_rows, versions_of
from pipeline.run.progress import ProgressListener
from pipeline.run.runner import run_attempt
from pipeline.steps.recovered import ReadRecovered
from transforms.annotate.entities.gazetteer import GAZETTEER_VERSION
from transforms.schema.records import Fetch, Page, UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES, TABLES
from transforms.sources.config import WarcSource
from transforms.storage.base import Store
from transforms.storage.open import open_store
from transforms.warc.reader import read_warc
from transforms.warc.transform import ReadArchives

_MAX_BODY_BYTES = 2**30
_OUTDATED = """
    SELECT coalesce((SELECT bool_or(extractor_version <> $extractor) FROM articles), false) AND $has_archive
      OR coalesce((SELECT bool_or(model_version NOT IN ($model, $listed)) FROM
        (SELECT model_version FROM entities UNION ALL SELECT model_version FROM quotes)), false)
"""


class Reprocessed(NamedTuple):
    """The result of `reprocess` for one run. The fields are keys of a line of ``--json-logs``."""

    run_id: str
    is_made: bool
    """Whether the run was reprocessed; False if it was up to date."""
    pages: int = 0
    """Pages that were extracted and annotated again."""
    texts: int = 0
    """Articles whose stored text was annotated again."""


def reprocess(
    config: RunConfig,
    first: date = date.min,
    last: date = date.max,
    *,
    everything: bool = False,
    beam_options: Sequence[str] = (),
    listener: ProgressListener | None = None,
) -> Iterator[Reprocessed]:
    """Reprocess the committed runs of a configuration, one after another.

    Args:
        config: the configuration; its name selects the runs, its settings apply to their new rows.
        first: earliest logical date of a run.
        last: latest logical date of a run.
        everything: include runs that are up to date, such as after a change of settings.
        beam_options: Beam's own command line options.
        listener: receives the progress of each run; a run that is asked to stop is committed nevertheless.

    Yields:
        The result of each run.

    Raises:
        RunLockedError: another process holds the lock of a run.
        CommitError: a run failed before its commit; it is unchanged.
        KeyboardInterrupt: a second SIGINT or SIGTERM came; the current run is unchanged.
    """
    store = open_store(config.lake)
    for run_id in runs_of(manifests(store), config.name, first, last):
        with exclusive(store, run_id) as lease_owner:
            holding = manifests_with(store, run_id)
            if not everything and not _is_outdated(store, config, run_id, holding):
                yield Reprocessed(run_id, is_made=False)
                continue
            run, archives = _start_attempt(store, run_id, holding, lease_owner)
            run_attempt(run, partial(_build, config=config, run=run, archives=archives), beam_options, listener)
            texts = sum(f.rows for f in run.recovered if f.table == "articles")
            yield Reprocessed(run_id, is_made=True, pages=sum(f.rows for f in archives), texts=texts)


def _where(run_id: str) -> str:
    return f"run_id = {quoted(run_id)}"


def _archives(holding: list[Manifest], run_id: str) -> list[StagedFile]:
    files = [f for m in holding for f in m.files.get(ARCHIVES, []) if f.path.split("/")[1] == run_id]
    return [StagedFile(table=ARCHIVES, partition="", path=f.path, rows=f.rows, bytes=f.bytes) for f in files]


def _is_outdated(store: Store, config: RunConfig, run_id: str, holding: list[Manifest]) -> bool:
    extractor, model = versions_of(config)
    versions = {"extractor": extractor, "model": model, "listed": GAZETTEER_VERSION}
    tables = ("articles", "entities", "quotes")
    with open_manifests(store, holding, tables=tables, where=f" WHERE {_where(run_id)}") as database:
        found = database.execute(_OUTDATED, {**versions, "has_archive": bool(_archives(holding, run_id))}).fetchone()
    return bool(found and found[0])


def _start_attempt(
    store: Store, run_id: str, holding: list[Manifest], lease_owner: str
) -> tuple[Run, list[StagedFile]]:
    """Start an attempt with copies of the rows that stay, and of the archives to read."""
    with open_manifests(store, holding, tables=("fetches",), where=f" WHERE {_where(run_id)}") as database:
        times = database.execute("SELECT max(run_date), max(run_time) FROM fetches").fetchone()
    run_date, logical_time = times if times and times[0] else (holding[0].run_date, None)
    run = new_attempt(run_id, run_date, store.root, lease_owner, logical_time=logical_time)
    pages: set[str] = set()
    archives = []
    for number, file in enumerate(_archives(holding, run_id)):
        name = f"{ARCHIVES}/{run_id}/{run_id}-{run.attempt}-{number}.warc.gz"
        copied = dataclasses.replace(file, partition=run.partition, path=f"{run.staging}/publish/{name}")
        with store.local_copies([file.path]) as [old], store.new_file(copied.path) as new:
            shutil.copyfile(old, new)
            with new.open("rb") as archive:
                found = {p.request.article_id for p in read_warc(archive, name, _MAX_BODY_BYTES) if isinstance(p, Page)}
        pages |= found
        archives.append(dataclasses.replace(copied, rows=file.rows))
    files = {t: [f.path for m in holding for f in m.files.get(t, [])] for t in ("articles", "fetches", "failures")}
    kept = copy_rows(store, run, files, f"{_where(run_id)} AND article_id NOT IN (FROM ids)", pages)
    return dataclasses.replace(run, recovered=(*kept, *archives)), archives


def _build(pipeline: beam.Pipeline, config: RunConfig, run: Run, archives: list[StagedFile]) -> None:
    """Add the graph of a reprocessed run to a pipeline."""
    uris = [open_store(run.lake).uri(file.path) for file in archives]
    paths = tuple(uri if uri.startswith("gs://") else glob.escape(uri) for uri in uris)
    sources = [WarcSource(type="warc", path=paths, max_body_bytes=_MAX_BODY_BYTES)] if paths else []
    recovered = pipeline | ReadRecovered(run)
    archived = pipeline | ReadArchives(sources)
    pages = archived.pages | "Restore" >> beam.ParDo(_Restore(config, run)).with_output_types(Page)
    requests = pages | "Requests" >> beam.Map(lambda page: page.request).with_output_types(UrlRequest)
    staged = [
        recovered.files,
        *extract_and_annotate("Archived", pages, config, run),
        *annotate("Recovered", recovered.articles, config, run),
    ]
    counted = {"Archives": requests, "Recovered": recovered.requests}
    merge_and_commit(staged, [recovered.archives], counted, config, run)


_FETCHED = [field.name for field in dataclasses.fields(Fetch) if field.name in TABLES["fetches"].schema.names]


class _Restore(beam.DoFn):
    """Give archived pages the fetch row of their run, and the text hash of earlier runs."""

    def __init__(self, config: RunConfig, run: Run) -> None:
        self._config, self._run = config, run

    def setup(self) -> None:
        store, run = open_store(self._run.lake), self._run
        names = ", ".join(_FETCHED)
        with ExitStack() as stack:
            where = f" WHERE {_where(run.run_id)} AND body_hash IS NOT NULL"
            holding = manifests_with(store, run.run_id)
            own = stack.enter_context(open_manifests(store, holding, tables=("fetches",), where=where))
            rows = own.execute(f"SELECT {names} FROM fetches").fetchall()  # noqa: S608 - our column names
            fetches = [_fetch(row) for row in rows]
            self._fetches = {fetch.article_id: fetch for fetch in fetches}
            crawl_state = stack.enter_context(open_crawl_state(store))
            requests = [UrlRequest(url=f.url, article_id=f.article_id, source=f.source) for f in fetches]
            self._known = look_up(crawl_state, requests, run, is_rerun=True) if self._config.revisit.conditional else {}

    def process(self, page: Page) -> Iterator[Page]:
        article_id = page.request.article_id
        known, fetch = self._known.get(article_id), self._fetches.get(article_id, page.fetch)
        text_hash = known.text_hash if known else None
        request = dataclasses.replace(page.request, url=fetch.url, source=fetch.source, text_hash=text_hash)
        ok = dataclasses.replace(fetch, outcome="ok", reason=None, retriable=False, text_hash=None)
        yield dataclasses.replace(page, request=request, fetch=ok)


def _fetch(row: tuple[Any, ...]) -> Fetch:
    return Fetch(**dict(zip(_FETCHED, row, strict=True)))
