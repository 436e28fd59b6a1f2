"""Start attempts at a run, with the rows that need no new request: of a crashed attempt, or of a failed run.

    LAKE/_staging/<run_id>/<attempt>/attempt.json    what the attempt's rows depend on, and when it started

The rows of a URL are recovered if all of them are in complete files: its row of ``fetches``, its article or failure,
and its page if the run keeps an archive. They are copied to the staging folder of the new attempt before its graph is
built, so after any number of crashes only the last attempt matters. Entities and quotes are not recovered: annotating
the text again needs no request, and the files of a bundle can then be written in any order.

Of a committed run in which every URL failed, all rows are copied in the same way, except temporary failures
(`pipeline.lake.previous_run`).
"""

import dataclasses
import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config.models import RunConfig
from pipeline.lake.attempts import AttemptMark, attempt_marks, new_attempt
from pipeline.lake.manifest import Manifest
from pipeline.lake.previous_run import config_hash
from pipeline.lake.query.catalog import open_manifests, quoted
from pipeline.lake.query.crawl_state import open_crawl_state
from transforms.annotate import MODEL_VERSION
from transforms.annotate.entities.clustering import RULES_VERSION
from transforms.extract import EXTRACTOR_VERSION
from transforms.schema.records import content_hash
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES, SCHEMA_VERSION, TABLES
from transforms.storage.base import Store
from transforms.storage.database import open_database
from transforms.warc.members import complete_members, copy_members
from transforms.write.parquet import merge_files

_LOG = logging.getLogger(__name__)

_COLUMNS = {
    "articles": ("article_id", "text_hash"),
    "fetches": ("article_id", "fetched_at", "outcome", "reason", "source", "text_hash", "body_hash", "retriable"),
    "failures": ("article_id", "stage"),
}

_RECOVERABLE = """
    SELECT article_id, body_hash IS NOT NULL AS has_page FROM fetches
    WHERE source NOT IN ('listing', 'warc') AND reason IS DISTINCT FROM 'cancelled'
      AND (outcome <> 'ok' OR (article_id, text_hash) IN (SELECT (article_id, text_hash) FROM articles))
      AND (outcome <> 'failed' OR article_id IN (SELECT article_id FROM failures WHERE stage <> 'annotate'))
      AND NOT ($is_held AND retriable)
"""
# Rows that a stream staged for a window which was committed before the crash are not recovered.
_NOT_COMMITTED = "FROM staged ANTI JOIN fetches USING (fetched_at, article_id)"


def start_attempt(
    store: Store,
    config: RunConfig,
    run_id: str,
    logical_time: datetime,
    *,
    lease_owner: str | None,
    to_retry: Sequence[Manifest] = (),
) -> Run:
    """Start an attempt at a run or a stream, with the rows recovered from a crashed attempt or a failed run.

    Args:
        store: the lake. The caller holds the run's lock.
        config: the configuration.
        run_id: id of the run or stream.
        logical_time: logical time in UTC.
        lease_owner: owner of the run's lock; None if the caller releases it before the commit (`Run.is_detached`).
        to_retry: manifests with the rows of a committed run whose temporary failures are requested again.

    Returns:
        The attempt, with its `recovered` files.
    """
    run = new_attempt(
        run_id,
        logical_time.date(),
        store.root,
        lease_owner or "",
        logical_time=logical_time,
        is_detached=lease_owner is None,
    )
    run = dataclasses.replace(run, is_retry=bool(to_retry), config_hash=config_hash(config))
    return recover(store, run, config, to_retry)


def recover(store: Store, run: Run, config: RunConfig, to_retry: Sequence[Manifest] = ()) -> Run:
    """Recover the rows of the last crashed attempt at a run, and mark the new attempt for the next recovery.

    Args:
        store: the lake. The caller holds the run's lock.
        run: the new attempt.
        config: its configuration. Rows are recovered only if they were made with the same settings (sources aside),
            code, models and date.
        to_retry: as in `start_attempt`; without a crashed attempt, the rows come from them.

    Returns:
        The attempt with its `recovered` files. The staging folders of all other attempts are deleted, unless this one
        is detached: another job may still write to them, because jobs hold no lock. `pipeline.lake.commit.exclusive`
        deletes them later.
    """
    fingerprint = _fingerprint(config, run)
    crashed = max(attempt_marks(store, run.run_id), key=lambda mark: mark.started_at, default=None)
    if crashed is not None and crashed.fingerprint == fingerprint:
        try:
            # Retriable failures may be the reason why the quality gate holds the attempt.
            is_held = store.read(f"{crashed.folder}/held.json") is not None
            files = _recovered_files(store, run, crashed.folder, with_pages=config.archive, is_held=is_held)
            run = dataclasses.replace(run, recovered=tuple(files))
        except (duckdb.Error, pa.ArrowException) as error:
            _LOG.warning(
                "run %s fetches all URLs again: the staged files of its crash are damaged: %s", run.run_id, error
            )
    elif to_retry:
        files = _kept_files(store, run, to_retry, with_pages=config.archive)
        run = dataclasses.replace(run, recovered=tuple(files))
    # From here on the next recovery reads this attempt, no longer the crashed one.
    mark = AttemptMark(fingerprint=fingerprint, started_at=datetime.now(timezone.utc), folder=run.staging)
    store.write(f"{run.staging}/attempt.json", mark.model_dump_json().encode())
    if not run.is_detached:
        store.delete([p for p in store.files(f"_staging/{run.run_id}") if not p.startswith(f"{run.staging}/")])
    return run


def _fingerprint(config: RunConfig, run: Run) -> str:
    settings = config.model_dump(mode="json", exclude={"sources", "lake", "quality"})
    # A stream's rows belong to the window that commits them, on any date.
    day = "" if run.is_stream else str(run.run_date)
    code = [version("onrecord"), *versions_of(config), SCHEMA_VERSION, day]
    return content_hash(json.dumps([settings, code], sort_keys=True))


def versions_of(config: RunConfig) -> tuple[str, str]:
    """The ``extractor_version`` and ``model_version`` that a run of this configuration writes."""
    return EXTRACTOR_VERSION, MODEL_VERSION if config.annotate.model == "shipped" else RULES_VERSION


def _recovered_files(
    store: Store, run: Run, crashed_folder: str, *, with_pages: bool, is_held: bool
) -> Iterator[StagedFile]:
    """Copy rows and archived pages of a crashed attempt into the staging folder of this one."""
    files: dict[str, list[str]] = {}
    with open_database() as database:
        for table, columns in _COLUMNS.items():
            read = dict(_complete_files(store, f"{crashed_folder}/rows/{table}", columns))
            files[table] = list(read)
            empty = TABLES[table].schema.empty_table().select(columns)
            rows = pa.concat_tables([empty, *read.values()])
            if run.is_stream and table == "fetches":
                rows = _not_committed(store, rows)
            database.register(table, rows)
        has_page: dict[str, bool] = dict(database.execute(_RECOVERABLE, {"is_held": is_held}).fetchall())
    archives = store.files(f"{crashed_folder}/publish/{ARCHIVES}") if with_pages else None
    yield from _copies(store, run, files, archives, has_page)


def _kept_files(store: Store, run: Run, to_retry: Sequence[Manifest], *, with_pages: bool) -> Iterator[StagedFile]:
    """Copy rows and archived pages of a committed run, except temporary failures, into the staging folder."""
    is_own = f"run_id = {quoted(run.run_id)}"
    with open_manifests(store, to_retry, tables=tuple(_COLUMNS), where=f" WHERE {is_own}") as database:
        has_page: dict[str, bool] = dict(database.execute(_RECOVERABLE, {"is_held": True}).fetchall())
    files = {table: [f.path for m in to_retry for f in m.files.get(table, [])] for table in _COLUMNS}
    archived = [f.path for m in to_retry for f in m.files.get(ARCHIVES, []) if f.path.split("/")[1] == run.run_id]
    yield from _copies(store, run, files, archived if with_pages else None, has_page, f" AND {is_own}")


def _copies(
    store: Store,
    run: Run,
    files: Mapping[str, list[str]],
    archives: list[str] | None,
    has_page: Mapping[str, bool],
    condition: str = "",
) -> Iterator[StagedFile]:
    """Copy the rows of some URLs, and their pages if there are archives; a URL without its page is left out."""
    article_ids = set(has_page)
    if archives is not None:
        missing = {article_id for article_id in article_ids if has_page[article_id]}
        for path in archives:
            yield from _recovered_pages(store, run, path, missing)
        article_ids -= missing
    yield from copy_rows(store, run, files, f"article_id IN (FROM ids){condition}", article_ids)


def _not_committed(store: Store, rows: pa.Table) -> pa.Table:
    """The rows of ``fetches`` that are not in the lake yet; a row is identified by its page and time."""
    times = rows["fetched_at"].drop_null()
    if not len(times):
        return rows
    with open_crawl_state(store, pc.min(times).as_py().date() - timedelta(days=1)) as database:
        database.register("staged", rows)
        return database.sql(_NOT_COMMITTED).to_arrow_table()


def _complete_files(store: Store, folder: str, columns: tuple[str, ...]) -> Iterator[tuple[str, pa.Table]]:
    """Columns of each readable Parquet file; a file that was not finished has no footer."""
    paths = store.files(folder)
    with store.local_copies(paths) as copies:
        for path, copy in zip(paths, copies, strict=True):
            with suppress(pa.ArrowInvalid, OSError):
                table = pq.read_table(copy, columns=list(columns))
                yield path, table


def _recovered_pages(store: Store, run: Run, path: str, missing: set[str]) -> Iterator[StagedFile]:
    """Copy the missing pages of one archive to a new archive of this attempt, and remove them from `missing`."""
    with store.local_copies([path]) as [copy]:
        kept = [member for member in complete_members(copy) if not member.article_id or member.article_id in missing]
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
    """Copy rows into the staging folder of an attempt, without failures of the annotation, which runs again.

    Args:
        store: the lake.
        run: the attempt.
        files: paths of the files that contain the rows, by table.
        where: SQL condition that selects the rows; it can use the table ``ids``.
        article_ids: the rows of ``ids``.
    """
    relation = pa.table({"article_id": pa.array(sorted(article_ids), pa.string())})
    for table, paths in files.items():
        condition = f"({where}) AND stage <> 'annotate'" if table == "failures" else where
        prefix = f"{run.staging}/rows/{table}/recovered-"
        if paths:
            yield from merge_files(store, table, run.partition, paths, prefix, condition, {"ids": relation})
