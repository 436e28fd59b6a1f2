"""Permanently delete pages from the lake: `onrecord forget`.

First a tombstone is written, then rows and archived pages are deleted run by run (`pipeline.lake.delete_rows`). Once
the tombstone exists, no run fetches such a page, and a run in progress deletes its rows of the page with its commit.
"""

from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date

from pipeline.lake.commit import exclusive, held
from pipeline.lake.delete_rows import count_rows, delete_rows, forgotten_rows, rows_by_table
from pipeline.lake.manifest import COMPACTION, Manifest, manifests, report_path
from pipeline.lake.query.catalog import open_manifests
from pipeline.lake.tombstones import ForgetTarget, write_tombstone
from pipeline.lake.transaction import RunLockedError, locked, try_lock
from transforms.schema.failures import Rejected
from transforms.schema.urls import canonical_url, host_of, url_id
from transforms.storage.base import Store


@dataclass(slots=True)
class Removed:
    """The rows that `forget` deleted."""

    rows: Counter[str] = field(default_factory=Counter)
    """Number of rows by table, and of archived pages under ``_warc``."""
    runs: int = 0
    """Number of runs with such rows."""
    locked_runs: list[str] = field(default_factory=list)
    """Runs with such rows that another process runs again now; their rows are not deleted."""

    def add(self, rows: Counter[str]) -> None:
        """Add the rows deleted from one run."""
        self.rows += rows
        self.runs += bool(rows)


def parse_target(target: str | None, before: str | None) -> ForgetTarget:
    """Parse the arguments of `onrecord forget`: one page, one site, or the days before a date.

    Args:
        target: a URL, or the name of a domain or host.
        before: a date, ``YYYY-MM-DD``.

    Raises:
        ValueError: not exactly one of them is given, or it is not valid; the message is one sentence.
    """
    if (target is None) == (before is None):
        raise ValueError("give exactly one of a URL, a domain and --before YYYY-MM-DD")
    if before is not None:
        try:
            return ForgetTarget(before=date.fromisoformat(before))
        except ValueError:
            raise ValueError(f"--before {before}: expected YYYY-MM-DD, such as 2026-01-31") from None
    assert target is not None  # noqa: S101 - exactly one of the two is given
    is_url = "://" in target
    try:
        canonical = canonical_url(target if is_url else f"http://{target}/")
    except Rejected:
        canonical = ""
    host = host_of(canonical)
    is_host = ":" not in host and "." in host and canonical.count("/") == 3 and "?" not in canonical
    if not canonical or not (is_url or is_host):
        raise ValueError(
            f"{target} is not a valid URL or domain; allowed are values such as https://example.org/a-page and "
            "example.org"
        )
    return ForgetTarget(article_ids=frozenset({url_id(canonical)})) if is_url else ForgetTarget(hosts=frozenset({host}))


def forget(store: Store, target: ForgetTarget, *, dry_run: bool = False) -> Removed:
    """Delete rows from all tables and archives, so that later runs skip these pages too.

    If it is repeated, for instance after a crash, it deletes the remaining rows.

    Args:
        store: the lake.
        target: the pages, from `parse_target`.
        dry_run: only count the rows.

    Raises:
        RunLockedError: another process compacts the lake or deletes rows from it.
        OSError: an archive is damaged.
    """
    removed = Removed()
    if dry_run:
        for manifest in manifests(store):
            counted = count_rows(store, manifest, forgotten_rows(store, manifest, target, listings=True))
            removed.add(rows_by_table(manifest, counted))
        return removed
    with exclusive(store, COMPACTION):
        write_tombstone(store, _with_pages(store, target))
        _delete_staged(store)
        for manifest in manifests(store):
            if count_rows(store, manifest, forgotten_rows(store, manifest, target, listings=True)):
                removed.add(_forget_in(store, manifest, target, removed.locked_runs))
    return removed


def _forget_in(store: Store, manifest: Manifest, target: ForgetTarget, locked_runs: list[str]) -> Counter[str]:
    # Reports contain excerpts of texts. They are deleted first, because a repeat finds the run only by its rows.
    store.delete([report_path(run) for run in (None, manifest.run_id, *manifest.supersedes)])
    with ExitStack() as stack:
        if not try_lock(stack, store, manifest):
            locked_runs.append(manifest.run_id)
            return Counter()
        # Read the manifest again, because it cannot change under the lock.
        current = next(m for m in manifests(store) if m.run_id == manifest.run_id)
        return delete_rows(store, current, forgotten_rows(store, current, target, listings=True))


def _delete_staged(store: Store) -> None:
    """Delete the staged files of crashed attempts, which may have such rows too; the next attempt fetches again.

    Files that the quality gate holds are kept, because their rows are deleted with the commit.
    """
    for run_id in sorted({path.split("/")[1] for path in store.files("_staging")}):
        with suppress(RunLockedError), locked(store, run_id):
            waiting = held(store, run_id)
            kept = f"_staging/{run_id}/{waiting.attempt}/" if waiting is not None else "-"
            store.delete([path for path in store.files(f"_staging/{run_id}") if not path.startswith(kept)])


def _with_pages(store: Store, target: ForgetTarget) -> ForgetTarget:
    """Add to a date the pages that only have older articles, because sources may still list their URLs."""
    if target.before is None:
        return target
    with open_manifests(store, manifests(store), tables=("articles",)) as database:
        rows = database.execute(
            "SELECT article_id FROM articles GROUP BY article_id HAVING max(run_date) < ?", [target.before]
        ).fetchall()
    return ForgetTarget(article_ids=frozenset(article_id for (article_id,) in rows), before=target.before)
