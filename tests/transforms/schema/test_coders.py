"""How records are written between workers."""

import pickle
from datetime import datetime, timezone
from typing import Any

import apache_beam as beam
import pytest
from apache_beam import coders
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipeline.config.models import RunConfig
from pipeline.graph import build
from transforms.schema.coders import RECORDS, RecordCoder
from transforms.schema.records import UrlRequest
from transforms.schema.run import Run, StagedFile
from transforms.sources.documents import listing_request

SMALL = UrlRequest(url="http://a.example/1", article_id="1" * 32, source="urls")
WHOLE = UrlRequest(
    url="http://a.example/ü\ud800",
    article_id="2" * 32,
    source="feed",
    title="Größe – «x»",
    published_at=datetime(1969, 3, 4, 5, 6, 7, 891_011, tzinfo=timezone.utc),
    etag='W/"1"',
    last_modified="",
    text_hash="3" * 32,
)
STAGED = StagedFile(
    table="fetches", partition="dt=2026-01-01", path="a/b", rows=0, bytes=1 << 40, ack_handles=("a", "é")
)


@pytest.mark.parametrize("record", [SMALL, WHOLE, STAGED])
def test_a_record_comes_back_as_it_was_and_is_written_without_pickle(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder = coders.registry.get_coder(type(record))
    assert isinstance(coder, RecordCoder)
    size = len(pickle.dumps(record))
    monkeypatch.setattr(type(record), "__reduce_ex__", lambda *_: pytest.fail("it was pickled"), raising=False)
    written = coder.encode(record)
    assert coder.decode(written) == record
    assert len(written) < size - 50
    assert coder.is_deterministic()
    assert coder.to_type_hint() is type(record)


def test_a_kind_of_request_stays_what_it_is() -> None:
    request = listing_request("http://a.example/feed", 3)
    coder = coders.registry.get_coder(UrlRequest)
    assert coder.decode(coder.encode(request)) == request


def test_the_coder_itself_reaches_the_workers() -> None:
    coder = pickle.loads(pickle.dumps(RecordCoder(UrlRequest)))  # noqa: S301 - made here
    assert coder == RecordCoder(UrlRequest)
    assert coder != RecordCoder(StagedFile)
    assert coder.decode(RecordCoder(UrlRequest).encode(WHOLE)) == WHOLE


class _Grouped(PipelineVisitor):
    """The types of what a pipeline groups and takes as side inputs, by step."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        if isinstance(transform_node.transform, beam.GroupByKey):
            self.types[transform_node.full_label] = transform_node.inputs[0].element_type
        for number, side in enumerate(transform_node.side_inputs):
            self.types[f"side {number} of {transform_node.full_label}"] = side.pvalue.element_type


def _parts(coder: coders.Coder) -> list[coders.Coder]:
    return [coder, *(part for inner in coder._get_component_coders() or () for part in _parts(inner))]


def test_a_run_hands_its_records_from_worker_to_worker_by_their_own_coder(run: Run) -> None:
    sources = [{"type": "urls", "path": "urls.txt"}, {"type": "feeds", "urls": ["http://a.example/feed"]}]
    pipeline = beam.Pipeline()
    build(pipeline, RunConfig.model_validate({"name": "x", "lake": run.lake, "sources": sources}), run)
    pipeline.visit(grouped := _Grouped())
    found = {
        step: {part.to_type_hint() for part in _parts(coders.registry.get_coder(hint)) if isinstance(part, RecordCoder)}
        for step, hint in grouped.types.items()
    }
    carried = {step: types for step, types in found.items() if types}
    assert carried == {
        "FetchPages/Shards": {UrlRequest},
        "ReadListings/Fetch1/Shards": {UrlRequest},
        "RetryUrls/Reshuffle/ReshufflePerKey/GroupByKey": {UrlRequest},
        "Publish/GroupFiles": {StagedFile},
        "side 0 of Commit/WriteManifest": {StagedFile},
    }
    # What else is grouped are names and numbers, and the lists that sources read, a few each.
    others = [hint for step, hint in grouped.types.items() if step not in carried and "_ReadLists" not in step]
    assert not [hint for hint in others if "transforms." in str(hint)]
    assert set().union(*carried.values()) == set(RECORDS)
