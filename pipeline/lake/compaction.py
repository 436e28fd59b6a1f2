"""Merge the files of many small runs of a day into files of the target size: `onrecord compact`.

A compaction is a manifest that names the merged files and the runs that it supersedes. It replaces all these runs at
once; their own manifests are kept, but no longer count. A run that is run again later counts by its own manifest again
(`pipeline.lake.manifest.manifests`). Manifests of a stream's windows, which are never run again, are deleted after
`KEEP_WINDOWS`; otherwise each commit would read more of them than the one before.
"""

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from pipeline.lake.commit import commit_manifest, exclusive
from pipeline.lake.delete_rows import Deletion, delete_rows
from pipeline.lake.manifest import COMPACTED, COMPACTION, LakeFile, Manifest, is_window, manifest_path, manifests
from pipeline.lake.transaction import lock_path, try_lock
from transforms.schema.tables import ARCHIVES, SCHEMA_VERSION, TABLES
from transforms.storage.base import Store
from transforms.write.parquet import TARGET_BYTES, merge_files

KEEP_WINDOWS = timedelta(days=2)
"""How long the manifest of a window is kept after its compaction, for readers that have not read the compaction yet."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """The compaction of one day."""

    day: date
    runs: int
    files_before: int
    files_after: int


def compact(store: Store, before: date) -> Iterator[Compacted]:
    """Merge the files of small runs, day by day.

    A run with a file of half the target size or more is skipped, and so is a run that is in progress.

    Args:
        store: the lake.
        before: days from this one on are skipped, because more runs may follow.

    Yields:
        Each day after its compaction.

    Raises:
        RunLockedError: another process compacts the lake or deletes rows from it.
    """
    with exclusive(store, COMPACTION):
        for manifest in manifests(store):
            if manifest.excluded_runs:
                delete_rows(store, manifest, Deletion(run_ids=manifest.excluded_runs))
        days = defaultdict(list)
        for manifest in manifests(store):
            if manifest.run_date < before and _is_small(manifest):
                days[manifest.run_date].append(manifest)
        for day, small in sorted(days.items()):
            if _is_worthwhile(small):
                with ExitStack() as stack:
                    locked = [m for m in small if try_lock(stack, store, m)]
                    # Read again under the locks: skip runs that were replaced meanwhile.
                    current = {(m.run_id, m.version) for m in manifests(store)}
                    unchanged = [m for m in locked if (m.run_id, m.version) in current]
                    if _is_worthwhile(unchanged):
                        yield _compact_day(store, day, unchanged)
        _delete_window_manifests(store)


def _compact_day(store: Store, day: date, runs: list[Manifest]) -> Compacted:
    token = secrets.token_hex(4)
    run_id, partition, staging = f"{COMPACTED}{day:%Y%m%d}.{token}", f"dt={day}", f"_staging/{COMPACTION}/{token}"
    files: dict[str, list[LakeFile]] = {ARCHIVES: [f for m in runs for f in m.files.get(ARCHIVES, [])]}
    for table in TABLES:
        paths = [f.path for m in runs for f in m.files.get(table, [])]
        prefix = f"{staging}/publish/{table}/{partition}/part-{run_id}-"
        merged = merge_files(store, table, partition, paths, prefix) if paths else []
        files[table] = [
            LakeFile(path=f.path.removeprefix(f"{staging}/publish/"), rows=f.rows, bytes=f.bytes) for f in merged
        ]
        if sum(f.rows for f in merged) != sum(m.rows(table) for m in runs):
            raise OSError(f"the merged files of {table} of {day} have another number of rows; the lake is unchanged")
    manifest = Manifest(
        run_id=run_id,
        run_date=day,
        attempt=token,
        schema_version=SCHEMA_VERSION,
        committed_at=datetime.now(timezone.utc),
        urls=sum(m.urls for m in runs),
        files=files,
        replaces=[path for m in runs for table in TABLES for path in (f.path for f in m.files.get(table, []))],
        supersedes={run: version for m in runs for run, version in (*m.supersedes.items(), (m.run_id, m.version))},
    )
    commit_manifest(store, manifest, staging)
    after = sum(len(files[table]) for table in TABLES)
    return Compacted(day, len(runs), len(manifest.replaces), after)


def _delete_window_manifests(store: Store) -> None:
    """Delete the manifests and locks of windows that were compacted some time ago."""
    old = datetime.now(timezone.utc) - KEEP_WINDOWS
    existing = {*store.files("_runs")}
    for manifest in manifests(store):
        if manifest.committed_at < old:
            windows = filter(is_window, manifest.supersedes.keys() - manifest.excluded_runs)
            paths = {path for run_id in windows for path in (manifest_path(run_id), lock_path(run_id))}
            store.delete(sorted(paths & existing))


def _is_small(manifest: Manifest) -> bool:
    sizes = [f.bytes for table in TABLES for f in manifest.files.get(table, [])]
    return bool(sizes) and max(sizes) < TARGET_BYTES // 2


def _is_worthwhile(runs: list[Manifest]) -> bool:
    files = Counter(table for m in runs for table in TABLES if m.files.get(table))
    return len(runs) > 1 and max(files.values(), default=0) > 1
