"""The lake: where a run's tables lie, and how a run becomes visible all at once or not at all.

    LAKE/<table>/dt=YYYY-MM-DD/part-<run>-<attempt>-<n>.parquet    what readers see
    LAKE/_runs/<run_id>.json                                       the run's manifest, written last: the commit
    LAKE/_warc/<run_id>/<run>-<attempt>-<token>.warc.gz            pages as they came, where `archive` is on
    LAKE/_runs/<run_id>.lock                                       held while the run is made
    LAKE/_staging/<run_id>/<attempt>/rows, /publish                what no reader sees
    LAKE/_staging/<run_id>/<attempt>/attempt.json                  says that the next attempt may take rows over
    LAKE/_staging/<run_id>/<attempt>/manifest.json                 the decision to commit (a write-ahead log)

A run passes three states. *Staged*: its files lie under ``_staging``; if it dies now, the same run started again takes
them over (`pipeline.resume`), and after a day any run removes them.
*Publishing*: the write-ahead manifest stands, and files move to their places; if it dies now, the next run finishes the
moves, for all that they need is named in that manifest. *Committed*: the manifest stands in ``_runs``. Readers that use
the manifests (`open_lake` does) see a run entirely or not at all; readers that glob see its files during the moves.
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime, timedelta, timezone

from pydantic import BaseModel, ConfigDict, Field

from transforms.records import Run, StagedFile
from transforms.store import Changed, Locked, Store
from transforms.tables import ARCHIVES, SCHEMA_VERSION, TABLES

COMPACTION = "_compact"
"""Name of the lock that compactions and whatever else changes their files hold, and of the folder they stage in."""


KEPT = timedelta(days=1)
"""For how long what a dead attempt staged is kept for the next attempt at the same run."""


class CommitError(Exception):
    """The run cannot be committed; nothing of it is visible. The message is one sentence."""


class RunLockedError(Exception):
    """Another process makes this very run now."""


class LakeFile(BaseModel):
    """One published file: its path relative to the lake, its rows and its bytes."""

    model_config = ConfigDict(frozen=True)

    path: str
    rows: int
    bytes: int
    schema_version: int | None = None
    """Where it is not the manifest's: of a file that was written anew since."""


class Attempt(BaseModel):
    """The mark of an attempt whose rows the next attempt at the same run may take over (`pipeline.resume`)."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Of all that its rows depend on; another one's rows would differ."""
    started_at: datetime
    folder: str
    """Where it stages, relative to the lake."""


class Manifest(BaseModel):
    """What a committed run consists of."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    run_date: date
    attempt: str
    schema_version: int
    committed_at: datetime
    urls: int
    """Distinct URLs that came in; equal to the rows of ``fetches``."""
    files: dict[str, list[LakeFile]]
    """By table; a table without rows has an empty list. ``_warc``: the run's archives, where it keeps any."""
    replaces: list[str] = []
    """Files that the manifest before this one named and this one does not, deleted after the commit."""
    revision: int = 0
    """How often rows were taken out of the attempt's files since (`pipeline.forget`)."""
    follows: str | None = None
    """The `stamp` of the manifest that this one takes the place of."""
    supersedes: dict[str, str] = {}
    """Of a compaction: the runs whose rows its files hold, each with the `stamp` that it had then."""
    hides: frozenset[str] = Field(default=frozenset(), exclude=True)
    """Of a compaction as `manifests` gives it: runs that were made anew since; their rows in its files do not count."""

    @property
    def stamp(self) -> str:
        """Says which attempt's files these are, and in which state."""
        return f"{self.attempt}.{self.revision}"

    @property
    def paths(self) -> list[str]:
        """All files, of all tables."""
        return [f.path for table in self.files.values() for f in table]

    def holds(self, run_id: str) -> bool:
        """Whether its files hold the rows of a run, its own or one that it compacted, and these count."""
        return run_id == self.run_id or run_id in self.supersedes.keys() - self.hides

    def rows(self, table: str) -> int:
        """The number of rows that the run wrote to a table."""
        return sum(f.rows for f in self.files.get(table, []))


def new_attempt(run_id: str, run_date: date, lake: str, holder: str = "") -> Run:
    """A new attempt at a run, with a token of its own; `holder` is what `exclusive` gave."""
    return Run(run_id=run_id, run_date=run_date, attempt=secrets.token_hex(4), lake=lake, holder=holder)


def read_manifest(store: Store, run_id: str) -> Manifest | None:
    """The manifest of a committed run, or None."""
    data = store.read(_manifest_path(run_id))
    return Manifest.model_validate_json(data) if data is not None else None


def manifests(store: Store) -> list[Manifest]:
    """The manifests in effect, by run id: of all committed runs, and in place of superseded ones their compaction's.

    The files that they name are the lake. A compaction's file holds rows of several runs; where its manifest `hides`
    one of them, the rows of that run in its files do not count.
    """
    names = [p for p in store.files("_runs") if p.endswith(".json")]
    read = (store.read(name) for name in names)
    found = [Manifest.model_validate_json(data) for data in read if data is not None]
    stamps = {m.run_id: m.stamp for m in found}
    superseded = {run for m in found for run, stamp in m.supersedes.items() if stamps.get(run) == stamp}
    return [_in_effect(m, stamps) for m in found if m.run_id not in superseded]


def _in_effect(manifest: Manifest, stamps: dict[str, str]) -> Manifest:
    hides = frozenset(run for run, stamp in manifest.supersedes.items() if stamps.get(run) != stamp)
    archives = [f for f in manifest.files.get(ARCHIVES, []) if f.path.split("/")[1] not in hides]
    files = {**manifest.files, ARCHIVES: archives} if hides else manifest.files
    return manifest.model_copy(update={"hides": hides, "files": files})


@contextmanager
def exclusive(store: Store, run_id: str) -> Iterator[str]:
    """Holds the right to make this run; on entry, what dead attempts at any run left is finished or removed.

    Yields:
        The lock's holder, for `new_attempt`.

    Raises:
        RunLockedError: another process makes the same run.
    """
    with locked(store, run_id) as holder:
        _recover(store, run_id)
        for other in sorted({path.split("/")[1] for path in store.files("_staging")} - {run_id}):
            with suppress(RunLockedError), locked(store, other):
                _recover(store, other)
        yield holder


@contextmanager
def locked(store: Store, run_id: str) -> Iterator[str]:
    """Holds the lock of one run alone, or that of `COMPACTION`.

    Raises:
        RunLockedError: another process holds it.
    """
    path = _lock_path(run_id)
    try:
        with store.lock(path) as holder:
            yield holder
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


def _recover(store: Store, run_id: str) -> None:
    """Finishes a run that died while publishing, and removes what else it staged. Needs its lock.

    What the next attempt may take over stays for a day.
    """
    staged = store.files(f"_staging/{run_id}")
    for path in staged:
        if path.count("/") == 3 and path.endswith("/manifest.json"):
            data = store.read(path)
            if data is not None:
                _finish(store, Manifest.model_validate_json(data), path.removesuffix("/manifest.json"))
    oldest = datetime.now(timezone.utc) - KEPT
    kept = tuple(f"{a.folder}/" for a in attempts(store, run_id) if a.started_at > oldest)
    store.delete([p for p in store.files(f"_staging/{run_id}") if not p.startswith(kept)])


def attempts(store: Store, run_id: str) -> list[Attempt]:
    """The attempts at a run that another attempt may take rows over from."""
    marks = [p for p in store.files(f"_staging/{run_id}") if p.count("/") == 3 and p.endswith("/attempt.json")]
    read = [store.read(mark) for mark in marks]
    return [Attempt.model_validate_json(data) for data in read if data is not None]


def commit(store: Store, run: Run, files: Iterable[StagedFile], urls: int) -> Manifest:
    """Makes the published files of a run visible, all at once. Doing it again for the same attempt changes nothing.

    Args:
        store: the lake.
        run: the attempt that wrote the files.
        files: what `transforms.write.publish_files` and `pipeline.stories` gave for all tables.
        urls: distinct URLs that came in.

    Returns:
        The manifest as written.

    Raises:
        CommitError: the books do not balance: not every URL has exactly one row of ``fetches``; or the run's lock went
            to another process.
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
        follows=before.stamp if before else None,
    )
    if manifest.rows("fetches") != urls:
        raise CommitError(
            f"the books do not balance: {urls} URLs came in and `fetches` has {manifest.rows('fetches')} rows; "
            "nothing was published, please report this with the run's log"
        )
    # From here the lock holds for longer than it takes to write the decision.
    if not store.holds(_lock_path(run.run_id), run.holder):
        raise CommitError(
            f"run {run.run_id} lost its lock {store.uri(_lock_path(run.run_id))}: its process was cut off from the "
            "bucket for too long; nothing was published, start it again"
        )
    decide(store, manifest, run.staging)
    return manifest


def decide(store: Store, manifest: Manifest, staging: str) -> None:
    """Publishes a manifest with the files of its own that lie under ``<staging>/publish``, all at once.

    Args:
        store: the lake.
        manifest: what shall stand. The caller holds the lock of its run (`lock_of`).
        staging: ``_staging/<the lock's name>/<a token>``; from there whoever comes next finishes what a crash leaves.
    """
    store.write(f"{staging}/manifest.json", _to_json(manifest))
    _finish(store, manifest, staging)


def _finish(store: Store, manifest: Manifest, staging: str) -> None:
    """Everything after the decision to commit. Each step can be repeated, so a crash anywhere in it does no harm."""
    for table in manifest.files.values():
        for file in table:
            store.move(f"{staging}/publish/{file.path}", file.path)
    _show(store, manifest)
    store.delete(manifest.replaces)
    if not manifest.revision:
        from pipeline.rewrite import tidy  # which is made of the functions of this module

        tidy(store, manifest)
    # The decision goes last: as long as it stands, the next run comes back here.
    rest = [p for p in store.files(staging) if not p.endswith("/manifest.json")]
    store.delete([*rest, f"{staging}/manifest.json"])


def _show(store: Store, manifest: Manifest) -> None:
    """Writes the manifest that makes the run visible, where the one stands that it replaces, or none."""
    path, data = _manifest_path(manifest.run_id), _to_json(manifest)
    standing = store.read(path)
    if standing == data:
        return
    before = Manifest.model_validate_json(standing).stamp if standing is not None else None
    try:
        if before != manifest.follows:
            raise Changed
        store.swap(path, data, standing)
    except Changed as error:
        raise CommitError(
            f"run {manifest.run_id} was committed by another process meanwhile, which stands: {store.uri(path)}"
        ) from error


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


def _lock_path(run_id: str) -> str:
    return f"_runs/{run_id}.lock"


def _manifest_path(run_id: str) -> str:
    return f"_runs/{run_id}.json"


def _to_json(manifest: Manifest) -> bytes:
    return json.dumps(manifest.model_dump(mode="json"), indent=1).encode()
