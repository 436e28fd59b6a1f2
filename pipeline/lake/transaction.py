"""Change a manifest and its files in one transaction: locks and a write-ahead log."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.lake.manifest import COMPACTION, Manifest, manifest_path, to_json
from transforms.schema.errors import ExitCode, OnrecordError
from transforms.storage.base import Changed, Locked, Store


class CommitError(OnrecordError):
    """The run cannot be committed, and none of it is visible. The message is one sentence."""


class HeldError(CommitError):
    """The quality gate holds the run. The message has a sentence for each breach, and one on what to do."""

    exit_code = ExitCode.HELD


class NothingHeldError(OnrecordError):
    """There is no held run to accept. The message is one sentence."""

    exit_code = ExitCode.REFUSED


class RunLockedError(OnrecordError):
    """Another process holds the lock of the run. The message is one sentence."""

    exit_code = ExitCode.LOCKED


@contextmanager
def locked(store: Store, run_id: str) -> Iterator[str]:
    """Hold the lock of one run, or of `COMPACTION`.

    Yields:
        The lease owner.

    Raises:
        RunLockedError: another process holds the lock.
    """
    path = lock_path(run_id)
    try:
        with store.lock(path) as lease_owner:
            yield lease_owner
    except Locked:
        if run_id == COMPACTION:
            raise RunLockedError(
                f"another process compacts the lake or deletes rows from it (lock {store.uri(path)}): wait until it "
                "ends"
            ) from None
        raise RunLockedError(
            f"run {run_id} is in progress in another process (lock {store.uri(path)}): wait until it ends, or use "
            "another --run-id"
        ) from None


def prepare(store: Store, manifest: Manifest, staging: str) -> None:
    """Write the write-ahead manifest; `apply` and `clean_up` follow, or run after a crash.

    Args:
        store: the lake. The caller holds the lock of the manifest (`lock_of`).
        manifest: the new manifest.
        staging: ``_staging/<name of the lock>/<token>``; the manifest's new files are in its folder ``publish``.
    """
    store.write(f"{staging}/manifest.json", to_json(manifest))


def apply(store: Store, manifest: Manifest, staging: str) -> None:
    """Apply the write-ahead manifest; idempotent.

    Moves the new files to the tables and the manifest to ``_runs``, then deletes the files that it replaces. A crash
    between two steps does no harm, because each step can be repeated.

    Raises:
        CommitError: the current manifest is not the parent of this one; nothing has been moved.
    """
    path, data = manifest_path(manifest.run_id), to_json(manifest)
    current = store.read(path)
    version = Manifest.model_validate_json(current).version if current is not None else None
    try:
        if current != data and version != manifest.parent_version:
            raise Changed
        for table in manifest.files.values():
            for file in table:
                store.move(f"{staging}/publish/{file.path}", file.path)
        if current != data:
            store.swap(path, data, current)
    except Changed as error:
        raise CommitError(
            f"run {manifest.run_id} was committed by another process meanwhile, and that commit is kept: "
            f"{store.uri(path)}"
        ) from error
    store.delete(manifest.replaces)


def clean_up(store: Store, staging: str) -> None:
    """Delete a staging folder; the write-ahead manifest last, so that after a crash the next run continues here."""
    rest = [p for p in store.files(staging) if not p.endswith("/manifest.json")]
    store.delete([*rest, f"{staging}/manifest.json"])


def lock_of(manifest: Manifest) -> str:
    """Name of the lock that guards a manifest."""
    return COMPACTION if manifest.supersedes else manifest.run_id


def try_lock(stack: ExitStack, store: Store, manifest: Manifest) -> bool:
    """Acquire the lock that guards a manifest until the stack closes. The caller holds the lock of `COMPACTION`.

    Returns:
        False if another process holds it.
    """
    if lock_of(manifest) != COMPACTION:
        try:
            stack.enter_context(locked(store, manifest.run_id))
        except RunLockedError:
            return False
    return True


def lock_path(run_id: str) -> str:
    """Path of the lock file of a run."""
    return f"_runs/{run_id}.lock"
