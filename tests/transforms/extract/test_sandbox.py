"""Tests of the sandbox process: limits of time and memory, crashes and errors."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock

import pytest

from transforms.extract import ExtractConfig, extract_article, extract_line
from transforms.extract import sandbox as module
from transforms.extract.sandbox import in_sandbox, stop_sandbox
from transforms.schema.failures import Reason, Rejected

CONFIG = ExtractConfig(page_seconds=30, page_memory=300_000_000)
HASTY = ExtractConfig(page_seconds=0.3, page_memory=300_000_000)


@pytest.fixture(autouse=True, scope="module")
def _no_sandbox_stays() -> Iterator[None]:
    yield
    stop_sandbox()


def process_id() -> int:
    return in_sandbox(os.getpid, CONFIG)


def refusal_of(work: Callable[[], object], config: ExtractConfig = CONFIG) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        in_sandbox(work, config)
    return refusal.value


def test_one_sandbox_serves_all_pages_and_is_another_process() -> None:
    assert process_id() == process_id() != os.getpid()


def test_what_takes_too_long_is_killed_and_the_next_page_is_read() -> None:
    before = process_id()
    start = time.monotonic()
    refusal = refusal_of(partial(time.sleep, 60), HASTY)
    assert (refusal.reason, time.monotonic() - start < 10) == (Reason.UNPARSABLE, True)
    assert "page_seconds" in refusal.message
    assert process_id() != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_memory_limit() -> None:
    refusal = refusal_of(partial(bytearray, 2_000_000_000))
    assert refusal.reason is Reason.UNPARSABLE and "page_memory" in refusal.message


def test_crash_of_the_process() -> None:
    assert refusal_of(partial(os.abort)).reason is Reason.UNPARSABLE
    assert process_id() != os.getpid()


def test_exceptions_are_raised_in_the_caller() -> None:
    refusal = refusal_of(partial(extract_article, "", ""))
    assert (refusal.reason, refusal.message) == (Reason.UNPARSABLE, "the page is empty")
    with pytest.raises(ZeroDivisionError):
        in_sandbox(partial(divmod, 1, 0), CONFIG)
    with pytest.raises(RuntimeError, match="lock"):
        in_sandbox(Lock, CONFIG)


def test_only_pages_near_a_limit_go_there(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []

    def spy(work: Callable[[], object], config: ExtractConfig) -> object:
        sent.append(work)
        return in_sandbox(work, config)

    monkeypatch.setattr("transforms.extract.article.in_sandbox", spy)
    monkeypatch.setattr("transforms.extract.jsonl.in_sandbox", spy)
    plain = extract_article(page(), "", config=CONFIG)
    assert sent == []
    deep = "<div>" * 120 + page() + "</div>" * 120
    assert extract_article(deep, "", config=CONFIG).text == plain.text
    assert extract_line({"html": deep}, CONFIG)["text"] == plain.text
    assert len(sent) == 2


def test_a_slow_page_is_a_row_in_failures_not_an_end(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "<div>" * 120 + "<p>" + "word <b>here</b><br>" * 9_000 + "</div>" * 120
    answer = extract_line({"id": 1, "html": slow}, ExtractConfig(page_seconds=0.1, page_memory=300_000_000))
    assert (answer["id"], answer["text"], answer["reason"]) == (1, "", "unparsable")
    assert extract_line({"id": 2, "html": page()}, CONFIG)["text"]


def test_where_no_sandbox_starts_it_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_sandbox()
    monkeypatch.setattr(module, "_ARGUMENTS", "raise SystemExit({fd} * 0 + {memory} * 0 + 3)")
    with pytest.raises(RuntimeError, match="exit code 3"):
        in_sandbox(os.getpid, CONFIG)


def test_an_interrupted_wait_leaves_no_answer_for_the_next_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> bool:
        raise KeyboardInterrupt

    process_id()
    assert module._sandbox is not None
    monkeypatch.setattr(module._sandbox.connection, "poll", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_sandbox(partial(str, "stale"), CONFIG)
    assert process_id() != os.getpid()


def test_a_sandbox_that_died_between_pages_is_replaced() -> None:
    os.kill(process_id(), signal.SIGKILL)
    time.sleep(0.2)
    assert process_id() != os.getpid()
