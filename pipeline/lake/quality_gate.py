"""Quality gate: check the rows of a run against limits before the commit (docs/quality.md).

A breach holds the run until a user accepts it (`pipeline.lake.commit`).
"""

import re
from collections.abc import Iterator, Sequence

import duckdb

from pipeline.config.quality import QualityConfig
from pipeline.lake.manifest import Check, manifests, runs_of
from pipeline.lake.query.catalog import open_manifests, quoted
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store
from transforms.storage.database import open_database

SHOWN = 3
"""Number of silent sites that a message names."""

_FAILED = """
    SELECT count(*), count(*) FILTER (outcome = 'failed'), coalesce(mode(reason) FILTER (outcome = 'failed'), '')
    FROM read_parquet(?) WHERE outcome <> 'skipped' AND source <> 'listing'
"""
_SPEAKERLESS = "SELECT count(*), count(*) FILTER (speaker_name IS NULL), '' FROM read_parquet(?)"
_REPEATED = """
    SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (n > 1), 0)::BIGINT,
      coalesce(arg_max(domain, n) FILTER (n > 1), '')
    FROM (SELECT domain, text_hash, count(*) AS n FROM read_parquet(?) GROUP BY domain, text_hash)
"""
_HAS_PAGE = "outcome IN ('ok', 'unchanged', 'not_modified') AND source <> 'listing'"
# A site that the run itself skipped is not silent.
_ALIVE = f"({_HAS_PAGE}) OR reason IN ('not_due', 'host_budget', 'forgotten')"
_STEADY = f"""
    SELECT domain FROM fetches WHERE {_HAS_PAGE}
    GROUP BY domain HAVING count(DISTINCT run_id) = ? AND count(*) >= ? ORDER BY count(*) DESC, domain
"""  # noqa: S608 - own names


def check_quality(store: Store, run: Run, files: Sequence[StagedFile], config: QualityConfig) -> list[Check]:
    """Check the rows of a run.

    Args:
        store: the lake.
        run: the attempt.
        files: its merged files, before the commit.
        config: the limits.

    Returns:
        A check for each limit with a sample of sufficient size.
    """
    shares = (
        ("max_failed", config.max_failed, "fetches", _FAILED, "URLs failed", "most often with {}"),
        ("max_speakerless", config.max_speakerless, "quotes", _SPEAKERLESS, "quotes have no speaker", ""),
        (
            "max_repeated",
            config.max_repeated,
            "articles",
            _REPEATED,
            "articles have the same text as another article of their site",
            "most often on {}",
        ),
    )
    checks = []
    with open_database() as database:
        for name, limit, table, sql, words, detail in shares:
            paths = [f.path for f in files if f.table == table]
            if limit is None or not paths:
                continue
            with store.local_copies(paths) as copies:
                [(of, bad, worst)] = database.execute(sql, [[str(copy) for copy in copies]]).fetchall()
            if of >= config.min_sample:
                about = f", {detail.format(worst)}" if detail and worst else ""
                checks.append(_check(name, bad, of, limit, f"of {of:,} {words}{about}"))
        if config.max_silent is not None:
            checks += _silent_sites(database, store, run, files, config, config.max_silent)
    return checks


def _check(name: str, bad: int, of: int, limit: float, words: str) -> Check:
    figure = bad / of
    breach = f"{_percent(figure)} {words}; the limit is {_percent(limit)} (quality.{name})" if figure > limit else None
    return Check(name=name, figure=round(figure, 4), limit=limit, of=of, breach=breach)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _silent_sites(
    database: duckdb.DuckDBPyConnection,
    store: Store,
    run: Run,
    files: Sequence[StagedFile],
    config: QualityConfig,
    limit: float,
) -> Iterator[Check]:
    """The check of steady sites without a page in this run; none if the run was stopped early."""
    steady = _steady_sites(store, run, config)
    if not steady:
        return
    with store.local_copies([f.path for f in files if f.table == "fetches"]) as copies:
        paths = [str(copy) for copy in copies]
        query = f"SELECT domain, bool_or({_ALIVE}), bool_or(reason = 'cancelled') FROM read_parquet(?) GROUP BY domain"  # noqa: S608 - own names
        domains = database.execute(query, [paths]).fetchall() if paths else []
    if any(was_cancelled for _, _, was_cancelled in domains):
        return
    alive = {domain for domain, is_alive, _ in domains if is_alive}
    silent = [domain for domain in steady if domain not in alive]
    more = f" and {len(silent) - SHOWN:,} more" if len(silent) > SHOWN else ""
    words = (
        f"of {len(steady):,} sites with pages in each of the last {config.silent_runs} runs have none now, "
        f"{', '.join(silent[:SHOWN])}{more}"
    )
    yield _check("max_silent", len(silent), len(steady), limit, words)


def _steady_sites(store: Store, run: Run, config: QualityConfig) -> list[str]:
    """The sites with pages in each of the previous runs of this configuration, largest first."""
    match = re.fullmatch(r"(.+)-[0-9]{8}T[0-9]{4}", run.run_id)
    if not match:
        return []
    current = manifests(store)
    earlier = [run_id for run_id in runs_of(current, match[1]) if run_id < run.run_id][-config.silent_runs :]
    if len(earlier) < config.silent_runs:
        return []
    containing = [m for m in current if any(m.contains_run(run_id) for run_id in earlier)]
    where = f" WHERE run_id IN ({', '.join(map(quoted, earlier))})"
    with open_manifests(store, containing, tables=("fetches",), where=where) as database:
        rows = database.execute(_STEADY, [config.silent_runs, config.silent_articles]).fetchall()
    return [domain for (domain,) in rows]
