"""Commit a run: readers see a complete run or nothing, wherever a process crashes (`pipeline.lake.manifest`)."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

from pipeline.lake.attempts import attempt_marks, staged_files
from pipeline.lake.delete_rows import post_commit_cleanup
from pipeline.lake.manifest import (
    KEEP_CRASHED,
    KEEP_HELD,
    Check,
    LakeFile,
    Manifest,
    read_manifest,
    read_manifest_file,
)
from pipeline.lake.transaction import (
    CommitError,
    HeldError,
    RunLockedError,
    apply,
    clean_up,
    lock_path,
    locked,
    prepare,
)
from transforms.schema.run import Run, StagedFile, is_stream_id
from transforms.schema.tables import SCHEMA_VERSION, TABLES
from transforms.storage.base import Store


@contextmanager
def exclusive(store: Store, run_id: str, *, recover_others: bool = True) -> Iterator[str]:
    """Hold the lock of a run; on entry, finish or delete what crashed attempts left in staging.

    Args:
        store: the lake.
        run_id: the run.
        recover_others: also recover the crashed attempts of other runs that no process holds.

    Yields:
        The lease owner of the lock, for `pipeline.lake.recovery.start_attempt`.

    Raises:
        RunLockedError: another process holds the lock.
    """
    with locked(store, run_id) as lease_owner:
        _recover(store, run_id)
        others = {path.split("/")[1] for path in store.files("_staging")} - {run_id} if recover_others else set()
        for other in sorted(others):
            with suppress(RunLockedError), locked(store, other):
                _recover(store, other)
        yield lease_owner


def _recover(store: Store, run_id: str) -> None:
    """Finish a commit that crashed, and delete other staged files of the run. The caller holds its lock.

    Files that the next attempt can recover are kept for `KEEP_CRASHED`; those of a stream until it is started again,
    because its attempt may have started long ago. Files that the quality gate holds are kept for `KEEP_HELD`.
    """
    for path in staged_files(store, run_id, "manifest.json"):
        manifest, staging = read_manifest_file(store, path), path.removesuffix("/manifest.json")
        if manifest is not None:
            # If another attempt was committed first, this one is deleted.
            with suppress(CommitError):
                _finish(store, manifest, staging)
            clean_up(store, staging)
    now = datetime.now(timezone.utc)
    is_stream = is_stream_id(run_id)
    marks = attempt_marks(store, run_id)
    kept = tuple(f"{mark.folder}/" for mark in marks if is_stream or mark.started_at > now - KEEP_CRASHED)
    waiting = held(store, run_id)
    if waiting is not None and waiting.committed_at > now - KEEP_HELD:
        kept += (f"{_staging_of(waiting)}/",)
    store.delete([p for p in store.files(f"_staging/{run_id}") if not p.startswith(kept)])


def is_committed(store: Store, run: Run) -> bool:
    """Whether this attempt at the run is committed."""
    current = read_manifest(store, run.run_id)
    return current is not None and current.attempt == run.attempt


def commit(store: Store, run: Run, files: Iterable[StagedFile], urls: int, checks: Iterable[Check] = ()) -> Manifest:
    """Make the merged files of a run visible, all at once; idempotent for the same attempt.

    Args:
        store: the lake.
        run: the attempt that wrote the files.
        files: merged files of all tables, from `transforms.write.parquet.merge_staged_files` and
            `pipeline.stories.assign`.
        urls: number of distinct URLs of the run.
        checks: results of the quality gate.

    Returns:
        The manifest as written.

    Raises:
        CommitError: the row counts do not reconcile, so that not every URL has one row in ``fetches``; or another
            process has acquired the run's lock.
        HeldError: a check is breached. The files are kept for `accept`, and none is visible.
        RunLockedError: the run is detached, and another process holds its lock.
    """
    current = read_manifest(store, run.run_id)
    if current is not None and current.attempt == run.attempt:
        return current
    manifest = _manifest(run, files, urls, checks, current)
    if manifest.rows("fetches") != urls:
        raise CommitError(
            f"the row counts do not reconcile: the run has {urls} URLs, and `fetches` has {manifest.rows('fetches')} "
            "rows; nothing was committed, please report this with the log of the run"
        )
    with _held_lock(store, run):
        if _has_new_breach(manifest, current):
            _hold(store, manifest, run.staging)
            raise _error_of(manifest)
        commit_manifest(store, manifest, run.staging)
    return manifest


def _manifest(
    run: Run, files: Iterable[StagedFile], urls: int, checks: Iterable[Check], current: Manifest | None
) -> Manifest:
    prefix = f"{run.staging}/publish/"
    by_table: dict[str, list[LakeFile]] = {name: [] for name in TABLES}
    for file in sorted(files, key=lambda f: f.path):
        entry = LakeFile(path=file.path.removeprefix(prefix), rows=file.rows, bytes=file.bytes)
        by_table.setdefault(file.table, []).append(entry)
    return Manifest(
        run_id=run.run_id,
        run_date=run.run_date,
        attempt=run.attempt,
        schema_version=SCHEMA_VERSION,
        committed_at=datetime.now(timezone.utc),
        urls=urls,
        files=by_table,
        replaces=current.paths if current else [],
        parent_version=current.version if current else None,
        checks=list(checks),
        config_hash=run.config_hash or (current.config_hash if current else None),
    )


def _has_new_breach(manifest: Manifest, current: Manifest | None) -> bool:
    """Whether a check is breached that was not accepted before, at this figure or a higher one."""
    accepted = {check.name: check.figure for check in (current.checks if current else ()) if check.breach}
    return any(check.breach and check.figure > accepted.get(check.name, -1.0) for check in manifest.checks)


def accept(store: Store, run_id: str) -> Manifest | None:
    """Commit a run that the quality gate holds, without changes.

    Args:
        store: the lake. The caller holds the run's lock (`exclusive`).
        run_id: the run.

    Returns:
        The manifest as written; None if the run is not held.
    """
    waiting = held(store, run_id)
    if waiting is None:
        return None
    manifest = waiting.model_copy(update={"committed_at": datetime.now(timezone.utc)})
    commit_manifest(store, manifest, _staging_of(manifest))
    return manifest


def _hold(store: Store, manifest: Manifest, staging: str) -> None:
    """Keep an attempt that is ready to be committed, until a user accepts it."""
    store.write(f"{staging}/held.json", manifest.model_dump_json(by_alias=True).encode())


def held(store: Store, run_id: str) -> Manifest | None:
    """Read the manifest of the attempt that the quality gate holds; None if none can be committed any more.

    Args:
        store: the lake.
        run_id: the run.
    """
    read = {path: store.read(path) for path in staged_files(store, run_id, "held.json")}
    found = {path: Manifest.model_validate_json(data) for path, data in read.items() if data is not None}
    current = read_manifest(store, run_id)
    version = current.version if current is not None else None
    usable = [m for path, m in found.items() if m.parent_version == version and path == f"{_staging_of(m)}/held.json"]
    return max(usable, key=lambda m: m.committed_at, default=None)


def held_error(store: Store, run: Run) -> HeldError | None:
    """The error that `commit` raised if it holds this attempt; engines may have replaced it with their own."""
    waiting = held(store, run.run_id)
    return _error_of(waiting) if waiting is not None and waiting.attempt == run.attempt else None


def _error_of(manifest: Manifest) -> HeldError:
    time = re.search(r"-([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})$", manifest.run_id)
    option = "--date {}-{}-{}T{}:{}".format(*time.groups()) if time else f"--run-id {manifest.run_id}"
    lines = [
        f"the quality gate holds run {manifest.run_id}, and none of it is visible:",
        *(f"  {check.breach}" for check in manifest.checks if check.breach),
        f"To commit it unchanged, use `onrecord run CONFIG {option} --accept` within {KEEP_HELD.days} days; without "
        "--accept, the same command retries the URLs that failed for a temporary reason",
    ]
    return HeldError("\n".join(lines))


def _staging_of(manifest: Manifest) -> str:
    return f"_staging/{manifest.run_id}/{manifest.attempt}"


@contextmanager
def _held_lock(store: Store, run: Run) -> Iterator[None]:
    """Check that the run's lock is held, or acquire it for a detached run, for the time of the commit."""
    if run.is_detached:
        with locked(store, run.run_id):
            yield
        return
    if not store.holds(lock_path(run.run_id), run.lease_owner):
        raise CommitError(
            f"run {run.run_id} lost its lock {store.uri(lock_path(run.run_id))}, because its process could not reach "
            "the bucket for too long; nothing was committed, start the run again"
        )
    yield


def commit_manifest(store: Store, manifest: Manifest, staging: str) -> None:
    """Commit a manifest and its new files, which are in ``<staging>/publish``, all at once.

    Args:
        store: the lake.
        manifest: the new manifest. The caller holds its lock (`pipeline.lake.transaction.lock_of`).
        staging: ``_staging/<name of the lock>/<token>``; after a crash, the next run continues from there.

    Raises:
        CommitError: the current manifest is not the parent of this one.
    """
    prepare(store, manifest, staging)
    _finish(store, manifest, staging)


def _finish(store: Store, manifest: Manifest, staging: str) -> None:
    apply(store, manifest, staging)
    if not manifest.revision:
        post_commit_cleanup(store, manifest)
    clean_up(store, staging)
