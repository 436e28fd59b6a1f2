"""Sample articles for the report, their texts cut into pieces that say which name or quote they belong to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import duckdb

ARTICLES, ARTICLES_A_SITE, TEXT_CHARS, MARKS = 24, 4, 2_400, 400

Marked = tuple[int, int, str]
"""Start and end, and the type of a name, or the number of a quote."""


@dataclass(frozen=True, slots=True)
class Said:
    """A quote of a sample article."""

    speaker: str
    """The name; else the source as written; empty when there is none."""
    is_named: bool
    kind: str
    role: str
    cue: str
    method: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text in one style."""

    text: str
    name_type: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pieces inside one quote, or outside of all."""

    pieces: tuple[Piece, ...]
    quote: int | None = None
    """Its number in `Sample.quotes`."""
    is_first: bool = False
    """Whether the quote begins here; it may go on in later stretches."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One article as the report shows it."""

    title: str
    url: str
    domain: str
    language: str
    word_count: int
    published_at: datetime | None
    paragraphs: tuple[tuple[Stretch, ...], ...]
    quotes: tuple[Said, ...]
    is_cut: bool

    @property
    def voices(self) -> list[tuple[str, int]]:
        """Named speakers of the quotes that are shown, most quoted first."""
        return Counter(said.speaker for said in self.quotes if said.is_named).most_common()


_ARTICLES = """
    WITH heard AS (
      SELECT version_id, run_id, count(DISTINCT speaker_name) AS voices, count(*) AS n
      FROM quotes GROUP BY version_id, run_id
    ),
    ranked AS (
      SELECT version_id, run_id, domain, coalesce(voices, 0) AS voices, coalesce(n, 0) AS n,
        row_number() OVER (PARTITION BY domain ORDER BY voices DESC NULLS LAST, n DESC NULLS LAST, version_id) AS rank
      FROM articles LEFT JOIN heard USING (version_id, run_id)
    ),
    chosen AS (
      FROM ranked WHERE rank <= $each ORDER BY rank, voices DESC, n DESC, version_id LIMIT $limit
    )
    SELECT version_id, run_id, left(coalesce(title, ''), 200), left(url, 500), articles.domain,
      coalesce(language, ''), word_count, published_at, left(text, $chars), length(text) > $chars
    FROM chosen JOIN articles USING (version_id, run_id) ORDER BY rank, voices DESC, n DESC, version_id
"""
_QUOTES = """
    SELECT version_id, run_id, spans, left(coalesce(speaker_name, speaker, ''), 80), speaker_name IS NOT NULL, kind,
      left(coalesce(speaker_role, ''), 80), left(coalesce(cue, ''), 40), speaker_method, confidence
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
    """Articles of many sites, those with most voices first; the beginnings of their texts.

    Args:
        database: the run, or the lake (`pipeline.lake.query.catalog.open_lake`).
    """
    rows = database.execute(_ARTICLES, {"limit": ARTICLES, "each": ARTICLES_A_SITE, "chars": TEXT_CHARS}).fetchall()
    bounds = {"versions": [row[0] for row in rows], "chars": TEXT_CHARS, "marks": MARKS}
    said: dict[tuple[str, str], list[tuple[list[dict[str, int]], Said]]] = {}
    for version, run, spans, *rest in database.execute(_QUOTES, bounds).fetchall():
        said.setdefault((version, run), []).append((spans, Said(*rest)))
    names: dict[tuple[str, str], list[Marked]] = {}
    for version, run, start, end, kind in database.execute(_NAMES, bounds).fetchall():
        names.setdefault((version, run), []).append((start, end, kind))
    samples = []
    for version, run, title, url, domain, language, words, published, text, is_cut in rows:
        quotes = said.get((version, run), [])
        marked = [(s["start"], s["end"], str(n)) for n, (spans, _) in enumerate(quotes) for s in spans]
        samples.append(
            Sample(
                title=title,
                url=url,
                domain=domain,
                language=language,
                word_count=words,
                published_at=published,
                paragraphs=paragraphs_of(text, marked, names.get((version, run), [])),
                quotes=tuple(q for _, q in quotes),
                is_cut=is_cut,
            )
        )
    return samples


def paragraphs_of(text: str, quotes: Iterable[Marked], names: Iterable[Marked]) -> tuple[tuple[Stretch, ...], ...]:
    """Cuts a text into paragraphs, these at the borders of quotes, and these at the borders of names.

    Where two quotes or two names overlap, the one that begins first is shown, and of these the longer; no letter is
    lost or shown twice, save the breaks between paragraphs.

    Args:
        text: paragraphs with an empty line between.
        quotes: offsets into it, with the quote's number.
        names: offsets into it, with the name's type.
    """
    quoted, named, seen = _apart(quotes, len(text)), _apart(names, len(text)), set[str]()
    paragraphs = []
    start = 0
    for paragraph in text.split("\n\n"):
        end = start + len(paragraph)
        stretches = []
        for begin, stop, number in _covering(quoted, start, end):
            pieces = tuple(Piece(text[a:b], kind) for a, b, kind in _covering(named, begin, stop))
            if number is None:
                stretches.append(Stretch(pieces))
                continue
            stretches.append(Stretch(pieces, int(number), number not in seen))
            seen.add(number)
        if stretches:
            paragraphs.append(tuple(stretches))
        start = end + 2
    return tuple(paragraphs)


def _apart(marked: Iterable[Marked], limit: int) -> list[Marked]:
    """In order, within the text, none overlapping another."""
    kept: list[Marked] = []
    for start, end, what in sorted(marked, key=lambda m: (m[0], -m[1])):
        if start >= (kept[-1][1] if kept else 0) and start < min(end, limit):
            kept.append((start, min(end, limit), what))
    return kept


def _covering(marked: Sequence[Marked], start: int, end: int) -> Iterator[tuple[int, int, str | None]]:
    """The whole of ``start`` to ``end`` in order, each part with what marks it, or None."""
    inside = [(max(a, start), min(b, end), what) for a, b, what in marked if a < end and b > start]
    edges = [start, *(edge for a, b, _ in inside for edge in (a, b)), end]
    what_at = {a: what for a, _, what in inside}
    for a, b in pairwise(edges):
        if a < b:
            yield a, b, what_at.get(a)
