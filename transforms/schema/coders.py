"""Encode records that runners send between workers as field values instead of pickled objects.

Importing this module registers the coder with Beam; each transform that groups such records imports it. All other
records stay inside fused stages and are never encoded.
"""

import dataclasses
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from apache_beam.coders import Coder, FastPrimitivesCoder, registry

from transforms.schema.records import UrlRequest
from transforms.schema.run import StagedFile

RECORDS = (UrlRequest, StagedFile)
"""Record types that transforms group."""

_VERSION = b"\x01"
"""First byte of an encoded record. Change it with the encoding; a new field at the end does not need a new version."""
_INTERNED_LENGTH = 16
_VALUES = FastPrimitivesCoder().get_impl()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class RecordCoder(Coder):
    """Encode one record type as a version byte and the tuple of its field values.

    Values are strings, numbers, booleans, times and tuples of strings. Workers of two releases can exchange records,
    as during the update of a stream: a field that is missing in the bytes gets its default, and a value without a
    field is ignored. Beam's default coder encodes instances of a subclass, with their class.

    Args:
        record: the type, a dataclass.
    """

    def __init__(self, record: type[Any]) -> None:
        self._record = record
        self._names = tuple(field.name for field in dataclasses.fields(record))

    def encode(self, value: Any) -> bytes:
        """Encode a record; equal records give equal bytes."""
        if type(value) is self._record:
            value = tuple([_to_primitive(getattr(value, name)) for name in self._names])
        return _VERSION + bytes(_VALUES.encode(value))

    def decode(self, encoded: bytes) -> Any:
        """Decode a record.

        Raises:
            ValueError: the bytes have another version of the encoding.
            TypeError: the bytes lack a field that has no default.
        """
        if encoded[:1] != _VERSION:
            raise ValueError(
                f"cannot decode a {self._record.__name__} with version byte {encoded[:1]!r}; supported: {_VERSION!r}"
            )
        value = _VALUES.decode(encoded[1:])
        if type(value) is not tuple:
            return value
        return self._record(**dict(zip(self._names, map(_from_primitive, value), strict=False)))

    def is_deterministic(self) -> bool:
        """Return True: an encoded record can be a key."""
        return True

    def to_type_hint(self) -> type[Any]:
        """Return the record type."""
        return self._record

    @classmethod
    def from_type_hint(cls, typehint: type[Any], _registry: object) -> "RecordCoder":
        """Create the coder of a record type, for Beam's registry."""
        return cls(typehint)


def _to_primitive(value: Any) -> Any:
    """Convert a value so that Beam encodes it without pickle: a string to bytes (lone surrogates), a time to a list."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, datetime):
        return [(value - _EPOCH) // _MICROSECOND]
    return tuple(map(_to_primitive, value)) if isinstance(value, tuple) else value


def _from_primitive(value: Any) -> Any:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogatepass")
        # Many records share short strings, such as the name of a source or table.
        return sys.intern(text) if len(text) < _INTERNED_LENGTH else text
    if isinstance(value, list):
        return _EPOCH + value[0] * _MICROSECOND
    return tuple(map(_from_primitive, value)) if isinstance(value, tuple) else value


for _record in RECORDS:
    registry.register_coder(_record, RecordCoder)
