"""Distinct ids are counted once."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.steps.count_distinct import CountDistinct


@pytest.mark.parametrize(
    ("ids", "count"), [([], 0), ([bytes([first, second]) for first in range(3) for second in range(200)] * 2, 600)]
)
def test_count_distinct(ids: list[bytes], count: int) -> None:
    with beam.Pipeline() as pipeline:
        assert_that(pipeline | beam.Create(ids).with_output_types(bytes) | CountDistinct(), equal_to([count]))
