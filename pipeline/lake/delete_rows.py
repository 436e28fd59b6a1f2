"""Takes rows out of committed files: the one way in which a run's files change after its commit.

The files that hold such rows are written anew without them, under staging; then one manifest names the new ones in
their place (`pipeline.lake.transaction.apply`) and the old ones are deleted. A crash leaves the old state or the new
one.
"""

import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from pipeline.lake.manifest import COMPACTION, LakeFile, Manifest, manifests
from pipeline.lake.query.catalog import open_manifests
from pipeline.lake.tombstones import ForgetTarget, named_articles, read_tombstones
from pipeline.lake.transaction import RunLockedError, apply, clean_up, lock_of, locked, prepare
from transforms.schema.failures import Reason
from transforms.schema.tables import ARCHIVES, SCHEMA_VERSION, TABLES
from transforms.storage.base import Store
from transforms.storage.database import open_database
from transforms.warc.members import Member, complete_members, copy_members
from transforms.write.parquet import merge_files


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which rows go: those that one of the three names."""

    article_ids: frozenset[str] = frozenset()
    run_ids: frozenset[str] = frozenset()
    before: date | None = None
    """Rows of runs whose logical date is earlier."""

    def relation(self) -> pa.Table:
        """The ids in one column, for `condition`."""
        return pa.table({"value": pa.array(sorted(self.article_ids | self.run_ids), pa.string())})

    def condition(self, table: str) -> str:
        """The rows of a table that go, in SQL, where `relation` is there as ``dropped``."""
        named = (
            f"(article_id IN (FROM dropped) OR run_id IN (FROM dropped) OR run_date < DATE '{self.before or date.min}')"
        )
        # The row that says that a URL was refused because its page was forgotten is no row of the page.
        return f"{named} AND reason IS DISTINCT FROM '{Reason.FORGOTTEN.value}'" if table == "fetches" else named


def count_rows(store: Store, manifest: Manifest, drop: Deletion) -> dict[str, int]:
    """How many rows would go, by file (pages, for archives); files without such a row are left out."""
    found: dict[str, int] = {}
    with open_database() as database:
        database.register("dropped", drop.relation())
        for table in TABLES:
            paths = [f.path for f in manifest.files.get(table, [])]
            with store.local_copies(paths) as copies:
                for path, copy in zip(paths, copies, strict=True):
                    query = f"SELECT count(*) FROM read_parquet(?) WHERE {drop.condition(table)}"  # noqa: S608 - names of ours
                    [(found[path],)] = database.execute(query, [str(copy)]).fetchall()
    if any(found.values()):
        for file in manifest.files.get(ARCHIVES, []):
            found[file.path] = file.rows - _pages(_kept(store, manifest, file, drop))
    return {path: rows for path, rows in found.items() if rows}


def delete_rows(store: Store, manifest: Manifest, drop: Deletion) -> Counter[str]:
    """Takes rows out of the files of one manifest.

    Args:
        store: the lake.
        manifest: the current one, from `pipeline.lake.manifest.manifests`. The caller holds its lock (`lock_of`).
        drop: which rows.

    Returns:
        How many went, by table (pages, for archives); empty when there were none, and nothing was written then.

    Raises:
        OSError: an archive is damaged.
    """
    counted = count_rows(store, manifest, drop)
    if not counted and not drop.run_ids & manifest.supersedes.keys():
        return Counter()
    token = secrets.token_hex(4)
    staging = f"_staging/{lock_of(manifest)}/{token}"
    files = {
        table: [
            new
            for number, file in enumerate(listed)
            for new in (
                _without(store, manifest, table, file, drop, staging, f"{token}-{number}")
                if file.path in counted
                else [file]
            )
        ]
        for table, listed in manifest.files.items()
    }
    removed = by_table(manifest, counted)
    changed = manifest.model_copy(
        update={
            "files": files,
            "urls": manifest.urls - removed["fetches"],
            "supersedes": {run: version for run, version in manifest.supersedes.items() if run not in drop.run_ids},
            "revision": manifest.revision + 1,
            "parent_version": manifest.version,
        }
    )
    changed = changed.model_copy(update={"replaces": sorted({*manifest.paths} - {*changed.paths})})
    prepare(store, changed, staging)
    apply(store, changed, staging)
    clean_up(store, staging)
    return removed


def by_table(manifest: Manifest, counted: dict[str, int]) -> Counter[str]:
    """What `count_rows` found, by table."""
    return Counter(
        {
            table: rows
            for table, listed in manifest.files.items()
            if (rows := sum(counted.get(file.path, 0) for file in listed))
        }
    )


def _without(
    store: Store, manifest: Manifest, table: str, file: LakeFile, drop: Deletion, staging: str, token: str
) -> list[LakeFile]:
    """The files that take the place of one: none when nothing is left of it."""
    folder = file.path.rpartition("/")[0]
    stem = f"{staging}/publish/{folder}/part-{manifest.run_id}-{token}"
    if table == ARCHIVES:
        kept = _kept(store, manifest, file, drop)
        if not _pages(kept):
            return []
        with store.local_copies([file.path]) as [copy], store.new_file(f"{stem}.warc.gz") as new:
            copy_members(copy, new, kept)
            size = new.stat().st_size
        return [LakeFile(path=f"{stem}.warc.gz".partition("/publish/")[2], rows=_pages(kept), bytes=size)]
    where, relations = f"NOT ({drop.condition(table)})", {"dropped": drop.relation()}
    written = merge_files(store, table, folder.rpartition("/")[2], [file.path], f"{stem}-", where, relations)
    return [
        LakeFile(path=f.path.partition("/publish/")[2], rows=f.rows, bytes=f.bytes, schema_version=SCHEMA_VERSION)
        for f in written
    ]


def _kept(store: Store, manifest: Manifest, file: LakeFile, drop: Deletion) -> list[Member]:
    """The records of an archive that stay.

    Raises:
        OSError: it holds fewer pages than were written.
    """
    if file.path.split("/")[1] in drop.run_ids or (drop.before and manifest.run_date < drop.before):
        return []
    with store.local_copies([file.path]) as [copy]:
        found = list(complete_members(copy))
    if _pages(found) != file.rows:
        raise OSError(
            f"the archive {store.uri(file.path)} is damaged: {_pages(found)} of its {file.rows} pages can be read; put "
            "a copy in its place"
        )
    return [m for m in found if m.article_id not in drop.article_ids]


def _pages(kept: list[Member]) -> int:
    return sum(bool(m.article_id) for m in kept)


def post_commit_cleanup(store: Store, manifest: Manifest) -> None:
    """What a run's commit brings with it, done before its staging is gone: rows that were forgotten while it was made
    go, and so do rows of its earlier attempt that a compaction's files still hold.

    Args:
        store: the lake.
        manifest: what was just committed; its lock is held.
    """
    known = read_tombstones(store)
    standing = manifests(store)
    if known:
        for each in standing:
            if each.run_id == manifest.run_id:
                delete_rows(store, each, named(store, each, known, listings=False))
    for each in standing:
        if each.excluded_runs:
            with suppress(RunLockedError), locked(store, COMPACTION):
                delete_rows(store, each, Deletion(run_ids=each.excluded_runs))


def named(store: Store, manifest: Manifest, known: ForgetTarget, *, listings: bool) -> Deletion:
    """The rows of one manifest that are forgotten."""
    with open_manifests(store, [manifest], tables=("articles", "fetches", "failures")) as database:
        ids = named_articles(database, known, listings=listings)
    return Deletion(article_ids=frozenset(ids), before=known.before)
