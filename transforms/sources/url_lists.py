"""Read URL lists (text, CSV, JSON lines, Parquet) in bounded memory."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.schema.errors import ExitCode, OnrecordError
from transforms.sources.config import Format
from transforms.storage.open import open_input

_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_MAX_LINE = 1 << 20
_BATCH = 8192


class ListError(OnrecordError):
    """A list cannot be read. The message names the list, the position and the cause."""

    exit_code = ExitCode.REFUSED


def urls_of(file: str, form: Format | None = None, column: str = "url") -> Iterator[str]:
    """Open a list by name and read its URLs, like `read_urls`."""
    with open_input(file) as opened:
        yield from read_urls(opened, file, form, column)


def format_of(name: str) -> Format:
    """Return the format of a file by its suffix; by default text."""
    return next((form for suffix, form in _BY_SUFFIX.items() if name.lower().endswith(suffix)), "text")


def read_urls(file: BinaryIO, name: str, form: Format | None = None, column: str = "url") -> Iterator[str]:
    """Read the URLs of one list, in order and unchanged, without empty values.

    Args:
        file: the list, at its beginning; seekable for Parquet.
        name: its name, for messages and, if `form` is None, for the format.
        form: the format.
        column: the column (CSV, Parquet) or key (JSON lines) with the URL.

    Raises:
        ListError: the file does not have its format, or lacks the column.
    """
    form = form or format_of(name)
    if form == "parquet":
        yield from _stripped(_parquet(file, name, column))
        return
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    try:
        yield from _stripped({"text": _text, "csv": _csv, "jsonl": _jsonl}[form](text, name, column))
    finally:
        # The caller closes the file, possibly before this generator ends.
        with suppress(ValueError):
            text.detach()


def _stripped(values: Iterable[str]) -> Iterator[str]:
    return (value.strip() for value in values if value.strip())


def _text(lines: io.TextIOWrapper, name: str, _column: str) -> Iterator[str]:
    for number, line in enumerate(_lines(lines, name), 1):
        if number == 1 and line.startswith("PAR1"):
            raise ListError(f"{name} is a Parquet file: name it *.parquet or set format: parquet")
        if not line.lstrip().startswith("#"):
            yield line


def _csv(lines: io.TextIOWrapper, name: str, column: str) -> Iterator[str]:
    reader = csv.DictReader(_lines(lines, name))
    try:
        columns = reader.fieldnames or []
        if column not in columns:
            raise _no_column(name, column, columns)
        for row in reader:
            yield row[column] or ""
    except csv.Error as error:
        raise ListError(f"{name}, line {reader.reader.line_num}: invalid CSV: {error}") from error


def _no_column(name: str, column: str, columns: Sequence[str]) -> ListError:
    if not columns:
        return ListError(f"{name} is empty; expected a line with the names of the columns, such as {column}")
    if len(columns) == 1 and (separator := next((s for s in (";", "\t", "|") if s in columns[0]), None)):
        return ListError(f"{name} separates its columns by {separator!r}; expected commas: convert the file")
    shown = ", ".join(each[:80] for each in columns[:20])
    return ListError(
        f"{name} has no column {column!r}; its columns are {shown}: set `column` of the source to one of them"
    )


def _jsonl(lines: io.TextIOWrapper, name: str, column: str) -> Iterator[str]:
    for number, line in enumerate(_lines(lines, name), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ListError(f"{name}, line {number}: invalid JSON: {error}") from error
        if not isinstance(record, dict) or column not in record:
            keys = f"; its keys are {', '.join(record)}" if isinstance(record, dict) else ""
            raise ListError(f"{name}, line {number}: expected an object with the key {column!r}{keys}")
        yield str(record[column] or "")


def _parquet(file: BinaryIO, name: str, column: str) -> Iterator[str]:
    try:
        parquet = pq.ParquetFile(file)
        columns = parquet.schema_arrow.names
        if column not in columns:
            raise _no_column(name, column, columns)
        kind = parquet.schema_arrow.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise ListError(f"{name}: the column {column!r} has the type {kind}; expected strings")
        for batch in parquet.iter_batches(batch_size=_BATCH, columns=[column]):
            yield from (value or "" for value in batch.column(0).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise ListError(f"{name} cannot be read as Parquet: {error}") from error


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) >= _MAX_LINE and not line.endswith("\n"):
            raise ListError(f"{name}, line {number}: longer than {_MAX_LINE:,} characters, so not a list of URLs")
        yield line
