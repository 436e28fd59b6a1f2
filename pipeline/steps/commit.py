"""Commit a run: stories, row counts, quality gate, manifest."""

import apache_beam as beam

from pipeline.config.quality import QualityConfig
from pipeline.lake.commit import commit, is_committed
from pipeline.lake.quality_gate import check_quality
from pipeline.stories.assign import write_stories
from transforms.schema.records import UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.storage.open import open_store


class Commit(beam.PTransform):
    """Writes the stories of a run's articles, checks its books and its quality, and makes the run visible.

    Takes a PCollection[StagedFile] of published files and gives the run's id, once. `requests` is every URL that came
    in, however often: distinct ones are counted, apart from what the stages made of them, and must equal the rows of
    ``fetches``.
    """

    def __init__(self, run: Run, requests: "list[beam.PCollection[UrlRequest]]", quality: QualityConfig) -> None:
        super().__init__()
        self._run, self._requests, self._quality = run, requests, quality

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[str]":
        urls = (
            # Not behind a Flatten of all: Beam's Java fuser refuses one of another whose output goes elsewhere too.
            [
                requests
                | f"Ids{n}" >> beam.Map(lambda request: bytes.fromhex(request.article_id)).with_output_types(bytes)
                for n, requests in enumerate(self._requests)
            ]
            | "AllIds" >> beam.Flatten()
            | CountDistinct()
        )
        return (
            files.pipeline
            | "Once" >> beam.Create([self._run])
            | "WriteManifest"
            >> beam.Map(_commit, beam.pvalue.AsList(files), beam.pvalue.AsSingleton(urls), self._quality)
        )


class CountDistinct(beam.PTransform):
    """How many different ids there are: PCollection[bytes] -> PCollection[int], of one.

    Ids, which are hashes, are grouped by their first byte: a group for each id takes several times the memory.
    """

    def expand(self, ids: "beam.PCollection[bytes]") -> "beam.PCollection[int]":
        return (
            ids
            | "Keyed" >> beam.Map(lambda one: (one[:1], one)).with_output_types(tuple[bytes, bytes])
            | beam.GroupByKey()
            | "Count" >> beam.Map(lambda group: len(set(group[1]))).with_output_types(int)
            | "Sum" >> beam.CombineGlobally(sum)
        )


def _commit(run: Run, files: list[StagedFile], urls: int, quality: QualityConfig) -> str:
    store = open_store(run.lake)
    if is_committed(store, run):
        # A runner does a step again whose worker it lost; the files are in their places by now.
        return run.run_id
    all_files = [*files, *write_stories(run, [f for f in files if f.table == "articles"])]
    return commit(store, run, all_files, urls, check_quality(store, run, all_files, quality)).run_id
