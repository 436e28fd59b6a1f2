"""The transforms for Beam YAML, where what flows is rows with a schema: ``beam-providers.yaml`` names them.

A row has the columns of its table (``onrecord schema``) without those of the run; moments are ISO 8601 strings in UTC.
Each transform gives its records and its failures by name, as in ``input: FetchPages.pages``.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints.arrow_type_compatibility import beam_schema_from_arrow_schema
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import typing_from_runner_api
from pydantic import BaseModel, ConfigDict, ValidationError

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.transform import Annotate as AnnotateRecords
from transforms.extract.config import ExtractConfig
from transforms.extract.transform import ExtractArticles as ExtractRecords
from transforms.fetch import FEED_TYPES, FetchConfig
from transforms.fetch.transform import FetchPages as FetchRecords
from transforms.schema.builders import own_article, own_page
from transforms.schema.records import Article, Mention, Page, UrlRequest
from transforms.schema.tables import TABLES, clean_text
from transforms.schema.urls import request_of
from transforms.sources import SITEMAP_TYPES, ListingSource
from transforms.sources.transform import ReadListings as ReadRecords
from transforms.text.dates import parse_moment

PROVIDERS = Path(__file__).with_name("beam-providers.yaml")
"""The provider file, for the ``include`` of a pipeline's ``providers``."""

Rows = dict[str, "beam.PCollection[beam.Row]"]


class _Span(NamedTuple):
    """An element of a list column, a tuple since Arrow takes no Row for a struct."""

    start: int
    end: int


class _Mention(NamedTuple):
    start: int
    end: int
    text: str


_Config = TypeVar("_Config", bound=BaseModel)

_TEXT, _TIME = pa.string(), pa.timestamp("us", tz="UTC")
_GIVEN = [pa.field("title", _TEXT), pa.field("published_at", _TIME)]
_COLUMNS: dict[str, list[pa.Field]] = {
    **{
        table.name: [f for f in table.schema if f.name not in ("run_id", "run_date", "run_time")]
        for table in TABLES.values()
    },
    "urls": [pa.field("url", _TEXT, nullable=False), pa.field("source", _TEXT, nullable=False), *_GIVEN],
}
"""The columns of the rows that the transforms give."""
_COLUMNS["pages"] = [
    *_COLUMNS["fetches"],
    *_GIVEN,
    pa.field("body", pa.binary(), nullable=False),
    pa.field("content_type", _TEXT, nullable=False),
    pa.field("tdm_reserved", pa.bool_()),
]


class ListingsConfig(BaseModel):
    """The settings of `ReadListings`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[ListingSource, ...]
    fetch: FetchConfig = FetchConfig()


class ReadListings(beam.PTransform):
    """Reads feeds and sitemaps: gives ``urls``, and of the documents themselves ``fetches`` and ``failures``.

    Args:
        settings: ``sources`` as in a configuration of feeds and sitemaps, and ``fetch``.
    """

    _yaml_requires_inputs = False

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _checked("ReadListings", ListingsConfig, settings)

    def expand(self, begin: beam.pvalue.PBegin) -> Rows:
        documents = FetchRecords(self._config.fetch, accept=FEED_TYPES | SITEMAP_TYPES)
        read = begin | ReadRecords(self._config.sources, documents)
        return _rows(urls=read.requests, fetches=read.fetches, failures=read.failures)


class FetchPages(beam.PTransform):
    """Asks for the pages of rows with a ``url``: gives ``pages``, ``fetches`` and ``failures``.

    A page's own row of the ledger comes with the page, or from the stage that ends its way.

    Args:
        settings: options as under ``fetch`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _checked("FetchPages", FetchConfig, settings)

    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        requests = _records(rows, "FetchPages", ("url",), _request, UrlRequest)
        fetched = requests | FetchRecords(self._config)
        return _rows(pages=fetched.pages, fetches=fetched.fetches, failures=fetched.failures)


class ExtractArticles(beam.PTransform):
    """Makes articles of rows with a ``url`` and a ``body`` (bytes or text): ``articles``, ``fetches``, ``failures``.

    Args:
        settings: options as under ``extract`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _checked("ExtractArticles", ExtractConfig, settings)

    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        pages = _records(rows, "ExtractArticles", ("url", "body"), _page, Page)
        read = pages | ExtractRecords(self._config)
        return _rows(articles=read.articles, fetches=read.fetches, failures=read.failures)


class Annotate(beam.PTransform):
    """Reads rows with a ``text`` for names and quotations: gives ``entities``, ``quotes`` and ``failures``.

    Args:
        settings: options as under ``annotate`` in a configuration.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._config = _checked("Annotate", AnnotateConfig, settings)

    def expand(self, rows: "beam.PCollection[beam.Row]") -> Rows:
        articles = _records(rows, "Annotate", ("text",), _article, Article)
        found = articles | AnnotateRecords(self._config)
        return _rows(entities=found.entities, quotes=found.quotes, failures=found.failures)


def _checked(transform: str, model: type[_Config], settings: Mapping[str, Any]) -> _Config:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        allowed = ", ".join(sorted(model.model_fields))
        raise ValueError(f"{transform}: {key}: {first['msg']}; its settings are {allowed}") from error


def _records(
    rows: "beam.PCollection[beam.Row]",
    transform: str,
    needed: tuple[str, ...],
    record_of: Callable[[dict[str, Any]], Any],
    kind: type,
) -> "beam.PCollection[Any]":
    """Records of rows, whose schema is checked for the columns that are needed."""
    given = rows.element_type
    row_type = given if isinstance(given, RowTypeConstraint) else RowTypeConstraint.from_user_type(given)
    columns = [name for name, _ in row_type._fields] if row_type is not None else []
    missing = [name for name in needed if name not in columns]
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
    told = ("http_status", "attempts", "final_url", "etag", "last_modified", "elapsed_ms")
    known = {name: row[name] for name in told if row.get(name) is not None}
    return replace(page, fetch=replace(page.fetch, **known), tdm_reserved=row.get("tdm_reserved"))


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
    """The time in a column: ISO 8601, or whatever has it as its text (datetime, Beam's Timestamp)."""
    value = row.get(column)
    to_datetime = getattr(value, "to_utc_datetime", None)
    read = parse_moment(f"{to_datetime(has_tz=True) if to_datetime else value}") if value is not None else None
    return read.at if read else None


def _rows(**collections: "beam.PCollection[Any]") -> Rows:
    """Rows of records, each collection in the schema of its name."""
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
    if pa.types.is_list(kind):
        return [_plain(kind.value_type, item) for item in value]
    if pa.types.is_struct(kind):
        return _Mention(value.start, value.end, clean_text(value.text)) if isinstance(value, Mention) else _Span(*value)
    return clean_text(value) if isinstance(value, str) else value


def _row_type(name: str) -> RowTypeConstraint:
    # Beam knows no Arrow type of time, and its JSON writer no time at all.
    columns = [column.with_type(_TEXT) if column.type == _TIME else column for column in _COLUMNS[name]]
    schema = beam_schema_from_arrow_schema(pa.schema([column.remove_metadata() for column in columns]))
    return typing_from_runner_api(schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema)))


if __name__ == "__main__":
    sys.stdout.write(f"{PROVIDERS}\n")
