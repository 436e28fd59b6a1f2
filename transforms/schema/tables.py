"""Define the schema of every table, and convert records into rows.

A record's field and a table's column have the same name. A column may be added (with a new `SCHEMA_VERSION`); none
changes its type or meaning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa

from transforms.schema.records import Article, Entity, Failure, Fetch, Mention, Quote, Story

SCHEMA_VERSION = 3
"""Version 2 added `articles.sketch` and `fetches.run_time`; version 3 `articles.byline_org` and `published_day`."""

ARCHIVES = "_warc"
"""Folder of the archived pages in the lake, and their key beside the tables in a manifest."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_LONG = ("text", "title", "description", "message")

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.field("element", pa.string(), nullable=False))
_NUMBERS = pa.list_(pa.field("element", pa.int64(), nullable=False))
_SPANS = pa.list_(
    pa.field(
        "element",
        pa.struct([pa.field("start", pa.int32(), nullable=False), pa.field("end", pa.int32(), nullable=False)]),
        nullable=False,
    )
)
_MENTIONS = pa.list_(
    pa.field(
        "element",
        pa.struct(
            [
                pa.field("start", pa.int32(), nullable=False),
                pa.field("end", pa.int32(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
            ]
        ),
        nullable=False,
    )
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, Arrow type, meaning, and whether it may be null."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table: columns in order, unique key, and sort order within a file."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...]
    distinct: tuple[str, ...]
    """Columns whose values rarely repeat within a file, so that dictionary encoding would cost more than it saves."""
    rows_a_group: int = 40_960
    """Rows in a row group of a merged file: some ten megabytes, which a reader skips or reads as a whole."""

    def index(self, column: str) -> int:
        """Return the index of a column's first leaf in a Parquet file."""
        return [path.split(".")[0] for path in self._leaves].index(column)

    @property
    def repeating(self) -> list[str]:
        """Leaves, by their path in a Parquet file, that use dictionary encoding."""
        return [path for path in self._leaves if path.split(".")[0] not in self.distinct]

    @property
    def comparable(self) -> list[str]:
        """Leaves with min/max statistics: all but long texts and lists."""
        return [path for path in self._leaves if "." not in path and path not in _LONG]

    @property
    def _leaves(self) -> list[str]:
        return [path for column in self.columns for path in _leaf_paths(column.name, column.type)]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the meaning of each field, the table and the version in the metadata."""
        fields = [
            pa.field(c.name, c.type, nullable=c.nullable, metadata={"description": c.meaning}) for c in self.columns
        ]
        return pa.schema(fields, metadata={"onrecord.table": self.name, "onrecord.schema_version": str(SCHEMA_VERSION)})


def _leaf_paths(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_list(kind):
        yield from _leaf_paths(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _leaf_paths(f"{path}.{kind.field(number).name}", kind.field(number).type)
    else:
        yield path


def _id(name: str, meaning: str) -> Column:
    return Column(name, _TEXT, meaning, nullable=False)


_ARTICLE_ID = _id("article_id", "hash of the normalised requested URL")
_VERSION_ID = _id("version_id", "hash of article_id and text_hash: an edited article is a new version")
_URL = _id("url", "the requested URL in canonical form")
_DOMAIN = _id("domain", "registrable domain of the URL, by the public suffix list")
_PUBLISHED = Column("published_at", _TIME, "when the article was published, UTC")
_MODEL = _id("model_version", "the model or rules that produced this row")
_RUN = (
    _id("run_id", "the run that wrote this row"),
    Column("run_date", pa.date32(), "the run's logical date; equal to the partition dt", nullable=False),
)

ARTICLES = Table(
    "articles",
    "one row for each version of an article",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _URL,
        Column("canonical_url", _TEXT, "the page's rel=canonical; never used as an id"),
        Column("final_url", _TEXT, "the URL after redirects"),
        _DOMAIN,
        Column("site_name", _TEXT, "name of the publication as the page states it"),
        Column("title", _TEXT, "headline without the name of the site"),
        Column("description", _TEXT, "the page's own summary"),
        Column("authors", _TEXTS, "names of its writers, in order: persons", nullable=False),
        Column("byline_org", _TEXTS, "organisations that sign it: an agency, a desk, the paper itself"),
        _PUBLISHED,
        Column("published_precision", _TEXT, "precision of published_at: second, minute or day"),
        Column("published_day", pa.date32(), "day of publication in the page's own time zone"),
        Column("modified_at", _TIME, "last change as the page states it, UTC"),
        Column("language", _TEXT, "ISO 639-1 code, detected from the text"),
        Column("section", _TEXT, "the publisher's section"),
        Column("tags", _TEXTS, "the publisher's keywords", nullable=False),
        Column("image_url", _TEXT, "URL of the lead picture"),
        Column("is_paywalled", pa.bool_(), "whether the page states that its text is not free"),
        Column("is_live_blog", pa.bool_(), "whether the page states that it is a live blog"),
        Column("tdm_reserved", pa.bool_(), "whether the site reserves text and data mining"),
        Column("text", _TEXT, "the article's text: paragraphs with an empty line between", nullable=False),
        Column("word_count", pa.int32(), "words of the text", nullable=False),
        _id("text_hash", "hash of the text"),
        Column("simhash", pa.int64(), "not computed any more, always null"),
        Column(
            "sketch", _NUMBERS, "smallest hashes of the text's word shingles; their overlap estimates that of two texts"
        ),
        _id("extractor", "the extraction method that yielded the text"),
        _id("extractor_version", "version of the extraction code"),
        Column("fetched_at", _TIME, "when the page was fetched, UTC"),
        *_RUN,
    ),
    key=("version_id",),
    order=("domain", "published_at", "version_id"),
    distinct=(
        *("article_id", "version_id", "url", "canonical_url", "final_url", "title", "description", "image_url"),
        *("text", "text_hash", "simhash", "sketch", "fetched_at"),
    ),
    rows_a_group=2_048,
)
ENTITIES = Table(
    "entities",
    "one row for each entity of an article version",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _id("entity_id", "hash of version_id, type and name"),
        _id("name", "canonical name: the fullest form seen in the text"),
        _id("type", "PERSON, ORG, LOC, NORP or MISC"),
        Column("aliases", _TEXTS, "the other forms seen", nullable=False),
        Column("mentions", _MENTIONS, "positions: code points of articles.text, end exclusive", nullable=False),
        Column("mention_count", pa.int32(), "number of mentions", nullable=False),
        Column("first_start", pa.int32(), "start of the first mention", nullable=False),
        Column("salience", pa.float32(), "how central the entity is to the article, 0 to 1"),
        Column("role", _TEXT, "office or description as written in the text"),
        Column("kb_id", _TEXT, "identifier in a gazetteer"),
        _MODEL,
        _PUBLISHED,
        _DOMAIN,
        *_RUN,
    ),
    key=("entity_id",),
    order=("domain", "published_at", "version_id", "first_start"),
    distinct=("entity_id",),
)
QUOTES = Table(
    "quotes",
    "one row for each quotation of an article version",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _id("quote_id", "hash of version_id and spans"),
        Column("ordinal", pa.int32(), "order in the article, from 0", nullable=False),
        Column("paragraph", pa.int32(), "paragraph in which it begins, from 0", nullable=False),
        Column("in_headline", pa.bool_(), "whether it is in a headline", nullable=False),
        _id("kind", "direct (all in quotation marks), mixed (marks inside a reported clause), indirect (no marks)"),
        _id(
            "text",
            "the content as written; fragments are joined by the punctuation between them, or by … for omitted words",
        ),
        Column("verbatim_text", _TEXTS, "the parts in quotation marks", nullable=False),
        Column("spans", _SPANS, "the content: code points of articles.text, end exclusive", nullable=False),
        Column("cue", _TEXT, "the reporting words, such as said or according to"),
        Column("cue_spans", _SPANS, "positions of the cue", nullable=False),
        Column("cue_class", _TEXT, "said, wrote, asked, according_to, belief, intention or other"),
        Column("speaker", _TEXT, "the source as written"),
        Column("speaker_spans", _SPANS, "positions of the source", nullable=False),
        Column("speaker_name", _TEXT, "the source resolved to a name; null rather than a guess"),
        Column("speaker_entity_id", _TEXT, "the source's row in entities"),
        Column("speaker_type", _TEXT, "the source's entity type"),
        Column("speaker_role", _TEXT, "the source's office or description"),
        _id("speaker_method", "how the speaker was resolved: named, surname, role, pronoun, carried_over, label, none"),
        Column("confidence", pa.float32(), "probability that the source is right, 0 to 1"),
        Column("mentioned_entity_ids", _TEXTS, "entities named inside the content", nullable=False),
        _id("utterance_id", "hash of the normalised words; equal for the same words in any article"),
        _MODEL,
        _PUBLISHED,
        _DOMAIN,
        *_RUN,
    ),
    key=("quote_id",),
    order=("domain", "published_at", "version_id", "ordinal"),
    distinct=("quote_id", "text", "verbatim_text", "utterance_id"),
)
STORIES = Table(
    "stories",
    "one row for each article version, with its story",
    (
        _VERSION_ID,
        _ARTICLE_ID,
        _id("story_id", "equal for all versions of one story, on any site and day"),
        Column("is_original", pa.bool_(), "whether it is the earliest of its story in the lake", nullable=False),
        Column("similarity", pa.float32(), "similarity to the original, 0 to 1", nullable=False),
        _DOMAIN,
        _PUBLISHED,
        *_RUN,
    ),
    key=("version_id",),
    order=("domain", "published_at", "version_id"),
    distinct=("version_id", "article_id"),
)
FETCHES = Table(
    "fetches",
    "one row for each URL and run, with the outcome",
    (
        _URL,
        _ARTICLE_ID,
        _DOMAIN,
        _id("outcome", "ok, not_modified, unchanged, skipped or failed"),
        Column("reason", _TEXT, "reason code where the outcome is not ok"),
        Column("retriable", pa.bool_(), "whether a later run may succeed", nullable=False),
        Column("http_status", pa.int32(), "status of the last response"),
        Column("attempts", pa.int32(), "number of requests", nullable=False),
        Column("final_url", _TEXT, "the URL after redirects"),
        Column("etag", _TEXT, "ETag of the response, for conditional requests"),
        Column("last_modified", _TEXT, "Last-Modified of the response, for conditional requests"),
        Column("body_hash", _TEXT, "hash of the response body"),
        Column("text_hash", _TEXT, "hash of the extracted text"),
        Column("bytes", pa.int64(), "size of the body after decompression"),
        Column(
            "elapsed_ms", pa.int32(), "time from the first request to the last byte, waits between attempts included"
        ),
        _id("source", "origin of the URL: urls, feed, sitemap, warc, pubsub; listing for a feed or sitemap itself"),
        Column("fetched_at", _TIME, "time of the outcome, UTC", nullable=False),
        Column("run_time", _TIME, "the run's logical time, UTC"),
        *_RUN,
    ),
    key=("article_id",),
    order=("domain", "url"),
    distinct=("url", "article_id", "final_url", "etag", "body_hash", "text_hash", "fetched_at"),
)
FAILURES = Table(
    "failures",
    "one row for each failure of a stage, with the data to retry it",
    (
        _id("failure_id", "hash of article_id, stage and reason"),
        _URL,
        _ARTICLE_ID,
        _DOMAIN,
        _id("stage", "sources, fetch, extract or annotate"),
        _id("reason", "reason code"),
        _id("message", "one sentence that describes the failure"),
        Column("retriable", pa.bool_(), "whether a later run may succeed", nullable=False),
        Column("attempts", pa.int32(), "number of requests", nullable=False),
        Column("http_status", pa.int32(), "status of the last response"),
        _id("source", "origin of the URL"),
        Column("failed_at", _TIME, "time of the failure, UTC", nullable=False),
        *_RUN,
    ),
    key=("failure_id",),
    order=("domain", "url", "stage"),
    distinct=("failure_id", "url", "article_id", "failed_at"),
)

TABLES: dict[str, Table] = {t.name: t for t in (ARTICLES, ENTITIES, QUOTES, STORIES, FETCHES, FAILURES)}

Row = Article | Entity | Quote | Story | Fetch | Failure
"""A record that is a row of one of the tables."""


def to_batch(
    table: Table, records: Sequence[Row], run_id: str, run_date: date, run_time: datetime | None = None
) -> pa.RecordBatch:
    """Convert records of one table into an Arrow batch with the exact schema.

    Texts are made valid for every reader (`clean_text`). Times become UTC, microseconds.

    Args:
        table: the table of the records.
        records: records with the table's columns as fields, except those of the run.
        run_id: value for each row.
        run_date: value for each row.
        run_time: value for each row of a table with this column.

    Raises:
        ValueError: a time has no time zone.
    """
    columns: list[pa.Array] = []
    of_run = {"run_id": run_id, "run_date": run_date, "run_time": run_time}
    for column in table.columns:
        if column.name in of_run:
            values: list[Any] = [of_run[column.name]] * len(records)
        else:
            values = [_plain(getattr(record, column.name)) for record in records]
        columns.append(pa.array(values, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, tuple):
        return [_element(item) for item in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone cannot be stored: {value.isoformat()}")
        return value.astimezone(timezone.utc)
    return value


def _element(item: Any) -> Any:
    if isinstance(item, Mention):
        return {"start": item.start, "end": item.end, "text": clean_text(item.text)}
    if isinstance(item, tuple):
        return {"start": item[0], "end": item[1]}
    return clean_text(item) if isinstance(item, str) else item


def clean_text(text: str) -> str:
    """Remove NUL characters and replace lone surrogates by U+FFFD, which some readers cannot store."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", ""))
