"""How the records that runners move between workers are written: as their fields' values, never as pickled objects.

Importing this module registers the coder with Beam; each transform that groups such records imports it. All else that
flows between stages is fused and is never written.
"""

import dataclasses
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from apache_beam.coders import Coder, FastPrimitivesCoder, registry

from transforms.schema.records import UrlRequest
from transforms.schema.run import StagedFile

RECORDS = (UrlRequest, StagedFile)
"""The records that are grouped."""

_SHORT = 16
_VALUES = FastPrimitivesCoder().get_impl()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class RecordCoder(Coder):
    """Writes one type of record as the tuple of its fields: texts, numbers, truth values, times, tuples of texts.

    A record of a subclass goes through Beam's own coder, with its class.

    Args:
        record: the type, a dataclass.
    """

    def __init__(self, record: type[Any]) -> None:
        self._record = record
        self._names = tuple(field.name for field in dataclasses.fields(record))

    def encode(self, value: Any) -> bytes:
        """The bytes of a record; the same for equal ones."""
        if type(value) is self._record:
            value = tuple([_plain(getattr(value, name)) for name in self._names])
        return bytes(_VALUES.encode(value))

    def decode(self, encoded: bytes) -> Any:
        """The record."""
        value = _VALUES.decode(encoded)
        if type(value) is not tuple:
            return value
        return self._record(**dict(zip(self._names, map(_full, value), strict=True)))

    def is_deterministic(self) -> bool:
        """Whether it may be a key: it may."""
        return True

    def to_type_hint(self) -> type[Any]:
        """The type."""
        return self._record

    @classmethod
    def from_type_hint(cls, typehint: type[Any], _registry: object) -> "RecordCoder":
        """The coder that Beam's registry asks for."""
        return cls(typehint)


def _plain(value: Any) -> Any:
    """A value that Beam writes without pickle: a text as bytes, as it may hold lone surrogates; a time as a list."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, datetime):
        return [(value - _EPOCH) // _MICROSECOND]
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _full(value: Any) -> Any:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogatepass")
        # What names a source or a table is the same in all records.
        return sys.intern(text) if len(text) < _SHORT else text
    if isinstance(value, list):
        return _EPOCH + value[0] * _MICROSECOND
    return tuple(map(_full, value)) if isinstance(value, tuple) else value


for _record in RECORDS:
    registry.register_coder(_record, RecordCoder)
