"""The commit: a run becomes visible as a whole or not at all, wherever it dies (`pipeline.lake.manifest`)."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

from pipeline.lake.attempts import attempt_marks, staged_files
from pipeline.lake.delete_rows import post_commit_cleanup
from pipeline.lake.manifest import KEEP_CRASHED, KEEP_HELD, Check, LakeFile, Manifest, read_manifest, read_manifest_file
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
    """Hold the lock of a run; on entry, finish or remove what crashed attempts left in staging.

    Args:
        store: the lake.
        run_id: the run.
        recover_others: also recover the crashed attempts of other runs that no process holds.

    Yields:
        The lease owner of the lock, for `new_attempt`.

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
    """Finishes a run that died while publishing, and removes what else it staged. Needs its lock.

    What the next attempt may take over stays for a day (of a stream until it is started again: its attempt may have
    begun long ago), and what the quality gate holds for `KEEP_HELD`.
    """
    for path in staged_files(store, run_id, "manifest.json"):
        manifest, staging = read_manifest_file(store, path), path.removesuffix("/manifest.json")
        if manifest is not None:
            # One that came too late is dropped, with its files.
            with suppress(CommitError):
                _finish(store, manifest, staging)
            clean_up(store, staging)
    now = datetime.now(timezone.utc)
    is_stream = is_stream_id(run_id)
    kept = tuple(f"{a.folder}/" for a in attempt_marks(store, run_id) if is_stream or a.started_at > now - KEEP_CRASHED)
    waiting = held(store, run_id)
    if waiting is not None and waiting.committed_at > now - KEEP_HELD:
        kept += (f"{_staging_of(waiting)}/",)
    store.delete([p for p in store.files(f"_staging/{run_id}") if not p.startswith(kept)])


def is_committed(store: Store, run: Run) -> bool:
    """Whether this very attempt at the run is committed."""
    standing = read_manifest(store, run.run_id)
    return standing is not None and standing.attempt == run.attempt


def commit(store: Store, run: Run, files: Iterable[StagedFile], urls: int, checks: Iterable[Check] = ()) -> Manifest:
    """Makes the published files of a run visible, all at once. Doing it again for the same attempt changes nothing.

    Args:
        store: the lake.
        run: the attempt that wrote the files.
        files: what `transforms.write.parquet.merge_staged_files` and `pipeline.stories.assign` gave for all tables.
        urls: distinct URLs that came in.
        checks: what the quality gate says of the files.

    Returns:
        The manifest as written.

    Raises:
        CommitError: the books do not balance: not every URL has exactly one row of ``fetches``; or the run's lock went
            to another process.
        HeldError: a check is breached; the files are kept for `accept`, and nothing is visible.
        RunLockedError: another process makes the same run, which no process waited for.
    """
    before = read_manifest(store, run.run_id)
    if before is not None and before.attempt == run.attempt:
        return before
    prefix = f"{run.staging}/publish/"
    by_table: dict[str, list[LakeFile]] = {name: [] for name in TABLES}
    for file in sorted(files, key=lambda f: f.path):
        entry = LakeFile(path=file.path.removeprefix(prefix), rows=file.rows, bytes=file.bytes)
        by_table.setdefault(file.table, []).append(entry)
    manifest = Manifest(
        run_id=run.run_id,
        run_date=run.run_date,
        attempt=run.attempt,
        schema_version=SCHEMA_VERSION,
        committed_at=datetime.now(timezone.utc),
        urls=urls,
        files=by_table,
        replaces=before.paths if before else [],
        parent_version=before.version if before else None,
        checks=list(checks),
    )
    if manifest.rows("fetches") != urls:
        raise CommitError(
            f"the books do not balance: {urls} URLs came in and `fetches` has {manifest.rows('fetches')} rows; "
            "nothing was published, please report this with the run's log"
        )
    with _lock_of_commit(store, run):
        if _is_news(manifest, before):
            _hold(store, manifest, run.staging)
            raise _error_of(manifest)
        commit_manifest(store, manifest, run.staging)
    return manifest


def _is_news(manifest: Manifest, before: Manifest | None) -> bool:
    """Whether a check is breached that nobody accepted, at this figure or a higher one, when the run stood before."""
    accepted = {check.name: check.figure for check in (before.checks if before else ()) if check.breach}
    return any(check.breach and check.figure > accepted.get(check.name, -1.0) for check in manifest.checks)


def accept(store: Store, run_id: str) -> Manifest | None:
    """Publishes what the quality gate holds of a run, exactly as it is.

    Args:
        store: the lake. The caller holds the run's lock (`exclusive`).
        run_id: the run.

    Returns:
        The manifest as written; None where nothing of the run is held.
    """
    waiting = held(store, run_id)
    if waiting is None:
        return None
    manifest = waiting.model_copy(update={"committed_at": datetime.now(timezone.utc)})
    commit_manifest(store, manifest, _staging_of(manifest))
    return manifest


def _hold(store: Store, manifest: Manifest, staging: str) -> None:
    """Keeps an attempt that is ready to be published, for somebody to look at and `accept`."""
    store.write(f"{staging}/held.json", manifest.model_dump_json(by_alias=True).encode())


def held(store: Store, run_id: str) -> Manifest | None:
    """The manifest of an attempt that the quality gate holds; None where there is none that may still be published.

    Args:
        store: the lake.
        run_id: the run.
    """
    read = {path: store.read(path) for path in staged_files(store, run_id, "held.json")}
    found = {path: Manifest.model_validate_json(data) for path, data in read.items() if data is not None}
    standing = read_manifest(store, run_id)
    version = standing.version if standing is not None else None
    usable = [m for path, m in found.items() if m.parent_version == version and path == f"{_staging_of(m)}/held.json"]
    return max(usable, key=lambda m: m.committed_at, default=None)


def held_error(store: Store, run: Run) -> HeldError | None:
    """What `commit` raised of an attempt that is held; an engine may have made another error of it."""
    waiting = held(store, run.run_id)
    return _error_of(waiting) if waiting is not None and waiting.attempt == run.attempt else None


def _error_of(manifest: Manifest) -> HeldError:
    named = re.search(r"-([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})$", manifest.run_id)
    which = "--date {}-{}-{}T{}:{}".format(*named.groups()) if named else f"--run-id {manifest.run_id}"
    lines = [
        f"run {manifest.run_id} is held by the quality gate, nothing of it is visible:",
        *(f"  {check.breach}" for check in manifest.checks if check.breach),
        f"`onrecord run CONFIG {which} --accept` publishes it as it is, within {KEEP_HELD.days} days; "
        "the command again, without --accept, asks anew for what failed for a passing reason",
    ]
    return HeldError("\n".join(lines))


def _staging_of(manifest: Manifest) -> str:
    return f"_staging/{manifest.run_id}/{manifest.attempt}"


@contextmanager
def _lock_of_commit(store: Store, run: Run) -> Iterator[None]:
    """The run's lock is held from here on, for longer than it takes to write the decision."""
    if run.is_detached:
        with locked(store, run.run_id):
            yield
        return
    if not store.holds(lock_path(run.run_id), run.lease_owner):
        raise CommitError(
            f"run {run.run_id} lost its lock {store.uri(lock_path(run.run_id))}: its process was cut off from the "
            "bucket for too long; nothing was published, start it again"
        )
    yield


def commit_manifest(store: Store, manifest: Manifest, staging: str) -> None:
    """Publishes a manifest with the files of its own that lie under ``<staging>/publish``, all at once.

    Args:
        store: the lake.
        manifest: what shall stand. The caller holds its lock (`pipeline.lake.transaction.lock_of`).
        staging: ``_staging/<the lock's name>/<a token>``; from there whoever comes next finishes what a crash leaves.

    Raises:
        CommitError: another manifest stands than the one that this follows.
    """
    prepare(store, manifest, staging)
    _finish(store, manifest, staging)


def _finish(store: Store, manifest: Manifest, staging: str) -> None:
    apply(store, manifest, staging)
    if not manifest.revision:
        post_commit_cleanup(store, manifest)
    clean_up(store, staging)
