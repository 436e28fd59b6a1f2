"""Provide type hints for composite transforms with several outputs."""

from collections.abc import Callable
from typing import TypeVar

from apache_beam.typehints.decorators import no_annotations

_Expand = TypeVar("_Expand", bound=Callable[..., object])


def multiple_outputs(expand: _Expand) -> _Expand:
    """Mark an ``expand`` that returns several PCollections, as a named tuple or a dict.

    Beam reads the annotations of ``expand`` as the type of one PCollection and logs a warning for any other. The
    elements' types come from the DoFns inside.
    """
    no_annotations(expand)
    return expand
