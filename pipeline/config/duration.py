"""Durations in a configuration, such as ``15m``."""

from dataclasses import dataclass
from datetime import timedelta as _timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Duration(str):
    """A number with a unit: s (seconds), m (minutes), h (hours) or d (days)."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return int(self[:-1]) * _SECONDS[self[-1]]

    @property
    def timedelta(self) -> _timedelta:
        """The duration as a `datetime.timedelta`."""
        return _timedelta(seconds=self.seconds)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema("".join(_SECONDS))


@dataclass(frozen=True)
class _Units:
    """The units that a field allows."""

    units: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.units)


LongDuration = Annotated[Duration, _Units("mhd")]
"""A duration in minutes, hours or days."""


def _schema(units: str) -> CoreSchema:
    text = core_schema.str_schema(pattern=rf"^[1-9][0-9]{{0,5}}[{units}]$")
    return core_schema.no_info_after_validator_function(Duration, text)
