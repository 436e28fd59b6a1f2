"""The schema of every table, and how a record becomes a row of it.

A record's field and a table's column have the same name. A column may be added (with a new `SCHEMA_VERSION`); none
changes its type or its meaning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa

from transforms.schema.records import Article, Entity, Failure, Fetch, Mention, Quote, Story

SCHEMA_VERSION = 2
"""2: `articles` has a sketch, `fetches` a run_time."""

ARCHIVES = "_warc"
"""Where archived pages lie in the lake, and their name beside the tables in a run's manifest."""

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
    """One column: its Arrow type, what it means, and whether it may be null."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order, the columns that make a row unique, and its rows' order within a file."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...]
    distinct: tuple[str, ...]
    """Columns whose values hardly repeat within a file: a dictionary of them would cost more than it saves."""
    rows_a_group: int = 40_960
    """Rows in a row group of a published file: some ten megabytes, which a reader skips or reads as one."""

    def index(self, column: str) -> int:
        """The number of a column's first leaf in a Parquet file."""
        return [path.split(".")[0] for path in self._leaves].index(column)

    @property
    def repeating(self) -> list[str]:
        """The leaves, by their path in a Parquet file, that a dictionary makes smaller."""
        return [path for path in self._leaves if path.split(".")[0] not in self.distinct]

    @property
    def comparable(self) -> list[str]:
        """The leaves for which the least and the greatest value help to skip rows: all but texts and lists."""
        return [path for path in self._leaves if "." not in path and path not in _LONG]

    @property
    def _leaves(self) -> list[str]:
        return [path for column in self.columns for path in _leaf_paths(column.name, column.type)]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; each field's metadata says what it means, the schema's says table and version."""
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
_URL = _id("url", "the URL as it was asked for, in canonical form")
_DOMAIN = _id("domain", "registrable domain of the URL, by the public suffix list")
_PUBLISHED = Column("published_at", _TIME, "when the article was published, UTC")
_MODEL = _id("model_version", "the model or rules that made this row")
_RUN = (
    _id("run_id", "the run that wrote this row"),
    Column("run_date", pa.date32(), "the run's logical date; equal to the partition dt", nullable=False),
)

ARTICLES = Table(
    "articles",
    "one row an article version",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _URL,
        Column("canonical_url", _TEXT, "what the page claims with rel=canonical; never used as an id"),
        Column("final_url", _TEXT, "the URL after redirects"),
        _DOMAIN,
        Column("site_name", _TEXT, "the publication's name as the page states it"),
        Column("title", _TEXT, "headline without the site's name"),
        Column("description", _TEXT, "the page's own summary"),
        Column("authors", _TEXTS, "persons who wrote it, in order", nullable=False),
        _PUBLISHED,
        Column("published_precision", _TEXT, "how exact published_at is: second, minute or day"),
        Column("modified_at", _TIME, "last change that the page states, UTC"),
        Column("language", _TEXT, "ISO 639-1 code, detected from the text"),
        Column("section", _TEXT, "the publisher's section"),
        Column("tags", _TEXTS, "the publisher's keywords", nullable=False),
        Column("image_url", _TEXT, "the lead picture"),
        Column("is_paywalled", pa.bool_(), "whether the page says that its text is not free"),
        Column("is_live_blog", pa.bool_(), "whether the page says that it is a live blog"),
        Column("tdm_reserved", pa.bool_(), "whether the site reserves text and data mining"),
        Column("text", _TEXT, "the article's text: paragraphs with an empty line between", nullable=False),
        Column("word_count", pa.int32(), "words of the text", nullable=False),
        _id("text_hash", "hash of the text"),
        Column("simhash", pa.int64(), "not computed any more, always null"),
        Column("sketch", _NUMBERS, "smallest hashes of the text's word shingles: what two of them share, the texts do"),
        _id("extractor", "which way of extraction gave the text"),
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
    "one row an entity of an article version",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _id("entity_id", "hash of version_id, type and name"),
        _id("name", "canonical name: the fullest form seen in the text"),
        _id("type", "PERSON, ORG, LOC, NORP or MISC"),
        Column("aliases", _TEXTS, "the other forms seen", nullable=False),
        Column("mentions", _MENTIONS, "where: code points of articles.text, end exclusive", nullable=False),
        Column("mention_count", pa.int32(), "number of mentions", nullable=False),
        Column("first_start", pa.int32(), "start of the first mention", nullable=False),
        Column("salience", pa.float32(), "how much the article is about it, 0 to 1"),
        Column("role", _TEXT, "office or description as the text gives it"),
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
    "one row a quotation of an article version",
    (
        _ARTICLE_ID,
        _VERSION_ID,
        _id("quote_id", "hash of version_id and spans"),
        Column("ordinal", pa.int32(), "order in the article, from 0", nullable=False),
        Column("paragraph", pa.int32(), "paragraph in which it begins, from 0", nullable=False),
        Column("in_headline", pa.bool_(), "whether it stands in a headline", nullable=False),
        _id("kind", "direct (all in quote marks), mixed (marks inside a reported clause), indirect (no marks)"),
        _id("text", "the content as it stands, fragments joined by a space"),
        Column("verbatim_text", _TEXTS, "only what stands in quote marks", nullable=False),
        Column("spans", _SPANS, "the content: code points of articles.text, end exclusive", nullable=False),
        Column("cue", _TEXT, "the words that report it, such as said or according to"),
        Column("cue_spans", _SPANS, "where the cue stands", nullable=False),
        Column("cue_class", _TEXT, "said, wrote, asked, according_to, belief, intention or other"),
        Column("speaker", _TEXT, "the source as written"),
        Column("speaker_spans", _SPANS, "where the source stands", nullable=False),
        Column("speaker_name", _TEXT, "the source resolved to a name; null rather than a guess"),
        Column("speaker_entity_id", _TEXT, "the source's row in entities"),
        Column("speaker_type", _TEXT, "the source's entity type"),
        Column("speaker_role", _TEXT, "the source's office or description"),
        _id("speaker_method", "how the speaker was found: named, surname, role, pronoun, carried_over, label, none"),
        Column("confidence", pa.float32(), "probability that the source is right, 0 to 1"),
        Column("mentioned_entity_ids", _TEXTS, "entities named inside the content", nullable=False),
        _id("utterance_id", "hash of the normalised words: the same words anywhere have it"),
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
    "one row an article version: which story it tells",
    (
        _VERSION_ID,
        _ARTICLE_ID,
        _id("story_id", "the same for all versions of one story, on any site and day"),
        Column("is_original", pa.bool_(), "the earliest of its story that the lake knows", nullable=False),
        Column("similarity", pa.float32(), "likeness to the original, 0 to 1", nullable=False),
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
    "one row a URL and run: what became of it",
    (
        _URL,
        _ARTICLE_ID,
        _DOMAIN,
        _id("outcome", "ok, not_modified, unchanged, skipped or failed"),
        Column("reason", _TEXT, "why it is not ok: a code of the list of reasons"),
        Column("retriable", pa.bool_(), "whether a later run may succeed", nullable=False),
        Column("http_status", pa.int32(), "status of the last answer"),
        Column("attempts", pa.int32(), "requests made for it", nullable=False),
        Column("final_url", _TEXT, "the URL after redirects"),
        Column("etag", _TEXT, "the answer's ETag, for a conditional request"),
        Column("last_modified", _TEXT, "the answer's Last-Modified, for a conditional request"),
        Column("body_hash", _TEXT, "hash of the response body"),
        Column("text_hash", _TEXT, "hash of the extracted text"),
        Column("bytes", pa.int64(), "size of the body after decompression"),
        Column("elapsed_ms", pa.int32(), "from the first request to the last byte, waiting between attempts included"),
        _id("source", "what named the URL: urls, feed, sitemap, warc, pubsub; listing for a feed itself"),
        Column("fetched_at", _TIME, "when it was settled, UTC", nullable=False),
        Column("run_time", _TIME, "the run's logical time, UTC"),
        *_RUN,
    ),
    key=("article_id",),
    order=("domain", "url"),
    distinct=("url", "article_id", "final_url", "etag", "body_hash", "text_hash", "fetched_at"),
)
FAILURES = Table(
    "failures",
    "one row a failure of any stage, with what is needed to try it again",
    (
        _id("failure_id", "hash of article_id, stage and reason"),
        _URL,
        _ARTICLE_ID,
        _DOMAIN,
        _id("stage", "sources, fetch, extract or annotate"),
        _id("reason", "a code of the list of reasons"),
        _id("message", "one sentence on what happened"),
        Column("retriable", pa.bool_(), "whether a later run may succeed", nullable=False),
        Column("attempts", pa.int32(), "requests made for it", nullable=False),
        Column("http_status", pa.int32(), "status of the last answer"),
        _id("source", "what named the URL"),
        Column("failed_at", _TIME, "when, UTC", nullable=False),
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
    """Records of one table as an Arrow batch with the table's exact schema.

    Text is made fit for every reader: NUL letters go, lone surrogates become U+FFFD. Times become UTC, microseconds.

    Args:
        table: the records' table.
        records: records whose fields are the table's columns, `run_id` and `run_date` apart.
        run_id: goes to each row.
        run_date: goes to each row.
        run_time: goes to each row of a table that has it.

    Raises:
        ValueError: a time without a zone.
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
            raise ValueError(f"a time without a zone cannot be stored: {value.isoformat()}")
        return value.astimezone(timezone.utc)
    return value


def _element(item: Any) -> Any:
    if isinstance(item, Mention):
        return {"start": item.start, "end": item.end, "text": clean_text(item.text)}
    if isinstance(item, tuple):
        return {"start": item[0], "end": item[1]}
    return clean_text(item) if isinstance(item, str) else item


def clean_text(text: str) -> str:
    """The text without what some readers cannot hold: NUL letters go, lone surrogates become U+FFFD."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", ""))
