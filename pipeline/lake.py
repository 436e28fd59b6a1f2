"""The lake: where a run's tables lie, and how a run becomes visible all at once or not at all.

    LAKE/<table>/dt=YYYY-MM-DD/part-<run>-<attempt>-<n>.parquet    what readers see
    LAKE/_runs/<run_id>.json                                       the run's manifest, written last: the commit
    LAKE/_warc/<run_id>/<run>-<attempt>-<token>.warc.gz            pages as they came, where `archive` is on
    LAKE/_runs/<run_id>.lock                                       held while the run is made
    LAKE/_staging/<run_id>/<attempt>/rows, /publish                what no reader sees
    LAKE/_staging/<run_id>/<attempt>/manifest.json                 the decision to commit (a write-ahead log)

A run passes three states. *Staged*: its files lie under ``_staging``; if it dies now, the next run removes them.
*Publishing*: the write-ahead manifest stands, and files move to their places; if it dies now, the next run finishes the
moves, for all that they need is named in that manifest. *Committed*: the manifest stands in ``_runs``. Readers that use
the manifests (`open_lake` does) see a run entirely or not at all; readers that glob see its files during the moves.
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timezone

from pydantic import BaseModel, ConfigDict

from transforms.records import Run, StagedFile
from transforms.store import Locked, Store
from transforms.tables import SCHEMA_VERSION, TABLES


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
    """Files of an earlier attempt at this run, deleted after the commit."""

    def rows(self, table: str) -> int:
        """The number of rows that the run wrote to a table."""
        return sum(f.rows for f in self.files.get(table, []))


def new_attempt(run_id: str, run_date: date, lake: str) -> Run:
    """A new attempt at a run, with a token of its own."""
    return Run(run_id=run_id, run_date=run_date, attempt=secrets.token_hex(4), lake=lake)


def read_manifest(store: Store, run_id: str) -> Manifest | None:
    """The manifest of a committed run, or None."""
    data = store.read(_manifest_path(run_id))
    return Manifest.model_validate_json(data) if data is not None else None


def manifests(store: Store) -> list[Manifest]:
    """The manifests of all committed runs, by run id."""
    names = [p for p in store.files("_runs") if p.endswith(".json")]
    found = (store.read(name) for name in names)
    return [Manifest.model_validate_json(data) for data in found if data is not None]


@contextmanager
def exclusive(store: Store, run_id: str) -> Iterator[None]:
    """Holds the right to make this run; on entry, what dead attempts at any run left is finished or removed.

    Raises:
        RunLockedError: another process makes the same run.
    """
    with _locked(store, run_id):
        _recover(store, run_id)
        for other in sorted({path.split("/")[1] for path in store.files("_staging")} - {run_id}):
            with suppress(RunLockedError), _locked(store, other):
                _recover(store, other)
        yield


@contextmanager
def _locked(store: Store, run_id: str) -> Iterator[None]:
    path = f"_runs/{run_id}.lock"
    try:
        with store.lock(path):
            yield
    except Locked:
        raise RunLockedError(
            f"run {run_id} is being made by another process ({store.uri(path)} is held): "
            "wait until it ends, or give another --run-id"
        ) from None


def _recover(store: Store, run_id: str) -> None:
    """Finishes a run that died while publishing, and removes everything else that it staged. Needs its lock."""
    staged = store.files(f"_staging/{run_id}")
    for path in staged:
        if path.count("/") == 3 and path.endswith("/manifest.json"):
            data = store.read(path)
            if data is not None:
                _finish(store, Manifest.model_validate_json(data))
    store.delete([p for p in staged if p in set(store.files(f"_staging/{run_id}"))])


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
        CommitError: the books do not balance: not every URL has exactly one row of ``fetches``.
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
        replaces=[f.path for table in before.files.values() for f in table] if before else [],
    )
    if manifest.rows("fetches") != urls:
        raise CommitError(
            f"the books do not balance: {urls} URLs came in and `fetches` has {manifest.rows('fetches')} rows; "
            "nothing was published, please report this with the run's log"
        )
    store.write(f"{run.staging}/manifest.json", _to_json(manifest))
    _finish(store, manifest)
    return manifest


def _finish(store: Store, manifest: Manifest) -> None:
    """Everything after the decision to commit. Each step can be repeated, so a crash anywhere in it does no harm."""
    staging = f"_staging/{manifest.run_id}/{manifest.attempt}"
    for table in manifest.files.values():
        for file in table:
            store.move(f"{staging}/publish/{file.path}", file.path)
    store.write(_manifest_path(manifest.run_id), _to_json(manifest))
    store.delete(manifest.replaces)
    # The decision goes last: as long as it stands, the next run comes back here.
    rest = [p for p in store.files(staging) if not p.endswith("/manifest.json")]
    store.delete([*rest, f"{staging}/manifest.json"])


def _manifest_path(run_id: str) -> str:
    return f"_runs/{run_id}.json"


def _to_json(manifest: Manifest) -> bytes:
    return json.dumps(manifest.model_dump(mode="json"), indent=1).encode()
