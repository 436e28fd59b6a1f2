"""Takes pages out of the lake for good: `onrecord forget`.

First a tombstone is written, then rows and archived pages go, run by run (`pipeline.lake.delete_rows`). From the
tombstone on, no run asks for such a page, and what a run that is under way has of it goes with its commit.
"""

from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date

from pipeline.lake.commit import exclusive, held
from pipeline.lake.delete_rows import by_table, count_rows, delete_rows, named
from pipeline.lake.manifest import COMPACTION, Manifest, manifests, report_path
from pipeline.lake.query.catalog import open_manifests
from pipeline.lake.tombstones import ForgetTarget, write_tombstone
from pipeline.lake.transaction import RunLockedError, locked, try_lock
from transforms.schema.failures import Rejected
from transforms.schema.urls import canonical_url, host_of, url_id
from transforms.storage.base import Store


@dataclass(slots=True)
class Removed:
    """What `forget` took out."""

    rows: Counter[str] = field(default_factory=Counter)
    """By table; pages of archives under ``_warc``."""
    runs: int = 0
    """How many runs had such rows."""
    waiting: list[str] = field(default_factory=list)
    """Runs that are being made anew right now; their standing rows are still there."""

    def add(self, rows: Counter[str]) -> None:
        """Counts what went from one run."""
        self.rows += rows
        self.runs += bool(rows)


def parse_target(target: str | None, before: str | None) -> ForgetTarget:
    """What the user named: one page, one site, or the days before a date.

    Args:
        target: a URL, or the name of a domain or host.
        before: a date, ``YYYY-MM-DD``.

    Raises:
        ValueError: both or none of them, or one that cannot be read; the message is one sentence.
    """
    if (target is None) == (before is None):
        raise ValueError("name one thing to forget: a URL, a domain, or --before YYYY-MM-DD")
    if before is not None:
        try:
            return ForgetTarget(before=date.fromisoformat(before))
        except ValueError:
            raise ValueError(f"--before {before}: YYYY-MM-DD is expected, such as 2026-01-31") from None
    assert target is not None  # noqa: S101 - one of the two is given
    is_url = "://" in target
    try:
        canonical = canonical_url(target if is_url else f"http://{target}/")
    except Rejected:
        canonical = ""
    host = host_of(canonical)
    is_host = ":" not in host and "." in host and canonical.count("/") == 3 and "?" not in canonical
    if not canonical or not (is_url or is_host):
        raise ValueError(
            f"{target} is neither a URL nor a domain: such as https://example.org/a-page or example.org are allowed"
        )
    return ForgetTarget(article_ids=frozenset({url_id(canonical)})) if is_url else ForgetTarget(hosts=frozenset({host}))


def forget(store: Store, what: ForgetTarget, *, dry_run: bool = False) -> Removed:
    """Takes rows out of all tables and archives, and keeps them from coming back.

    Doing it again, after a crash too, takes out what is left.

    Args:
        store: the lake.
        what: as `parse_target` gives it.
        dry_run: count alone.

    Raises:
        RunLockedError: another process compacts the lake or takes rows out of it.
        OSError: an archive is damaged.
    """
    removed = Removed()
    if dry_run:
        for manifest in manifests(store):
            removed.add(by_table(manifest, count_rows(store, manifest, named(store, manifest, what, listings=True))))
        return removed
    with exclusive(store, COMPACTION):
        write_tombstone(store, _with_pages(store, what))
        _clear_staging(store)
        for manifest in manifests(store):
            if count_rows(store, manifest, named(store, manifest, what, listings=True)):
                removed.add(_forget_in(store, manifest, what, removed.waiting))
    return removed


def _forget_in(store: Store, manifest: Manifest, what: ForgetTarget, waiting: list[str]) -> Counter[str]:
    # Reports hold pieces of texts. They go first: when the rows are gone, nothing leads back to them.
    store.delete([report_path(run) for run in (None, manifest.run_id, *manifest.supersedes)])
    with ExitStack() as stack:
        if not try_lock(stack, store, manifest):
            waiting.append(manifest.run_id)
            return Counter()
        # With the lock, what stands stays.
        standing = next(m for m in manifests(store) if m.run_id == manifest.run_id)
        return delete_rows(store, standing, named(store, standing, what, listings=True))


def _clear_staging(store: Store) -> None:
    """What dead runs staged may hold such rows too; who takes these runs up asks the sites again.

    Of what the quality gate holds they go when it is published.
    """
    for run_id in sorted({path.split("/")[1] for path in store.files("_staging")}):
        with suppress(RunLockedError), locked(store, run_id):
            waiting = held(store, run_id)
            kept = f"_staging/{run_id}/{waiting.attempt}/" if waiting is not None else "-"
            store.delete([path for path in store.files(f"_staging/{run_id}") if not path.startswith(kept)])


def _with_pages(store: Store, what: ForgetTarget) -> ForgetTarget:
    """With a date, the pages too whose articles are all older: their addresses may still be listed somewhere."""
    if what.before is None:
        return what
    with open_manifests(store, manifests(store), tables=("articles",)) as database:
        rows = database.execute(
            "SELECT article_id FROM articles GROUP BY article_id HAVING max(run_date) < ?", [what.before]
        ).fetchall()
    return ForgetTarget(article_ids=frozenset(article_id for (article_id,) in rows), before=what.before)
