"""Records are encoded between workers without pickle."""

import pickle
from dataclasses import dataclass
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
def test_record_round_trip_without_pickle(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = coders.registry.get_coder(type(record))
    assert isinstance(coder, RecordCoder)
    size = len(pickle.dumps(record))
    monkeypatch.setattr(type(record), "__reduce_ex__", lambda *_: pytest.fail("the record was pickled"), raising=False)
    written = coder.encode(record)
    assert coder.decode(written) == record
    assert len(written) < size - 50
    assert coder.is_deterministic()
    assert coder.to_type_hint() is type(record)


def test_subclass_keeps_its_class() -> None:
    request = listing_request("http://a.example/feed", 3)
    coder = coders.registry.get_coder(UrlRequest)
    assert coder.decode(coder.encode(request)) == request


def test_coder_can_be_pickled() -> None:
    coder = pickle.loads(pickle.dumps(RecordCoder(UrlRequest)))  # noqa: S301 - made here
    assert coder == RecordCoder(UrlRequest)
    assert coder != RecordCoder(StagedFile)
    assert coder.decode(RecordCoder(UrlRequest).encode(WHOLE)) == WHOLE


@dataclass(frozen=True, kw_only=True)
class _Old:
    url: str


@dataclass(frozen=True, kw_only=True)
class _New(_Old):
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Incompatible(_Old):
    title: str


def test_bytes_without_a_new_field_decode_with_its_default() -> None:
    assert RecordCoder(_New).decode(RecordCoder(_Old).encode(_Old(url="u"))) == _New(url="u", title=None)
    with pytest.raises(TypeError, match="title"):
        RecordCoder(_Incompatible).decode(RecordCoder(_Old).encode(_Old(url="u")))


def test_bytes_with_a_new_field_decode_without_it() -> None:
    assert RecordCoder(_Old).decode(RecordCoder(_New).encode(_New(url="u", title="t"))) == _Old(url="u")


def test_bytes_of_another_version_are_rejected() -> None:
    encoded = RecordCoder(UrlRequest).encode(SMALL)
    assert encoded[0] == 1
    with pytest.raises(ValueError, match="cannot decode a UrlRequest with version byte"):
        RecordCoder(UrlRequest).decode(b"\x02" + encoded[1:])


class _Grouped(PipelineVisitor):
    """Types of the grouped elements and of the side inputs, by step."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        if isinstance(transform_node.transform, beam.GroupByKey):
            self.types[transform_node.full_label] = transform_node.inputs[0].element_type
        for number, side in enumerate(transform_node.side_inputs):
            self.types[f"side {number} of {transform_node.full_label}"] = side.pvalue.element_type


def _parts(coder: coders.Coder) -> list[coders.Coder]:
    return [coder, *(part for inner in coder._get_component_coders() or () for part in _parts(inner))]


def test_grouped_records_use_their_coder(run: Run) -> None:
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
        "MergeStagedFiles/GroupFiles": {StagedFile},
        "side 0 of Commit/WriteManifest": {StagedFile},
    }
    # All other groups contain names and numbers, or the few lists that sources read.
    others = [hint for step, hint in grouped.types.items() if step not in carried and "_ReadLists" not in step]
    assert not [hint for hint in others if "transforms." in str(hint)]
    assert set().union(*carried.values()) == set(RECORDS)
