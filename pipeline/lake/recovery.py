"""Resume: an attempt at a run takes over what a dead attempt at it staged, so that no site is asked twice.

    LAKE/_staging/<run_id>/<attempt>/attempt.json    says what the attempt's rows were made with, and since when

The rows of a URL are taken over when all of them stand in whole files: its row of ``fetches`` with its article or its
failure, and its page where the run keeps an archive. They are written to the new attempt's own staging before its
graph begins, so that of any number of crashes only the last attempt counts. Entities and quotes are not taken over but
made anew from the text, which costs no request and needs no order among the files of a bundle.
"""

import dataclasses
import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config.models import RunConfig
from pipeline.lake.query.crawl_state import open_crawl_state
from pipeline.lake.transaction import Attempt, attempts
from transforms.annotate import MODEL_VERSION
from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.extract import EXTRACTOR_VERSION
from transforms.schema.records import content_hash
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES, SCHEMA_VERSION, TABLES
from transforms.storage.base import Store
from transforms.storage.database import open_database
from transforms.warc.members import copy_members, whole_members
from transforms.write.parquet import merge_files

_LOG = logging.getLogger(__name__)

_COLUMNS = {
    "articles": ("article_id", "text_hash"),
    "fetches": ("article_id", "fetched_at", "outcome", "reason", "source", "text_hash", "body_hash", "retriable"),
    "failures": ("article_id", "stage"),
}

_WHOLE = """
    SELECT article_id, body_hash IS NOT NULL AS has_page FROM fetches
    WHERE source NOT IN ('listing', 'warc') AND reason IS DISTINCT FROM 'cancelled'
      AND (outcome <> 'ok' OR (article_id, text_hash) IN (SELECT (article_id, text_hash) FROM articles))
      AND (outcome <> 'failed' OR article_id IN (SELECT article_id FROM failures WHERE stage <> 'annotate'))
      AND NOT ($is_held AND retriable)
"""
# What a stream staged for a window that was committed before it died.
_NOT_COMMITTED = "FROM staged ANTI JOIN fetches USING (fetched_at, article_id)"


def begin(store: Store, run: Run, config: RunConfig) -> Run:
    """Takes over what the last dead attempt at this run staged, and marks this one for the next.

    Args:
        store: the lake. The caller holds the run's lock.
        run: the new attempt.
        config: its configuration; rows that were made with other settings (sources aside), code or models, or for
            another date, are not taken over.

    Returns:
        The attempt, with what it `adopted`. Every other attempt's staging is gone, unless this one is detached: then
        another job may still be at it, since jobs hold no lock, and `pipeline.lake.commit.exclusive` removes it in
        time.
    """
    fingerprint = _fingerprint(config, run)
    dead = max(attempts(store, run.run_id), key=lambda a: a.started_at, default=None)
    if dead is not None and dead.fingerprint == fingerprint:
        try:
            # What failed for a passing reason may be why it is held.
            is_held = store.read(f"{dead.folder}/held.json") is not None
            taken = _adopt(store, run, dead.folder, with_pages=config.archive, is_held=is_held)
            run = dataclasses.replace(run, recovered=tuple(taken))
        except (duckdb.Error, pa.ArrowException) as error:
            _LOG.warning("what a dead attempt at run %s staged is damaged, and asked for again: %s", run.run_id, error)
    # From here this attempt stands for the dead one.
    mark = Attempt(fingerprint=fingerprint, started_at=datetime.now(timezone.utc), folder=run.staging)
    store.write(f"{run.staging}/attempt.json", mark.model_dump_json().encode())
    if not run.is_detached:
        store.delete([p for p in store.files(f"_staging/{run.run_id}") if not p.startswith(f"{run.staging}/")])
    return run


def _fingerprint(config: RunConfig, run: Run) -> str:
    settings = config.model_dump(mode="json", exclude={"sources", "lake", "quality"})
    # Rows of a stream become rows of the window that commits them, on whichever day.
    day = "" if run.is_stream else str(run.run_date)
    code = [version("onrecord"), *versions_of(config), SCHEMA_VERSION, day]
    return content_hash(json.dumps([settings, code], sort_keys=True))


def versions_of(config: RunConfig) -> tuple[str, str]:
    """What a run of this configuration writes as ``extractor_version`` and as ``model_version``."""
    return EXTRACTOR_VERSION, MODEL_VERSION if config.annotate.model == "shipped" else RULES_VERSION


def _adopt(store: Store, run: Run, dead: str, *, with_pages: bool, is_held: bool) -> Iterator[StagedFile]:
    """The rows of a dead attempt, and its pages, as files of this one."""
    files: dict[str, list[str]] = {}
    with open_database() as database:
        for table, columns in _COLUMNS.items():
            read = dict(_whole_files(store, f"{dead}/rows/{table}", columns))
            files[table] = list(read)
            empty = TABLES[table].schema.empty_table().select(columns)
            rows = pa.concat_tables([empty, *read.values()])
            if run.is_stream and table == "fetches":
                rows = _not_committed(store, rows)
            database.register(table, rows)
        taken: dict[str, bool] = dict(database.execute(_WHOLE, {"is_held": is_held}).fetchall())
    if with_pages:
        missing = {article_id for article_id, has_page in taken.items() if has_page}
        for path in store.files(f"{dead}/publish/{ARCHIVES}"):
            yield from _adopt_pages(store, run, path, missing)
        taken = {article_id: has_page for article_id, has_page in taken.items() if article_id not in missing}
    yield from copy_rows(store, run, files, "article_id IN (FROM taken)", taken)


def _not_committed(store: Store, rows: pa.Table) -> pa.Table:
    """The rows of ``fetches`` without those that stand in the lake: each is known by its page and its moment."""
    times = rows["fetched_at"].drop_null()
    if not len(times):
        return rows
    with open_crawl_state(store, pc.min(times).as_py().date() - timedelta(days=1)) as database:
        database.register("staged", rows)
        return database.sql(_NOT_COMMITTED).to_arrow_table()


def _whole_files(store: Store, folder: str, columns: tuple[str, ...]) -> Iterator[tuple[str, pa.Table]]:
    """Some columns of each Parquet file that can be read: one that was not written to its end has no footer."""
    paths = store.files(folder)
    with store.local_copies(paths) as copies:
        for path, copy in zip(paths, copies, strict=True):
            with suppress(pa.ArrowInvalid, OSError):
                table = pq.read_table(copy, columns=list(columns))
                yield path, table


def _adopt_pages(store: Store, run: Run, path: str, missing: set[str]) -> Iterator[StagedFile]:
    """The pages of one archive that are missing, as an archive of this attempt; they are missing no more."""
    with store.local_copies([path]) as [copy]:
        kept = [member for member in whole_members(copy) if not member.article_id or member.article_id in missing]
        found = {member.article_id for member in kept if member.article_id}
        if not found:
            return
        missing -= found
        name = f"{ARCHIVES}/{run.run_id}/{run.run_id}-{run.attempt}-{uuid.uuid4().hex}.warc.gz"
        staged = f"{run.staging}/publish/{name}"
        with store.new_file(staged) as new:
            copy_members(copy, new, kept)
            size = new.stat().st_size
    yield StagedFile(table=ARCHIVES, partition=run.partition, path=staged, rows=len(found), bytes=size)


def copy_rows(
    store: Store, run: Run, files: Mapping[str, list[str]], where: str, article_ids: Iterable[str] = ()
) -> Iterator[StagedFile]:
    """Copies rows into the staging of an attempt; failures of annotation stay behind, for it is made anew.

    Args:
        store: the lake.
        run: the attempt.
        files: paths of the files that hold the rows, by table.
        where: which rows, in SQL; these ids are there as ``taken``.
        article_ids: the ids.
    """
    relation = pa.table({"article_id": pa.array(sorted(article_ids), pa.string())})
    for table, paths in files.items():
        condition = f"({where}) AND stage <> 'annotate'" if table == "failures" else where
        prefix = f"{run.staging}/rows/{table}/adopted-"
        if paths:
            yield from merge_files(store, table, run.partition, paths, prefix, condition, {"taken": relation})
