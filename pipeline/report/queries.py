"""Query the figures of the report. Every result has a limit, so that a run of any size gives a small page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb

SITES, SPEAKERS, ENTITIES, LANGUAGES, SHARED, ATTITUDES = 15, 20, 20, 10, 10, 10
"""Maximum number of rows of each list."""
QUOTES_PER_SPEAKER, QUOTE_CHARS = 3, 400
EXAMPLES, SITES_PER_REASON, REASONS_PER_STEP = 3, 8, 6
BUCKETS = 60
"""Maximum number of time buckets."""
WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200)
"""Widths of time buckets in seconds; longer ones are whole days."""
NAME_CHARS = 80

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel: the number of URLs that reached it, and the reasons of the others."""

    name: str
    count: int
    lost: tuple[tuple[str, int], ...] = ()
    """Reasons with counts, the most frequent first."""
    lost_otherwise: int = 0
    """Count for all other reasons."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why URLs have no article."""

    outcome: str
    reason: str
    count: int
    retriable: bool
    sites: tuple[tuple[str, int], ...]
    examples: tuple[tuple[str, str, str], ...]
    """(site, url, message)"""


@dataclass(frozen=True, slots=True)
class Speed:
    """Processed URLs over time."""

    width: int
    """Width of a time bucket in seconds."""
    starts: tuple[datetime, ...] = ()
    counts: tuple[tuple[int, int, int], ...] = ()
    """For each bucket, the number of URLs that succeeded, failed and were skipped."""
    seconds: float = 0.0
    """Time from the first URL to the last."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """All figures of the report; sample articles are in `pipeline.report.sample`."""

    runs: Rows
    """(run id, date, first and last time of its fetches), newest first; at most `SITES`."""
    run_count: int
    listings: int
    """Number of feeds and sitemaps that were read."""
    funnel: tuple[Step, ...]
    problems: tuple[Problem, ...]
    speed: Speed
    kinds: Rows
    """(kind or attitude, with a named speaker, with an unnamed speaker, without a speaker)"""
    speakers: Rows
    """(name, role, direct, mixed, indirect, articles, sites), reported speech alone"""
    entities: Rows
    """(name, type, mentions, articles)"""
    quotes: Rows
    """(speaker, kind, text, url, title, site), some quotes of each of the `speakers`"""
    attitudes: Rows
    """(speaker, cue, text, url, title, site), beliefs, intentions and other attitudes of named speakers"""
    shared_quotes: Rows
    """(text, kind, speaker, number of sites, number of pages, sites)"""
    shared_stories: Rows
    """(title, url and site of the original, number of pages, number of sites, sites)"""
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
        WHEN outcome = 'skipped' THEN 'requested'
        WHEN outcome = 'failed' AND late.article_id IS NULL THEN 'fetched'
        WHEN outcome <> 'ok' THEN 'article'
        ELSE '' END,
      coalesce(reason, outcome), count(*)
    FROM fetches LEFT JOIN late USING (article_id, run_id)
    WHERE source <> 'listing' GROUP BY 1, 2 ORDER BY 3 DESC, 2
"""
_PROBLEMS = """
    WITH messages AS (SELECT article_id, run_id, reason, min(message) AS message FROM failures GROUP BY ALL),
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
    FROM kept LEFT JOIN messages m ON m.article_id = example[2] AND m.run_id = example[3]
      AND m.reason = kept.reason
    ORDER BY outcome, total DESC, kept.reason, rank
"""
_SPEED = """
    SELECT time_bucket(to_seconds($width::BIGINT), fetched_at) AS start,
      count(*) FILTER (outcome NOT IN ('failed', 'skipped')), count(*) FILTER (outcome = 'failed'),
      count(*) FILTER (outcome = 'skipped')
    FROM fetches GROUP BY start ORDER BY start LIMIT $limit
"""
_KINDS = """
    SELECT CASE WHEN is_speech(kind, cue_class) THEN kind ELSE 'attitude' END AS class,
      count(*) FILTER (speaker_name IS NOT NULL),
      count(*) FILTER (speaker_name IS NULL AND speaker IS NOT NULL),
      count(*) FILTER (speaker_name IS NULL AND speaker IS NULL)
    FROM quotes GROUP BY class ORDER BY list_position(['direct', 'mixed', 'indirect', 'attitude'], class)
"""
_SPEAKERS = """
    SELECT left(speaker_name, $chars), left(coalesce(mode(speaker_role), ''), $chars),
      count(*) FILTER (kind = 'direct'), count(*) FILTER (kind = 'mixed'), count(*) FILTER (kind = 'indirect'),
      count(DISTINCT version_id), count(DISTINCT domain)
    FROM quotes WHERE speaker_name IS NOT NULL AND is_speech(kind, cue_class) GROUP BY speaker_name
    ORDER BY count(*) DESC, 6 DESC, speaker_name LIMIT $limit
"""
_ENTITIES = """
    SELECT left(name, $chars), type, sum(mention_count)::BIGINT, count(DISTINCT version_id)
    FROM entities GROUP BY name, type ORDER BY 4 DESC, 3 DESC, name, type LIMIT $limit
"""
_QUOTES = """
    WITH speech AS (FROM quotes WHERE speaker_name IS NOT NULL AND is_speech(kind, cue_class)),
    top AS (
      SELECT speaker_name, count(*) AS n FROM speech
      GROUP BY speaker_name ORDER BY n DESC, count(DISTINCT version_id) DESC, speaker_name LIMIT $limit
    ),
    ranked AS (
      SELECT q.speaker_name, n, q.kind, shortened(q.text, $quote_chars) AS text, q.version_id, q.run_id, q.domain, rank
      FROM (
        SELECT *, row_number() OVER (
          PARTITION BY speaker_name
          ORDER BY kind <> 'direct', length(text) NOT BETWEEN 40 AND 220, confidence DESC NULLS LAST, quote_id
        ) AS rank
        FROM (SELECT DISTINCT ON (speaker_name, utterance_id) * FROM speech SEMI JOIN top USING (speaker_name))
      ) q JOIN top USING (speaker_name) WHERE rank <= $each
    )
    SELECT left(speaker_name, $chars), r.kind, r.text, left(url, 500), left(coalesce(title, ''), 200), r.domain
    FROM ranked r JOIN articles USING (version_id, run_id) ORDER BY rank, n DESC, speaker_name
"""
_ATTITUDES = """
    WITH one AS (
      FROM quotes WHERE speaker_name IS NOT NULL AND NOT is_speech(kind, cue_class)
      QUALIFY row_number() OVER (PARTITION BY speaker_name ORDER BY confidence DESC NULLS LAST, quote_id) = 1
    )
    SELECT left(speaker_name, $chars), left(coalesce(cue, ''), 40), shortened(one.text, $quote_chars), left(url, 500),
      left(coalesce(title, ''), 200), one.domain
    FROM one JOIN articles USING (version_id, run_id) ORDER BY confidence DESC NULLS LAST, quote_id LIMIT $limit
"""
_SHARED_QUOTES = """
    WITH again AS (SELECT utterance_id FROM quotes GROUP BY utterance_id HAVING count(*) > 1),
    top AS (
      SELECT utterance_id, count(DISTINCT domain) AS sites, count(DISTINCT article_id) AS pages
      FROM quotes SEMI JOIN again USING (utterance_id)
      WHERE length(text) >= 25 GROUP BY utterance_id HAVING pages > 1
      ORDER BY sites DESC, pages DESC, utterance_id LIMIT $limit
    )
    SELECT shortened(min_by(text, (kind <> 'direct', text)), $quote_chars), min_by(kind, (kind <> 'direct', text)),
      left(coalesce(mode(speaker_name), ''), $chars), sites, pages,
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
    WITH by_url AS (
      SELECT domain, count(*) AS urls, count(*) FILTER (outcome = 'failed') AS failed FROM fetches GROUP BY domain
    ),
    found AS (SELECT domain, count(*) AS articles FROM articles GROUP BY domain),
    quoted AS (SELECT domain, count(*) AS quotes FROM quotes WHERE is_speech(kind, cue_class) GROUP BY domain)
    SELECT domain, urls, coalesce(articles, 0), failed, coalesce(quotes, 0)
    FROM by_url LEFT JOIN found USING (domain) LEFT JOIN quoted USING (domain)
    ORDER BY 3 DESC, urls DESC, domain LIMIT $limit
"""
_TOTALS = """
    WITH speech AS (FROM quotes WHERE is_speech(kind, cue_class))
    SELECT (SELECT count(*) FROM fetches), (SELECT count(*) FROM fetches WHERE source = 'listing'),
      (SELECT count(*) FROM articles), (SELECT count(*) FROM speech),
      (SELECT count(*) FROM speech WHERE speaker_name IS NULL),
      (SELECT count(DISTINCT speaker_name) FROM speech), (SELECT count(DISTINCT domain) FROM articles),
      (SELECT count(DISTINCT version_id) FROM speech),
      (SELECT count(DISTINCT version_id) FROM speech WHERE speaker_name IS NOT NULL),
      (SELECT count(*) FROM entities), (SELECT count(*) FROM quotes WHERE NOT is_speech(kind, cue_class))
"""
_TOTAL_NAMES = (
    *("urls", "listings", "articles", "quotes", "unnamed", "speakers", "sites", "with_quotes", "with_speakers"),
    *("entities", "attitudes"),
)
_RUNS = """
    SELECT run_id, min(run_date), min(fetched_at), max(fetched_at) FROM fetches GROUP BY run_id
    ORDER BY 4 DESC, run_id LIMIT $limit
"""


def numbers_of(database: duckdb.DuckDBPyConnection) -> Numbers:
    """Query all figures of the report.

    Args:
        database: the run, or the whole lake (`pipeline.lake.query.catalog.open_lake`).
    """

    def query(sql: str, **limits: int) -> Rows:
        return database.execute(sql, limits).fetchall() if limits else database.execute(sql).fetchall()

    totals = dict(zip(_TOTAL_NAMES, query(_TOTALS)[0], strict=True))
    chars = NAME_CHARS
    return Numbers(
        runs=query(_RUNS, limit=SITES),
        run_count=query("SELECT count(DISTINCT run_id) FROM fetches")[0][0],
        listings=totals["listings"],
        funnel=tuple(_steps(query(_FUNNEL), totals)),
        problems=tuple(_problems(query(_PROBLEMS, sites=SITES_PER_REASON))),
        speed=_speed(database),
        kinds=query(_KINDS),
        speakers=query(_SPEAKERS, limit=SPEAKERS, chars=chars),
        entities=query(_ENTITIES, limit=ENTITIES, chars=chars),
        quotes=query(_QUOTES, limit=SPEAKERS, each=QUOTES_PER_SPEAKER, quote_chars=QUOTE_CHARS, chars=chars),
        attitudes=query(_ATTITUDES, limit=ATTITUDES, quote_chars=QUOTE_CHARS, chars=chars),
        shared_quotes=query(_SHARED_QUOTES, limit=SHARED, quote_chars=QUOTE_CHARS, chars=chars),
        shared_stories=query(_SHARED_STORIES, limit=SHARED),
        languages=query(_LANGUAGES, limit=LANGUAGES),
        sites=query(_SITES, limit=SITES),
        totals=totals,
    )


def _steps(rows: Rows, totals: dict[str, int]) -> Iterator[Step]:
    left = totals["urls"] - totals["listings"]
    yield Step("URLs found", left)
    for stage, name in (("requested", "Requested"), ("fetched", "Successful responses"), ("article", "New articles")):
        lost = tuple((reason, count) for where, reason, count in rows if where == stage)
        left -= sum(count for _, count in lost)
        yield Step(name, left, lost[:REASONS_PER_STEP], sum(count for _, count in lost[REASONS_PER_STEP:]))
    yield Step("Articles with a quote", totals["with_quotes"])
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
    starts = [min(found) + timedelta(seconds=width * number) for number in range(count + 1)]
    return Speed(
        width=width,
        starts=tuple(start.astimezone(timezone.utc) for start in starts),
        counts=tuple(found.get(start, (0, 0, 0)) for start in starts),
        seconds=seconds,
    )
