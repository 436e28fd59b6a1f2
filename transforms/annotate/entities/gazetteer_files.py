"""The user's own gazetteers: CSV and Parquet files of aliases, read and checked."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple, cast, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from transforms.schema.errors import OnrecordError
from transforms.schema.records import EntityType
from transforms.storage.base import StoreError
from transforms.storage.open import open_input

MAX_ROWS = 5_000_000
"""Rows of all files together; each takes some 700 bytes of every worker process."""
MAX_CHARACTERS = 500
"""Of one value."""
MAX_TOKENS = 30
"""Words and punctuation marks of one alias, which bounds the work at each word of a text."""
MAX_HEADER_BYTES = 1 << 16
NEEDED = ("alias", "id", "type")
TYPES: tuple[str, ...] = get_args(EntityType)

# Marks that no reader sees (soft hyphen, zero-width ones) and combining accents belong to the word that they stand in.
_UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
TOKEN = re.compile(rf"\w(?:[\w\u0300-\u036f{_UNSEEN}]*[\w\u0300-\u036f])?|[^\w\s{_UNSEEN}]|\n")
"""A word, a mark, or the end of a line, which no name crosses."""
_EQUAL_MARKS = dict.fromkeys(map(ord, _UNSEEN), None) | dict.fromkeys(map(ord, "’ʼ‘`´"), "'")
_EQUAL_MARKS |= dict.fromkeys(map(ord, "‐‑"), "-")


class GazetteerError(OnrecordError, ValueError):
    """A gazetteer is not valid; the message is one sentence with the file, the row and the allowed values."""

    exit_code = 2


class GazetteerEntry(NamedTuple):
    """What an alias stands for."""

    kb_id: str | None
    type: EntityType | None
    """None: it is no entity."""
    name: str | None
    """The canonical name; None leaves the fullest form that the text has."""


class GazetteerEntries(NamedTuple):
    """All aliases of some files. A key is what `key` makes of an alias."""

    by_alias: dict[str, GazetteerEntry]
    upper_cased: dict[str, str]
    """Key in capitals -> key, of aliases of two words and more: a headline's form."""
    longest: dict[str, int]
    """First token of an alias -> tokens of the longest one that begins so."""

    def find(self, key: str) -> GazetteerEntry | None:
        """The meaning of a key, or of the same words in capitals."""
        return self.by_alias.get(key) or self.by_alias.get(self.upper_cased.get(key, ""))


def token(word: str) -> str:
    """A token as it is compared: apostrophes and hyphens alike, composed (NFC), without marks that nobody sees."""
    return word if word.isascii() and word != "`" else unicodedata.normalize("NFC", word).translate(_EQUAL_MARKS)


def key(text: str) -> str:
    """The form in which names are compared: tokens joined by one space, case kept."""
    return " ".join(map(token, TOKEN.findall(text)))


def read_gazetteers(paths: Sequence[str]) -> GazetteerEntries:
    """Read gazetteers.

    Args:
        paths: ``.csv`` or ``.parquet`` files, local or ``gs://``, with the columns ``alias``, ``id``, ``type``
            (PERSON, ORG, LOC, NORP, MISC; empty: no entity) and, if wanted, ``name``. Other columns are not read. What
            a later file says of an alias goes before what an earlier one says.

    Returns:
        The aliases. A canonical name of two words and more counts as an alias too, unless two things bear it.

    Raises:
        GazetteerError: a file cannot be read or breaks a rule.
    """
    entries: dict[str, GazetteerEntry] = {}
    shared: dict[GazetteerEntry, GazetteerEntry] = {}
    rows = 0
    for path in paths:
        own: dict[str, GazetteerEntry] = {}
        for row, values in _rows(path):
            rows += 1
            if rows > MAX_ROWS:
                raise GazetteerError(f"{path}, row {row}: at most {MAX_ROWS:,} rows in all gazetteers are allowed")
            alias, entry = _checked(path, row, values)
            entry = shared.setdefault(entry, entry)
            if own.setdefault(alias, entry) is not entry:
                raise GazetteerError(
                    f"{path}, row {row}: the alias {values[0]!r} has another meaning in a row before; one is allowed"
                )
        entries |= own
    for name, entry in _canonical(shared).items():
        entries.setdefault(name, entry)
    return _indexed(entries)


def _checked(path: str, row: int, values: tuple[str, str, str, str]) -> tuple[str, GazetteerEntry]:
    alias, kb_id, kind, name = values
    if max(map(len, values)) > MAX_CHARACTERS:
        raise GazetteerError(f"{path}, row {row}: a value is longer than the {MAX_CHARACTERS} characters allowed")
    if kind and kind not in TYPES:
        raise GazetteerError(
            f"{path}, row {row}: the type {kind!r} is not allowed; allowed are {', '.join(TYPES)}, and empty for "
            "what is no entity"
        )
    form = key(alias)
    if not 0 < len(form.split(" ")) <= MAX_TOKENS or not any(c.isalnum() for c in form):
        raise GazetteerError(f"{path}, row {row}: an alias of 1 to {MAX_TOKENS} words and marks is expected")
    if not kind:
        return form, GazetteerEntry(None, None, None)
    # A row of a type alone must still tell its entity from that of another such row.
    return form, GazetteerEntry(kb_id or None, cast(EntityType, kind), name or (None if kb_id else alias))


def _canonical(entries: dict[GazetteerEntry, GazetteerEntry]) -> dict[str, GazetteerEntry]:
    found: dict[str, GazetteerEntry | None] = {}
    for entry in entries.values():
        if entry.name and " " in (form := key(entry.name)):
            found[form] = None if form in found else entry
    return {form: entry for form, entry in found.items() if entry}


def _indexed(entries: dict[str, GazetteerEntry]) -> GazetteerEntries:
    upper_cased: dict[str, str] = {}
    longest: dict[str, int] = {}
    for form in entries:
        words = form.split(" ")
        firsts = words[:1]
        if len(words) > 1 and not form.isupper():
            upper_cased[form.upper()] = form
            firsts.append(words[0].upper())
        for first in firsts:
            longest[first] = max(len(words), longest.get(first, 0))
    return GazetteerEntries(entries, upper_cased, longest)


def _rows(path: str) -> Iterator[tuple[int, tuple[str, str, str, str]]]:
    """Row number, as a spreadsheet counts (the header is row 1), with alias, id, type and name."""
    suffix = path.rpartition(".")[2].lower()
    if suffix not in ("csv", "parquet"):
        raise GazetteerError(f"{path} is no gazetteer: a file that ends in .csv or .parquet is expected")
    try:
        with open_input(path) as file:
            row = 2
            for batch in _csv(path, file) if suffix == "csv" else _parquet(path, file):
                columns = [[(v or "").strip() for v in column.to_pylist()] for column in batch.columns]
                columns += [[""] * batch.num_rows] * (4 - len(columns))
                yield from enumerate(zip(*columns, strict=True), row)
                row += batch.num_rows
    except (StoreError, pa.ArrowException, UnicodeDecodeError, OSError) as error:
        cause = " ".join(str(error).split())
        raise GazetteerError(cause if path in cause else f"{path} cannot be read as {suffix}: {cause[:300]}") from error


def _csv(path: str, file: BinaryIO) -> Iterator["pa.RecordBatch"]:
    # The header is read apart: pyarrow would guess a type for each column of attributes, and refuse where it guessed
    # wrong.
    line = file.readline(MAX_HEADER_BYTES).decode("utf-8-sig")
    columns = _columns(path, next(csv.reader([line]), []))
    file.seek(0)
    reader = pyarrow.csv.open_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), include_columns=columns, strings_can_be_null=False
        ),
    )
    with reader:
        yield from reader


def _parquet(path: str, file: BinaryIO) -> Iterator["pa.RecordBatch"]:
    parquet = pyarrow.parquet.ParquetFile(file)
    schema = parquet.schema_arrow
    columns = _columns(path, schema.names)
    text = pa.schema([(column, pa.string()) for column in columns])
    for batch in chain.from_iterable(
        parquet.iter_batches(batch_size=65_536, row_groups=[group], columns=columns)
        for group in range(parquet.num_row_groups)
    ):
        yield batch.select(columns).cast(text)


def _columns(path: str, present: Sequence[str]) -> list[str]:
    missing = [column for column in NEEDED if present.count(column) != 1]
    if missing or present.count("name") > 1:
        raise GazetteerError(
            f"{path}: the columns alias, id and type are expected, each once, and name if wanted, but it has "
            f"{', '.join(present)[:300] or 'none'}"
        )
    return [*NEEDED, *(["name"] if "name" in present else [])]
