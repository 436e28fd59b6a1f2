"""What the report says, asked of the lake in SQL. Every answer has a bound: a run of any size makes a small page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb

SITES, SPEAKERS, ENTITIES, LANGUAGES, SHARED = 15, 20, 20, 10, 10
"""Rows of each list."""
QUOTES_A_SPEAKER, QUOTE_CHARS = 3, 400
EXAMPLES, SITES_A_REASON, REASONS_A_STEP = 3, 8, 6
BUCKETS = 60
"""Most columns of the chart over time."""
WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200)
"""Widths of these columns in seconds; beyond them, whole days."""
NAME_CHARS = 80

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel: how many came so far, and why the others did not."""

    name: str
    count: int
    lost: tuple[tuple[str, int], ...] = ()
    """Reasons, most frequent first."""
    lost_else: int = 0
    """For other reasons than these."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason for which URLs brought nothing."""

    outcome: str
    reason: str
    count: int
    retriable: bool
    sites: tuple[tuple[str, int], ...]
    examples: tuple[tuple[str, str, str], ...]
    """(site, url, message)"""


@dataclass(frozen=True, slots=True)
class Speed:
    """URLs settled in each stretch of time."""

    width: int
    """Of a stretch, in seconds."""
    begins: tuple[datetime, ...] = ()
    counts: tuple[tuple[int, int, int], ...] = ()
    """Of each stretch: how many came, failed and were skipped."""
    seconds: float = 0.0
    """From the first to the last."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """All that the report says, sample articles aside (`pipeline.report.sample`)."""

    runs: Rows
    """(run id, date, first and last time of its fetches), newest first; at most `SITES`."""
    run_count: int
    listings: int
    """Feeds and sitemaps that were read."""
    funnel: tuple[Step, ...]
    problems: tuple[Problem, ...]
    speed: Speed
    kinds: Rows
    """(kind, with a named speaker, with one that is described only, without)"""
    speakers: Rows
    """(name, role, direct, mixed, indirect, articles, sites)"""
    entities: Rows
    """(name, type, mentions, articles)"""
    quotes: Rows
    """(speaker, kind, text, url, title, site), some for each of `speakers`"""
    shared_quotes: Rows
    """(text, speaker, sites, articles)"""
    shared_stories: Rows
    """(title, url of the original, its site, versions, sites)"""
    languages: Rows
    """(language, articles)"""
    sites: Rows
    """(site, URLs, articles, failed, quotes)"""
    totals: dict[str, int] = field(default_factory=dict)


_FUNNEL = """
    WITH late AS (
      SELECT DISTINCT article_id, run_id FROM failures WHERE stage IN ('extract', 'annotate')
    )
    SELECT CASE
        WHEN outcome = 'skipped' THEN 'asked'
        WHEN outcome = 'failed' AND late.article_id IS NULL THEN 'answered'
        WHEN outcome <> 'ok' THEN 'article'
        ELSE '' END,
      coalesce(reason, outcome), count(*)
    FROM fetches LEFT JOIN late USING (article_id, run_id)
    WHERE source <> 'listing' GROUP BY 1, 2 ORDER BY 3 DESC, 2
"""
_PROBLEMS = """
    WITH told AS (SELECT article_id, run_id, reason, min(message) AS message FROM failures GROUP BY ALL),
    bad AS (
      SELECT outcome, coalesce(reason, '') AS reason, retriable, domain, url, article_id, run_id
      FROM fetches WHERE outcome IN ('failed', 'skipped')
    ),
    by_site AS (
      SELECT outcome, reason, domain, count(*) AS n, bool_or(retriable) AS retriable,
        min_by((url, article_id, run_id), url) AS example
      FROM bad GROUP BY outcome, reason, domain
    ),
    ranked AS (
      SELECT *, sum(n) OVER w AS total, bool_or(retriable) OVER w AS again,
        row_number() OVER (PARTITION BY outcome, reason ORDER BY n DESC, domain) AS rank
      FROM by_site WINDOW w AS (PARTITION BY outcome, reason)
    ),
    kept AS (SELECT * FROM ranked WHERE rank <= $sites)
    SELECT outcome, kept.reason, total, again, domain, n, rank, left(example[1], 500), left(coalesce(message, ''), 300)
    FROM kept LEFT JOIN told ON told.article_id = example[2] AND told.run_id = example[3]
      AND told.reason = kept.reason
    ORDER BY outcome, total DESC, kept.reason, rank
"""
_SPEED = """
    SELECT time_bucket(to_seconds($width::BIGINT), fetched_at) AS begin,
      count(*) FILTER (outcome NOT IN ('failed', 'skipped')), count(*) FILTER (outcome = 'failed'),
      count(*) FILTER (outcome = 'skipped')
    FROM fetches GROUP BY begin ORDER BY begin LIMIT $limit
"""
_KINDS = """
    SELECT kind, count(*) FILTER (speaker_name IS NOT NULL),
      count(*) FILTER (speaker_name IS NULL AND speaker IS NOT NULL),
      count(*) FILTER (speaker_name IS NULL AND speaker IS NULL)
    FROM quotes GROUP BY kind ORDER BY list_position(['direct', 'mixed', 'indirect'], kind)
"""
_SPEAKERS = """
    SELECT left(speaker_name, $chars), left(coalesce(mode(speaker_role), ''), $chars),
      count(*) FILTER (kind = 'direct'), count(*) FILTER (kind = 'mixed'), count(*) FILTER (kind = 'indirect'),
      count(DISTINCT version_id), count(DISTINCT domain)
    FROM quotes WHERE speaker_name IS NOT NULL GROUP BY speaker_name
    ORDER BY count(*) DESC, 6 DESC, speaker_name LIMIT $limit
"""
_ENTITIES = """
    SELECT left(name, $chars), type, sum(mention_count)::BIGINT, count(DISTINCT version_id)
    FROM entities GROUP BY name, type ORDER BY 4 DESC, 3 DESC, name, type LIMIT $limit
"""
_QUOTES = """
    WITH top AS (
      SELECT speaker_name, count(*) AS n FROM quotes WHERE speaker_name IS NOT NULL
      GROUP BY speaker_name ORDER BY n DESC, count(DISTINCT version_id) DESC, speaker_name LIMIT $limit
    ),
    said AS (
      SELECT q.speaker_name, n, q.kind, left(q.text, $quote_chars) AS text, q.version_id, q.run_id, q.domain, rank
      FROM (
        SELECT *, row_number() OVER (
          PARTITION BY speaker_name
          ORDER BY kind <> 'direct', length(text) NOT BETWEEN 40 AND 220, confidence DESC NULLS LAST, quote_id
        ) AS rank
        FROM (SELECT DISTINCT ON (speaker_name, utterance_id) * FROM quotes SEMI JOIN top USING (speaker_name))
      ) q JOIN top USING (speaker_name) WHERE rank <= $each
    )
    SELECT left(speaker_name, $chars), said.kind, said.text, left(url, 500), left(coalesce(title, ''), 200), said.domain
    FROM said JOIN articles USING (version_id, run_id) ORDER BY rank, n DESC, speaker_name
"""
_SHARED_QUOTES = """
    WITH again AS (SELECT utterance_id FROM quotes GROUP BY utterance_id HAVING count(*) > 1),
    top AS (
      SELECT utterance_id, count(DISTINCT domain) AS sites, count(DISTINCT article_id) AS pages
      FROM quotes SEMI JOIN again USING (utterance_id)
      WHERE length(text) >= 25 GROUP BY utterance_id HAVING pages > 1
      ORDER BY sites DESC, pages DESC, utterance_id LIMIT $limit
    )
    SELECT left(min(text), $quote_chars), left(coalesce(mode(speaker_name), ''), $chars), sites, pages,
      list_slice(list_sort(list(DISTINCT domain)), 1, 40)
    FROM quotes JOIN top USING (utterance_id) GROUP BY utterance_id, sites, pages
    ORDER BY sites DESC, pages DESC, utterance_id
"""
_SHARED_STORIES = """
    WITH shared AS (
      SELECT story_id, count(DISTINCT article_id) AS pages, count(DISTINCT domain) AS sites,
        coalesce(min_by({'v': version_id, 'r': run_id}, (NOT is_original, published_at))) AS first,
        list_slice(list_sort(list(DISTINCT domain)), 1, 40) AS domains
      FROM stories GROUP BY story_id HAVING count(DISTINCT article_id) > 1
      ORDER BY sites DESC, pages DESC, story_id LIMIT $limit
    )
    SELECT left(coalesce(title, ''), 200), left(url, 500), domain, pages, sites, domains
    FROM shared JOIN articles ON version_id = first.v AND run_id = first.r ORDER BY sites DESC, pages DESC, story_id
"""
_LANGUAGES = """
    SELECT coalesce(language, ''), count(*) FROM articles GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $limit
"""
_SITES = """
    WITH asked AS (
      SELECT domain, count(*) AS urls, count(*) FILTER (outcome = 'failed') AS failed FROM fetches GROUP BY domain
    ),
    found AS (SELECT domain, count(*) AS articles FROM articles GROUP BY domain),
    said AS (SELECT domain, count(*) AS quotes FROM quotes GROUP BY domain)
    SELECT domain, urls, coalesce(articles, 0), failed, coalesce(quotes, 0)
    FROM asked LEFT JOIN found USING (domain) LEFT JOIN said USING (domain)
    ORDER BY 3 DESC, urls DESC, domain LIMIT $limit
"""
_TOTALS = """
    SELECT (SELECT count(*) FROM fetches), (SELECT count(*) FROM fetches WHERE source = 'listing'),
      (SELECT count(*) FROM articles), (SELECT count(*) FROM quotes),
      (SELECT count(*) FROM quotes WHERE speaker_name IS NULL),
      (SELECT count(DISTINCT speaker_name) FROM quotes), (SELECT count(DISTINCT domain) FROM articles),
      (SELECT count(DISTINCT version_id) FROM quotes),
      (SELECT count(DISTINCT version_id) FROM quotes WHERE speaker_name IS NOT NULL),
      (SELECT count(*) FROM entities)
"""
_TOTAL_NAMES = (
    *("urls", "listings", "articles", "quotes", "unnamed", "speakers", "sites", "with_quotes", "with_speakers"),
    "entities",
)
_RUNS = """
    SELECT run_id, min(run_date), min(fetched_at), max(fetched_at) FROM fetches GROUP BY run_id
    ORDER BY 4 DESC, run_id LIMIT $limit
"""


def numbers_of(database: duckdb.DuckDBPyConnection) -> Numbers:
    """Asks all that the report says.

    Args:
        database: the run, or the lake (`pipeline.lake.query.catalog.open_lake`).
    """

    def ask(sql: str, **bounds: int) -> Rows:
        return database.execute(sql, bounds).fetchall() if bounds else database.execute(sql).fetchall()

    totals = dict(zip(_TOTAL_NAMES, ask(_TOTALS)[0], strict=True))
    chars = NAME_CHARS
    return Numbers(
        runs=ask(_RUNS, limit=SITES),
        run_count=ask("SELECT count(DISTINCT run_id) FROM fetches")[0][0],
        listings=totals["listings"],
        funnel=tuple(_steps(ask(_FUNNEL), totals)),
        problems=tuple(_problems(ask(_PROBLEMS, sites=SITES_A_REASON))),
        speed=_speed(database),
        kinds=ask(_KINDS),
        speakers=ask(_SPEAKERS, limit=SPEAKERS, chars=chars),
        entities=ask(_ENTITIES, limit=ENTITIES, chars=chars),
        quotes=ask(_QUOTES, limit=SPEAKERS, each=QUOTES_A_SPEAKER, quote_chars=QUOTE_CHARS, chars=chars),
        shared_quotes=ask(_SHARED_QUOTES, limit=SHARED, quote_chars=QUOTE_CHARS, chars=chars),
        shared_stories=ask(_SHARED_STORIES, limit=SHARED),
        languages=ask(_LANGUAGES, limit=LANGUAGES),
        sites=ask(_SITES, limit=SITES),
        totals=totals,
    )


def _steps(rows: Rows, totals: dict[str, int]) -> Iterator[Step]:
    left = totals["urls"] - totals["listings"]
    yield Step("URLs known", left)
    for stage, name in (("asked", "Asked for"), ("answered", "Answered with a page"), ("article", "New articles")):
        lost = tuple((reason, count) for where, reason, count in rows if where == stage)
        left -= sum(count for _, count in lost)
        yield Step(name, left, lost[:REASONS_A_STEP], sum(count for _, count in lost[REASONS_A_STEP:]))
    yield Step("Articles with a quotation", totals["with_quotes"])
    yield Step("Articles with a named speaker", totals["with_speakers"])


def _problems(rows: Rows) -> Iterator[Problem]:
    found: dict[tuple[str, str], Rows] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(row)
    for (outcome, reason), of_reason in found.items():
        _, _, total, again, *_ = of_reason[0]
        yield Problem(
            outcome=outcome,
            reason=reason,
            count=total,
            retriable=again,
            sites=tuple((row[4], row[5]) for row in of_reason),
            examples=tuple((row[4], row[7], row[8]) for row in of_reason[:EXAMPLES]),
        )


def _speed(database: duckdb.DuckDBPyConnection) -> Speed:
    row = database.execute("SELECT min(fetched_at), max(fetched_at) FROM fetches").fetchone()
    if row is None or row[0] is None:
        return Speed(width=1)
    seconds = (row[1] - row[0]).total_seconds()
    width = next((w for w in WIDTHS if seconds / w < BUCKETS - 1), 86_400 * (int(seconds // 86_400 // BUCKETS) + 1))
    found = {row[0]: row[1:] for row in database.execute(_SPEED, {"width": width, "limit": BUCKETS + 2}).fetchall()}
    count = (max(found) - min(found)) // timedelta(seconds=width)
    begins = [min(found) + timedelta(seconds=width * number) for number in range(count + 1)]
    return Speed(
        width=width,
        begins=tuple(begin.astimezone(timezone.utc) for begin in begins),
        counts=tuple(found.get(begin, (0, 0, 0)) for begin in begins),
        seconds=seconds,
    )
