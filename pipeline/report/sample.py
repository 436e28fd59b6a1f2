"""Select sample articles for the report, and split their texts at quotes and names."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import duckdb

ARTICLES, ARTICLES_PER_SITE, TEXT_CHARS, MARKS = 24, 4, 2_400, 400

Mark = tuple[int, int, str]
"""Start, end, and the type of a name or the number of a quote."""


@dataclass(frozen=True, slots=True)
class SampleQuote:
    """A quote of a sample article."""

    speaker: str
    """The name, otherwise the speaker as written; empty if there is no speaker."""
    is_named: bool
    kind: str
    is_speech: bool
    """False for a belief, an intention or another attitude."""
    role: str
    cue: str
    method: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a text: a name, or text between names."""

    text: str
    name_type: str | None = None
    """Type of the name; None for text between names."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a paragraph: inside one quote, or outside of all quotes."""

    parts: tuple[TextPart, ...]
    quote: int | None = None
    """Index in `Sample.quotes`; None outside of quotes."""
    is_first: bool = False
    """Whether the quote starts here; a quote may have several segments."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One article of the report."""

    title: str
    url: str
    domain: str
    language: str
    word_count: int
    published_at: datetime | None
    paragraphs: tuple[tuple[Segment, ...], ...]
    quotes: tuple[SampleQuote, ...]
    is_cut: bool
    """Whether the article is longer than `TEXT_CHARS`."""

    @property
    def speakers(self) -> list[tuple[str, int]]:
        """Named speakers of these quotes with their counts, the most quoted first."""
        return Counter(quote.speaker for quote in self.quotes if quote.is_named and quote.is_speech).most_common()


_ARTICLES = """
    WITH quoted AS (
      SELECT version_id, run_id, count(DISTINCT speaker_name) AS speakers, count(*) AS n
      FROM quotes GROUP BY version_id, run_id
    ),
    ranked AS (
      SELECT version_id, run_id, domain, coalesce(speakers, 0) AS speakers, coalesce(n, 0) AS n,
        row_number() OVER (PARTITION BY domain ORDER BY speakers DESC NULLS LAST, n DESC NULLS LAST, version_id) AS rank
      FROM articles LEFT JOIN quoted USING (version_id, run_id)
    ),
    chosen AS (
      FROM ranked WHERE rank <= $each ORDER BY rank, speakers DESC, n DESC, version_id LIMIT $limit
    )
    SELECT version_id, run_id, left(coalesce(title, ''), 200), left(url, 500), articles.domain,
      coalesce(language, ''), word_count, published_at, left(text, $chars), length(text) > $chars
    FROM chosen JOIN articles USING (version_id, run_id) ORDER BY rank, speakers DESC, n DESC, version_id
"""
_QUOTES = """
    SELECT version_id, run_id, spans, left(coalesce(speaker_name, speaker, ''), 80), speaker_name IS NOT NULL, kind,
      is_speech(kind, cue_class), left(coalesce(speaker_role, ''), 80), left(coalesce(cue, ''), 40), speaker_method,
      confidence
    FROM quotes WHERE version_id IN (SELECT unnest($versions)) AND spans[1].start < $chars
    QUALIFY row_number() OVER (PARTITION BY version_id, run_id ORDER BY ordinal) <= $marks
    ORDER BY version_id, run_id, ordinal
"""
_NAMES = """
    WITH named AS (
      SELECT version_id, run_id, type, unnest(mentions) AS m FROM entities
      WHERE version_id IN (SELECT unnest($versions))
    )
    SELECT version_id, run_id, m.start, m.end, type FROM named WHERE m.start < $chars
    QUALIFY row_number() OVER (PARTITION BY version_id, run_id ORDER BY m.start) <= $marks
    ORDER BY version_id, run_id, m.start
"""


def samples_of(database: duckdb.DuckDBPyConnection) -> list[Sample]:
    """Select articles of many sites, those with the most speakers first, with the beginning of their texts.

    Args:
        database: the run, or the whole lake (`pipeline.lake.query.catalog.open_lake`).
    """
    rows = database.execute(_ARTICLES, {"limit": ARTICLES, "each": ARTICLES_PER_SITE, "chars": TEXT_CHARS}).fetchall()
    limits = {"versions": [row[0] for row in rows], "chars": TEXT_CHARS, "marks": MARKS}
    quotes: dict[tuple[str, str], list[tuple[list[dict[str, int]], SampleQuote]]] = {}
    for version, run, spans, *rest in database.execute(_QUOTES, limits).fetchall():
        quotes.setdefault((version, run), []).append((spans, SampleQuote(*rest)))
    names: dict[tuple[str, str], list[Mark]] = {}
    for version, run, start, end, kind in database.execute(_NAMES, limits).fetchall():
        names.setdefault((version, run), []).append((start, end, kind))
    samples = []
    for version, run, title, url, domain, language, words, published, text, is_cut in rows:
        own = quotes.get((version, run), [])
        marks = [(s["start"], s["end"], str(n)) for n, (spans, _) in enumerate(own) for s in spans]
        samples.append(
            Sample(
                title=title,
                url=url,
                domain=domain,
                language=language,
                word_count=words,
                published_at=published,
                paragraphs=paragraphs_of(text, marks, names.get((version, run), [])),
                quotes=tuple(quote for _, quote in own),
                is_cut=is_cut,
            )
        )
    return samples


def paragraphs_of(text: str, quotes: Iterable[Mark], names: Iterable[Mark]) -> tuple[tuple[Segment, ...], ...]:
    """Split a text into paragraphs, paragraphs at the boundaries of quotes, and these at the boundaries of names.

    If two quotes or two names overlap, the one that starts first is kept, and of two that start together the longer
    one. Only the empty lines between paragraphs are dropped.

    Args:
        text: paragraphs separated by empty lines.
        quotes: marks with the number of the quote.
        names: marks with the type of the name.
    """
    quoted, named = _without_overlaps(quotes, len(text)), _without_overlaps(names, len(text))
    seen = set[str]()
    paragraphs = []
    start = 0
    for paragraph in text.split("\n\n"):
        end = start + len(paragraph)
        segments = []
        for a, b, number in _split(quoted, start, end):
            parts = tuple(TextPart(text[c:d], kind) for c, d, kind in _split(named, a, b))
            if number is None:
                segments.append(Segment(parts))
                continue
            segments.append(Segment(parts, int(number), number not in seen))
            seen.add(number)
        if segments:
            paragraphs.append(tuple(segments))
        start = end + 2
    return tuple(paragraphs)


def _without_overlaps(marks: Iterable[Mark], limit: int) -> list[Mark]:
    """Sort marks, clip them to the text and drop overlapping ones."""
    kept: list[Mark] = []
    for start, end, value in sorted(marks, key=lambda m: (m[0], -m[1])):
        if start >= (kept[-1][1] if kept else 0) and start < min(end, limit):
            kept.append((start, min(end, limit), value))
    return kept


def _split(marks: Sequence[Mark], start: int, end: int) -> Iterator[tuple[int, int, str | None]]:
    """Split a range at the boundaries of marks; each part has the value of its mark, or None."""
    inside = [(max(a, start), min(b, end), value) for a, b, value in marks if a < end and b > start]
    boundaries = [start, *(boundary for a, b, _ in inside for boundary in (a, b)), end]
    value_at = {a: value for a, _, value in inside}
    for a, b in pairwise(boundaries):
        if a < b:
            yield a, b, value_at.get(a)
