"""Delete rows from committed files (copy-on-write), the only change to the files of a run after its commit.

Files with such rows are rewritten under staging; then one manifest replaces the old files by the new ones
(`pipeline.lake.transaction.apply`), and the old files are deleted. After a crash, readers see either the old state or
the new one.
"""

import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from pipeline.lake.manifest import COMPACTION, LakeFile, Manifest, manifests
from pipeline.lake.query.catalog import open_manifests
from pipeline.lake.tombstones import ForgetTarget, covered_articles, read_tombstones
from pipeline.lake.transaction import RunLockedError, apply, clean_up, lock_of, locked, prepare
from transforms.schema.failures import Reason
from transforms.schema.tables import ARCHIVES, SCHEMA_VERSION, TABLES
from transforms.storage.base import Store
from transforms.storage.database import open_database
from transforms.warc.members import Member, complete_members, copy_members
from transforms.write.parquet import merge_files


@dataclass(frozen=True, slots=True)
class Deletion:
    """The rows to delete: those that match any of the three conditions."""

    article_ids: frozenset[str] = frozenset()
    run_ids: frozenset[str] = frozenset()
    before: date | None = None
    """Rows of runs with an earlier logical date."""

    def relation(self) -> pa.Table:
        """All ids in one column, for `condition`."""
        return pa.table({"value": pa.array(sorted(self.article_ids | self.run_ids), pa.string())})

    def condition(self, table: str) -> str:
        """SQL condition of the rows to delete from a table; it refers to `relation` as ``deleted``."""
        matches = (
            f"(article_id IN (FROM deleted) OR run_id IN (FROM deleted) OR run_date < DATE '{self.before or date.min}')"
        )
        # Rows of URLs that were skipped because their page was forgotten are kept; they contain nothing of the page.
        return f"{matches} AND reason IS DISTINCT FROM '{Reason.FORGOTTEN.value}'" if table == "fetches" else matches


def count_rows(store: Store, manifest: Manifest, deletion: Deletion) -> dict[str, int]:
    """Count the rows to delete in each file, and the pages in each archive; files without any are not included."""
    found: dict[str, int] = {}
    with open_database() as database:
        database.register("deleted", deletion.relation())
        for table in TABLES:
            paths = [f.path for f in manifest.files.get(table, [])]
            with store.local_copies(paths) as copies:
                for path, copy in zip(paths, copies, strict=True):
                    query = f"SELECT count(*) FROM read_parquet(?) WHERE {deletion.condition(table)}"  # noqa: S608 - own names
                    [(found[path],)] = database.execute(query, [str(copy)]).fetchall()
    if any(found.values()):
        for file in manifest.files.get(ARCHIVES, []):
            found[file.path] = file.rows - _pages(_kept_members(store, manifest, file, deletion))
    return {path: rows for path, rows in found.items() if rows}


def delete_rows(store: Store, manifest: Manifest, deletion: Deletion) -> Counter[str]:
    """Delete rows from the files of one manifest.

    Args:
        store: the lake.
        manifest: the current manifest, from `pipeline.lake.manifest.manifests`. The caller holds its lock (`lock_of`).
        deletion: the rows to delete.

    Returns:
        Number of deleted rows by table, and of pages under ``_warc``. If it is empty, nothing was written.

    Raises:
        OSError: an archive is damaged.
    """
    counted = count_rows(store, manifest, deletion)
    if not counted and not deletion.run_ids & manifest.supersedes.keys():
        return Counter()
    token = secrets.token_hex(4)
    staging = f"_staging/{lock_of(manifest)}/{token}"
    files = {
        table: [
            new
            for number, file in enumerate(old)
            for new in (
                _rewritten(store, manifest, table, file, deletion, staging, f"{token}-{number}")
                if file.path in counted
                else [file]
            )
        ]
        for table, old in manifest.files.items()
    }
    deleted = rows_by_table(manifest, counted)
    supersedes = {run: version for run, version in manifest.supersedes.items() if run not in deletion.run_ids}
    changed = manifest.model_copy(
        update={
            "files": files,
            "urls": manifest.urls - deleted["fetches"],
            "supersedes": supersedes,
            "revision": manifest.revision + 1,
            "parent_version": manifest.version,
        }
    )
    changed = changed.model_copy(update={"replaces": sorted({*manifest.paths} - {*changed.paths})})
    prepare(store, changed, staging)
    apply(store, changed, staging)
    clean_up(store, staging)
    return deleted


def rows_by_table(manifest: Manifest, counted: dict[str, int]) -> Counter[str]:
    """Add up the rows that `count_rows` found, by table."""
    return Counter(
        {
            table: rows
            for table, files in manifest.files.items()
            if (rows := sum(counted.get(file.path, 0) for file in files))
        }
    )


def _rewritten(
    store: Store, manifest: Manifest, table: str, file: LakeFile, deletion: Deletion, staging: str, token: str
) -> list[LakeFile]:
    """Copy a file without the rows to delete; returns the new files, none if no row is left."""
    folder = file.path.rpartition("/")[0]
    stem = f"{staging}/publish/{folder}/part-{manifest.run_id}-{token}"
    if table == ARCHIVES:
        kept = _kept_members(store, manifest, file, deletion)
        if not _pages(kept):
            return []
        with store.local_copies([file.path]) as [copy], store.new_file(f"{stem}.warc.gz") as new:
            copy_members(copy, new, kept)
            size = new.stat().st_size
        return [LakeFile(path=f"{stem}.warc.gz".partition("/publish/")[2], rows=_pages(kept), bytes=size)]
    where, relations = f"NOT ({deletion.condition(table)})", {"deleted": deletion.relation()}
    written = merge_files(store, table, folder.rpartition("/")[2], [file.path], f"{stem}-", where, relations)
    return [
        LakeFile(path=f.path.partition("/publish/")[2], rows=f.rows, bytes=f.bytes, schema_version=SCHEMA_VERSION)
        for f in written
    ]


def _kept_members(store: Store, manifest: Manifest, file: LakeFile, deletion: Deletion) -> list[Member]:
    """The records of an archive that are kept.

    Raises:
        OSError: the archive has fewer pages than were written.
    """
    if file.path.split("/")[1] in deletion.run_ids or (deletion.before and manifest.run_date < deletion.before):
        return []
    with store.local_copies([file.path]) as [copy]:
        found = list(complete_members(copy))
    if _pages(found) != file.rows:
        raise OSError(
            f"the archive {store.uri(file.path)} is damaged: only {_pages(found)} of {file.rows} pages can be read; "
            "restore it from a copy"
        )
    return [m for m in found if m.article_id not in deletion.article_ids]


def _pages(members: list[Member]) -> int:
    return sum(bool(m.article_id) for m in members)


def post_commit_cleanup(store: Store, manifest: Manifest) -> None:
    """Delete rows after the commit of a run, before its staging folder is deleted.

    These are rows that were forgotten while the run was in progress, and rows of its earlier attempt in the files of a
    compaction.

    Args:
        store: the lake.
        manifest: the manifest just committed. The caller holds its lock.
    """
    tombstones = read_tombstones(store)
    current = manifests(store)
    if tombstones:
        for each in current:
            if each.run_id == manifest.run_id:
                delete_rows(store, each, forgotten_rows(store, each, tombstones, listings=False))
    for each in current:
        if each.excluded_runs:
            with suppress(RunLockedError), locked(store, COMPACTION):
                delete_rows(store, each, Deletion(run_ids=each.excluded_runs))


def forgotten_rows(store: Store, manifest: Manifest, target: ForgetTarget, *, listings: bool) -> Deletion:
    """The rows of one manifest that a target covers.

    Args:
        store: the lake.
        manifest: the manifest.
        target: what is forgotten.
        listings: whether rows of feeds and sitemaps are covered too.
    """
    with open_manifests(store, [manifest], tables=("articles", "fetches", "failures")) as database:
        ids = covered_articles(database, target, listings=listings)
    return Deletion(article_ids=frozenset(ids), before=target.before)
