"""Read and check the user's gazetteers, CSV and Parquet files of aliases."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple, cast, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from transforms.schema.errors import ExitCode, OnrecordError
from transforms.schema.records import EntityType
from transforms.storage.base import StoreError
from transforms.storage.open import open_input

MAX_ROWS = 5_000_000
"""Maximum number of rows in all files together; a row takes about 700 bytes in every worker process."""
MAX_CHARACTERS = 500
"""Maximum number of characters in one value."""
MAX_TOKENS = 30
"""Maximum number of words and punctuation marks in one alias, which bounds the work per word of a text."""
MAX_HEADER_BYTES = 1 << 16
"""Maximum length of the header line of a CSV file."""
NEEDED = ("alias", "id", "type")
TYPES: tuple[str, ...] = get_args(EntityType)

# Invisible characters (soft hyphen, zero-width characters) and combining accents belong to the word around them.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
TOKEN = re.compile(rf"\w(?:[\w\u0300-\u036f{_INVISIBLE}]*[\w\u0300-\u036f])?|[^\w\s{_INVISIBLE}]|\n")
"""A word, a punctuation mark, or a line break, which a name cannot contain."""
_EQUAL_MARKS = dict.fromkeys(map(ord, _INVISIBLE), None) | dict.fromkeys(map(ord, "’ʼ‘`´"), "'")
_EQUAL_MARKS |= dict.fromkeys(map(ord, "‐‑"), "-")


class GazetteerError(OnrecordError, ValueError):
    """A gazetteer is not valid; the message is one sentence with the file, the row and the rule."""

    exit_code = ExitCode.REFUSED


class GazetteerEntry(NamedTuple):
    """The entity of an alias."""

    kb_id: str | None
    type: EntityType | None
    """None if the alias is not an entity."""
    name: str | None
    """The canonical name; None keeps the fullest form in the text."""


class GazetteerEntries(NamedTuple):
    """The entries of all files. Aliases are normalised by `key`."""

    by_alias: dict[str, GazetteerEntry]
    upper_cased: dict[str, str]
    """Alias of two words or more in upper case, as in a headline -> alias."""
    longest: dict[str, int]
    """First token -> number of tokens of the longest alias that begins with it."""

    def find(self, key: str) -> GazetteerEntry | None:
        """Return the entry of a normalised alias, or of an alias with the same words in upper case."""
        return self.by_alias.get(key) or self.by_alias.get(self.upper_cased.get(key, ""))


def token(word: str) -> str:
    """Normalise a token: one style of apostrophes and hyphens, NFC, no invisible characters."""
    return word if word.isascii() and word != "`" else unicodedata.normalize("NFC", word).translate(_EQUAL_MARKS)


def key(text: str) -> str:
    """Normalise a name for comparison: tokens joined by single spaces, with their case."""
    return " ".join(map(token, TOKEN.findall(text)))


def read_gazetteers(paths: Sequence[str]) -> GazetteerEntries:
    """Read gazetteers.

    Args:
        paths: ``.csv`` or ``.parquet`` files, local or ``gs://``, with the columns ``alias``, ``id``, ``type``
            (PERSON, ORG, LOC, NORP, MISC; empty if it is not an entity) and optionally ``name``. Other columns are
            not read. An entry of a later file replaces the entry of an earlier file for the same alias.

    Returns:
        The entries. A canonical name of two words or more is an alias too, unless two entries have the same name.

    Raises:
        GazetteerError: a file cannot be read or is not valid.
    """
    entries: dict[str, GazetteerEntry] = {}
    shared: dict[GazetteerEntry, GazetteerEntry] = {}
    rows = 0
    for path in paths:
        in_file: dict[str, GazetteerEntry] = {}
        for row, values in _rows(path):
            rows += 1
            if rows > MAX_ROWS:
                raise GazetteerError(f"{path}, row {row}: all gazetteers together can have at most {MAX_ROWS:,} rows")
            alias, entry = _checked(path, row, values)
            entry = shared.setdefault(entry, entry)
            if in_file.setdefault(alias, entry) is not entry:
                raise GazetteerError(
                    f"{path}, row {row}: the alias {values[0]!r} has a different entry in an earlier row; "
                    "remove one of them"
                )
        entries |= in_file
    for name, entry in _canonical(shared).items():
        entries.setdefault(name, entry)
    return _indexed(entries)


def _checked(path: str, row: int, values: tuple[str, str, str, str]) -> tuple[str, GazetteerEntry]:
    alias, kb_id, entity_type, name = values
    if max(map(len, values)) > MAX_CHARACTERS:
        raise GazetteerError(f"{path}, row {row}: a value has more than {MAX_CHARACTERS} characters")
    if entity_type and entity_type not in TYPES:
        raise GazetteerError(
            f"{path}, row {row}: {entity_type!r} is not a valid type; use {', '.join(TYPES)}, or leave it empty if "
            "the alias is not an entity"
        )
    form = key(alias)
    if not 0 < len(form.split(" ")) <= MAX_TOKENS or not any(c.isalnum() for c in form):
        raise GazetteerError(f"{path}, row {row}: the alias must have 1 to {MAX_TOKENS} words and punctuation marks")
    if not entity_type:
        return form, GazetteerEntry(None, None, None)
    # For an entry without identifier and name, the alias separates its entity from those of other rows.
    return form, GazetteerEntry(kb_id or None, cast(EntityType, entity_type), name or (None if kb_id else alias))


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
    """Yield row numbers as in a spreadsheet (the header is row 1), with alias, id, type and name."""
    suffix = path.rpartition(".")[2].lower()
    if suffix not in ("csv", "parquet"):
        raise GazetteerError(f"{path} is not a valid gazetteer: the file name must end in .csv or .parquet")
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
    # The header is read first, to select columns: pyarrow infers the types of the others and fails on a wrong guess.
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
            f"{path}: the file must have the columns alias, id and type once each, and at most one column name; it has "
            f"{', '.join(present)[:300] or 'none'}"
        )
    return [*NEEDED, *(["name"] if "name" in present else [])]
