"""Commit a run: stories, row counts, quality gate, manifest."""

from collections.abc import Mapping
from dataclasses import dataclass

import apache_beam as beam

from pipeline.config.quality import QualityConfig
from pipeline.lake.commit import commit, is_committed
from pipeline.lake.quality_gate import check_quality
from pipeline.steps.count_distinct import CountDistinct
from pipeline.stories.assign import write_stories
from transforms.schema.records import UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.storage.open import open_store


@dataclass
class Commit(beam.PTransform):
    """Write the stories of a run, check its row counts and quality, and make it visible.

    PCollection[StagedFile], the merged files, -> PCollection[str] with one element, the run id.

    Args:
        run: the attempt.
        requests: all URLs of the run by origin, duplicates included. Their distinct number must equal the number of
            rows in ``fetches``; it is counted here, independently of the stages.
        quality: limits of the quality gate.
    """

    run: Run
    requests: "Mapping[str, beam.PCollection[UrlRequest]]"
    quality: QualityConfig

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[str]":
        urls = (
            # One Map for each origin: Beam's Java fuser rejects a Flatten of a Flatten that has another consumer too.
            [
                requests
                | f"IdsOf{origin}"
                >> beam.Map(lambda request: bytes.fromhex(request.article_id)).with_output_types(bytes)
                for origin, requests in self.requests.items()
            ]
            | "AllIds" >> beam.Flatten()
            | CountDistinct()
        )
        return (
            files.pipeline
            | "Once" >> beam.Create([self.run])
            | "WriteManifest"
            >> beam.Map(_commit, beam.pvalue.AsList(files), beam.pvalue.AsSingleton(urls), self.quality)
        )


def _commit(run: Run, files: list[StagedFile], urls: int, quality: QualityConfig) -> str:
    store = open_store(run.lake)
    if is_committed(store, run):
        # The runner repeats a step when it lost the worker; the files have been moved already.
        return run.run_id
    all_files = [*files, *write_stories(run, [f for f in files if f.table == "articles"])]
    return commit(store, run, all_files, urls, check_quality(store, run, all_files, quality)).run_id
