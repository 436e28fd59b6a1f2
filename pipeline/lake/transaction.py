"""Locks and the write-ahead log: how a manifest and its files change together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.lake.manifest import COMPACTION, Manifest, manifest_path, to_json
from transforms.schema.errors import OnrecordError
from transforms.storage.base import Changed, Locked, Store


class CommitError(OnrecordError):
    """The run cannot be committed; nothing of it is visible. The message is one sentence."""


class HeldError(CommitError):
    """The quality gate holds the run. The message has a sentence for each breach, and one on what to do."""

    exit_code = 3


class NothingHeldError(OnrecordError):
    """There is nothing to accept. The message is one sentence."""

    exit_code = 2


class RunLockedError(OnrecordError):
    """Another process holds the lock of this run."""

    exit_code = 2


@contextmanager
def locked(store: Store, run_id: str) -> Iterator[str]:
    """Holds the lock of one run alone, or that of `COMPACTION`.

    Raises:
        RunLockedError: another process holds it.
    """
    path = lock_path(run_id)
    try:
        with store.lock(path) as lease_owner:
            yield lease_owner
    except Locked:
        if run_id == COMPACTION:
            raise RunLockedError(
                f"another process compacts the lake or takes rows out of it ({store.uri(path)} is held): "
                "wait until it ends"
            ) from None
        raise RunLockedError(
            f"run {run_id} is being made by another process ({store.uri(path)} is held): "
            "wait until it ends, or give another --run-id"
        ) from None


def prepare(store: Store, manifest: Manifest, staging: str) -> None:
    """Writes the decision to publish a manifest; `apply` and `clean_up` do the rest, or whoever comes after a crash.

    Args:
        store: the lake.
        manifest: what shall stand. The caller holds its lock (`lock_of`).
        staging: ``_staging/<the lock's name>/<a token>``; files that it names and that are new lie under its
            ``publish``.
    """
    store.write(f"{staging}/manifest.json", to_json(manifest))


def apply(store: Store, manifest: Manifest, staging: str) -> None:
    """Does what was decided: files move to their places, the manifest to ``_runs``, and what it replaces goes.

    Each step can be repeated, so a crash anywhere in it does no harm.

    Raises:
        CommitError: another manifest stands than the one that this follows; nothing has moved.
    """
    path, data = manifest_path(manifest.run_id), to_json(manifest)
    standing = store.read(path)
    before = Manifest.model_validate_json(standing).version if standing is not None else None
    try:
        if standing != data and before != manifest.parent_version:
            raise Changed
        for table in manifest.files.values():
            for file in table:
                store.move(f"{staging}/publish/{file.path}", file.path)
        if standing != data:
            store.swap(path, data, standing)
    except Changed as error:
        raise CommitError(
            f"run {manifest.run_id} was committed by another process meanwhile, which stands: {store.uri(path)}"
        ) from error
    store.delete(manifest.replaces)


def clean_up(store: Store, staging: str) -> None:
    """Removes a staging folder. The decision in it goes last: as long as it stands, the next run comes back to it."""
    rest = [p for p in store.files(staging) if not p.endswith("/manifest.json")]
    store.delete([*rest, f"{staging}/manifest.json"])


def lock_of(manifest: Manifest) -> str:
    """The name of the lock that guards this manifest."""
    return COMPACTION if manifest.supersedes else manifest.run_id


def try_lock(stack: ExitStack, store: Store, manifest: Manifest) -> bool:
    """Takes the lock that guards a manifest until the stack ends; whoever calls holds that of `COMPACTION`.

    Returns:
        False where the run is being made anew by another process.
    """
    if lock_of(manifest) != COMPACTION:
        try:
            stack.enter_context(locked(store, manifest.run_id))
        except RunLockedError:
            return False
    return True


def lock_path(run_id: str) -> str:
    """Where a run's lock lies."""
    return f"_runs/{run_id}.lock"
