"""Count the distinct ids of a PCollection."""

import apache_beam as beam


class CountDistinct(beam.PTransform):
    """Count distinct ids: PCollection[bytes] -> PCollection[int] with one element.

    The ids are hashes, so grouping them by their first byte gives groups of about equal size. One group per id would
    take several times the memory.
    """

    def expand(self, ids: "beam.PCollection[bytes]") -> "beam.PCollection[int]":
        return (
            ids
            | "KeyByFirstByte" >> beam.Map(lambda one: (one[:1], one)).with_output_types(tuple[bytes, bytes])
            | beam.GroupByKey()
            | "Count" >> beam.Map(lambda group: len(set(group[1]))).with_output_types(int)
            | "Sum" >> beam.CombineGlobally(sum)
        )
