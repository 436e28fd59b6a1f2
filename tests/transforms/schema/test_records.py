"""Ids and reasons."""

import pickle
from datetime import datetime, timezone

import pytest

from tests.support.records import make_fetch
from transforms.schema.failures import Reason, Rejected, failed, failure_of
from transforms.schema.records import content_hash, stable_id


def test_the_same_parts_give_the_same_id_everywhere() -> None:
    assert stable_id("a", "b") == "4fc56058b4df0ca122be9a2e429541d6"
    assert content_hash("text") == content_hash(b"text") == "d732c6be860e019351f99173fa6ae612"


@pytest.mark.parametrize(("one", "other"), [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), (("a", "b"), ("b", "a"))])
def test_where_parts_end_counts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert stable_id(*one) != stable_id(*other)


def test_a_lone_surrogate_has_an_id_too() -> None:
    assert len(stable_id("\ud800")) == len(content_hash("\ud800")) == 32


@pytest.mark.parametrize(
    ("reason", "retriable"),
    [(Reason.TIMEOUT, True), (Reason.HTTP_5XX, True), (Reason.HTTP_GONE, False), (Reason.ROBOTS, False)],
)
def test_reasons_know_whether_another_try_may_help(reason: Reason, retriable: bool) -> None:
    assert reason.retriable is retriable


def test_a_refusal_survives_the_way_between_processes() -> None:
    refusal = pickle.loads(pickle.dumps(Rejected(Reason.TOO_SHORT, "three words")))  # noqa: S301 - our own bytes
    assert (refusal.reason, refusal.message) == (Reason.TOO_SHORT, "three words")


def test_a_failure_carries_what_is_needed_to_try_again() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    failure = failure_of(make_fetch(1, attempts=3, http_status=503), "fetch", Reason.HTTP_5XX, "x" * 5000, at)
    assert (failure.url, failure.source, failure.attempts, failure.retriable) == (
        "http://site1.example/1",
        "urls",
        3,
        True,
    )
    assert len(failure.message) == 2000


def test_a_fault_is_told_by_its_tracebacks_last_line() -> None:
    assert Rejected.of_error(KeyError("mill")).message == "KeyError: 'mill'"
    told = Rejected.of_error(ValueError("first line\nlast line"))
    assert (told.reason, told.message) == (Reason.INTERNAL_ERROR, "last line")


def test_a_page_that_a_later_stage_refuses_keeps_what_its_fetch_brought() -> None:
    fetch = make_fetch(1, http_status=200, attempts=2)
    row, failure = failed(fetch, "extract", Rejected(Reason.TOO_SHORT, "three words"))
    assert (row.outcome, row.reason, row.retriable, row.http_status) == ("failed", "too_short", False, 200)
    assert (failure.stage, failure.reason, failure.message, failure.attempts) == (
        "extract",
        "too_short",
        "three words",
        2,
    )
