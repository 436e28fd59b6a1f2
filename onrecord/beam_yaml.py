"""Provide transforms for Beam YAML, on rows with a schema; ``beam-providers.yaml`` lists them.

A row has the columns of its table (``onrecord schema``) except those of the run. Timestamps are ISO 8601 strings in
UTC. Outputs have names, as in ``input: FetchPages.pages``.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints.arrow_type_compatibility import beam_schema_from_arrow_schema
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import schema_from_element_type, typing_from_runner_api
from pydantic import BaseModel, ConfigDict, ValidationError

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.transform import Annotate as AnnotateRecords
from transforms.extract.config import ExtractConfig
from transforms.extract.transform import ExtractArticles as ExtractRecords
from transforms.fetch import FEED_TYPES, FetchConfig
from transforms.fetch.transform import FetchPages as FetchRecords
from transforms.runtime.type_hints import multiple_outputs
from transforms.schema.builders import own_article, own_page
from transforms.schema.records import Article, Mention, Page, UrlRequest
from transforms.schema.tables import TABLES, clean_text
from transforms.schema.urls import request_of
from transforms.sources import SITEMAP_TYPES, ListingSource
from transforms.sources.transform import ReadListings as ReadRecords
from transforms.text.dates import parse_moment

PROVIDERS = Path(__file__).with_name("beam-providers.yaml")
"""Return the path of the provider file, for ``include`` under a pipeline's ``providers``."""

Rows = dict[str, "beam.PCollection[beam.Row]"]


class _Span(NamedTuple):
    """A span, as an element of a list column; a named tuple, because Arrow cannot convert a Beam row to a struct."""

    start: int
    end: int


class _Mention(NamedTuple):
    start: int
    end: int
    text: str


_Config = TypeVar("_Config", bound=BaseModel)

_TEXT, _TIME, _DAY = pa.string(), pa.timestamp("us", tz="UTC"), pa.date32()
_LISTED_COLUMNS = [pa.field("title", _TEXT), pa.field("published_at", _TIME)]
_COLUMNS: dict[str, list[pa.Field]] = {
    **{
        table.name: [f for f in table.schema if f.name not in ("run_id", "run_date", "run_time")]
        for table in TABLES.values()
    },
    "urls": [pa.field("url", _TEXT, nullable=False), pa.field("source", _TEXT, nullable=False), *_LISTED_COLUMNS],
}
"""Columns of the output rows, by output."""
_COLUMNS["pages"] = [
    *_COLUMNS["fetches"],
    *_LISTED_COLUMNS,
    pa.field("body", pa.binary(), nullable=False),
    pa.field("content_type", _TEXT, nullable=False),
    pa.field("tdm_reserved", pa.bool_()),
]


class ListingsConfig(BaseModel):
    """Settings of `ReadListings`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[ListingSource, ...]
    fetch: FetchConfig = FetchConfig()


class ReadListings(beam.PTransform):
    """Read feeds and sitemaps into ``urls``; ``fetches`` and ``failures`` have the rows of the documents themselves.

    Args:
        settings: ``sources`` (feeds and sitemaps) and ``fetch``, as in a configuration.
    """

    _yaml_requires_inputs = False

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _validated("ReadListings", ListingsConfig, settings)

    @multiple_outputs
    def expand(self, begin: beam.pvalue.PBegin) -> Rows:
        documents = FetchRecords(self._config.fetch, accept=FEED_TYPES | SITEMAP_TYPES)
        read = begin | ReadRecords(self._config.sources, documents)
        return _rows(urls=read.requests, fetches=read.fetches, failures=read.failures)


class FetchPages(beam.PTransform):
    """Fetch the pages of rows with a ``url`` into ``pages``, ``fetches`` and ``failures``.

    ``fetches`` has the URLs without a page. For a fetched page, ``pages`` contains the columns of its fetch row, and
    `ExtractArticles` outputs that row.

    Args:
        settings: options as under ``fetch`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _validated("FetchPages", FetchConfig, settings)

    @multiple_outputs
    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        requests = _records(rows, "FetchPages", ("url",), _request, UrlRequest)
        fetched = requests | FetchRecords(self._config)
        return _rows(pages=fetched.pages, fetches=fetched.fetches, failures=fetched.failures)


class ExtractArticles(beam.PTransform):
    """Extract rows with a ``url`` and a ``body`` (bytes or text) into ``articles``, ``fetches`` and ``failures``.

    Args:
        settings: options as under ``extract`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _validated("ExtractArticles", ExtractConfig, settings)

    @multiple_outputs
    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        pages = _records(rows, "ExtractArticles", ("url", "body"), _page, Page)
        read = pages | ExtractRecords(self._config)
        return _rows(articles=read.articles, fetches=read.fetches, failures=read.failures)


class Annotate(beam.PTransform):
    """Annotate rows with a ``text`` into ``entities``, ``quotes`` and ``failures``.

    Args:
        settings: options as under ``annotate`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _validated("Annotate", AnnotateConfig, settings)

    @multiple_outputs
    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        articles = _records(rows, "Annotate", ("text",), _article, Article)
        found = articles | AnnotateRecords(self._config)
        return _rows(entities=found.entities, quotes=found.quotes, failures=found.failures)


def _validated(transform: str, model: type[_Config], settings: Mapping[str, Any]) -> _Config:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        allowed = ", ".join(sorted(model.model_fields))
        raise ValueError(f"{transform}: {key}: {first['msg']}; the settings are {allowed}") from error


def _records(
    rows: "beam.PCollection[beam.Row]",
    transform: str,
    required: tuple[str, ...],
    record_of: Callable[[dict[str, Any]], Any],
    kind: type,
) -> "beam.PCollection[Any]":
    """Convert rows to records, after a check that their schema has the required columns."""
    try:
        columns = [field.name for field in schema_from_element_type(rows.element_type).fields]
    except TypeError:
        columns = []
    missing = [name for name in required if name not in columns]
    if missing:
        raise ValueError(
            f"{transform} needs rows with the column {' and '.join(missing)}; these have {', '.join(columns) or 'none'}"
        )
    return rows | "Records" >> beam.Map(lambda row: record_of(row._asdict())).with_output_types(kind)


def _request(row: dict[str, Any]) -> UrlRequest:
    url, source = str(row["url"] or ""), row.get("source") or "urls"
    return request_of(url, source, row.get("title"), _moment(row, "published_at"))


def _page(row: dict[str, Any]) -> Page:
    page = own_page(
        str(row["url"] or ""),
        row["body"] or b"",
        content_type=row.get("content_type") or "text/html",
        fetched_at=_moment(row, "fetched_at"),
        title=row.get("title"),
        published_at=_moment(row, "published_at"),
        source=row.get("source") or "urls",
    )
    columns = ("http_status", "attempts", "final_url", "etag", "last_modified", "elapsed_ms")
    values = {name: row[name] for name in columns if row.get(name) is not None}
    return replace(page, fetch=replace(page.fetch, **values), tdm_reserved=row.get("tdm_reserved"))


def _article(row: dict[str, Any]) -> Article:
    article = own_article(
        row["text"] or "",
        row.get("url") or "",
        title=row.get("title"),
        language=row.get("language"),
        published_at=_moment(row, "published_at"),
    )
    ids = {name: row[name] for name in ("article_id", "version_id", "domain") if row.get(name)}
    return replace(article, **ids)


def _moment(row: dict[str, Any], column: str) -> datetime | None:
    """Return the time in a column: an ISO 8601 string, a datetime or a Beam Timestamp."""
    value = row.get(column)
    to_datetime = getattr(value, "to_utc_datetime", None)
    moment = parse_moment(f"{to_datetime(has_tz=True) if to_datetime else value}") if value is not None else None
    return moment.at if moment else None


def _rows(**collections: "beam.PCollection[Any]") -> Rows:
    """Convert records to rows; the name of a collection selects its schema."""
    return {
        name: records | f"Rows{name.title()}" >> beam.Map(partial(_row, name)).with_output_types(_row_type(name))
        for name, records in collections.items()
    }


def _row(name: str, record: Any) -> beam.Row:
    parts = (record, record.fetch, record.request) if isinstance(record, Page) else (record,)
    return beam.Row(
        **{
            column.name: _plain(column.type, next(getattr(p, column.name) for p in parts if hasattr(p, column.name)))
            for column in _COLUMNS[name]
        }
    )


def _plain(kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if pa.types.is_list(kind):
        return [_plain(kind.value_type, item) for item in value]
    if pa.types.is_struct(kind):
        return _Mention(value.start, value.end, clean_text(value.text)) if isinstance(value, Mention) else _Span(*value)
    return clean_text(value) if isinstance(value, str) else value


def _row_type(name: str) -> RowTypeConstraint:
    # Beam cannot convert Arrow timestamps and dates, and its JSON writer cannot write timestamps.
    columns = [column.with_type(_TEXT) if column.type in (_TIME, _DAY) else column for column in _COLUMNS[name]]
    schema = beam_schema_from_arrow_schema(pa.schema([column.remove_metadata() for column in columns]))
    return typing_from_runner_api(schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema)))


if __name__ == "__main__":
    sys.stdout.write(f"{PROVIDERS}\n")
