"""The display of runs and streams: lines, JSON lines, a live view in a terminal, and nothing."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from rich.console import Console

from pipeline.cli.console import JSON_LOG, warn
from pipeline.cli.live_view import Display, LiveDisplay, display_for, line_of
from pipeline.run.progress import Figures, RunFigures
from pipeline.stream.progress import CommittedWindow, StreamFigures

STOPPING = "stopping now"
RUN = RunFigures(
    seconds=61.2,
    known=1_400,
    asked=1_200,
    fetched=600,
    extracted=550,
    annotated=540,
    quotes=2_000,
    reasons={f"reason_{n}": 20 - n for n in range(8)},
    phase="fetching",
    per_second=12.34,
    seconds_left=48.6,
)
ENDED = replace(RUN, fetched=1_200, phase="ended", seconds_left=None)
UNTIL = datetime(2026, 3, 4, 10, 5, tzinfo=timezone.utc)
WINDOW = CommittedWindow("live-20260304T100000", UNTIL, {"articles": 42, "fetches": 50, "quotes": 90}, 21.4, 65.2)
STREAM = StreamFigures(
    seconds=3_661.2,
    feeds=20,
    feeds_failing=1,
    named=1_400,
    waiting=12,
    articles=1_234,
    quotes=3_000,
    articles_per_minute=41.26,
    windows=13,
    last=WINDOW,
    watermark=UNTIL,
    behind_seconds=75.0,
    reasons={"not_due": 30, "robots": 4},
)


@pytest.fixture(autouse=True)
def json_log() -> Iterator[None]:
    yield
    JSON_LOG.disabled = True


def display(*, as_json: bool = False, is_quiet: bool = False) -> Display:
    shown = Display(STOPPING, as_json=as_json, is_quiet=is_quiet)
    shown.run_started("demo")
    return shown


def live_display(width: int = 100) -> tuple[LiveDisplay, io.StringIO]:
    stream = io.StringIO()
    shown = LiveDisplay(STOPPING, Console(file=stream, force_terminal=True, width=width))
    shown.run_started("demo")
    return shown, stream


def json_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, errors = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in errors.splitlines()]


def test_run_line() -> None:
    assert line_of(RUN) == (
        "0:01:01 fetching: URLs 1,400 known; fetched 600 of 1,200, 12.3/s, about 0:00:49 left; extracted 550 articles; "
        "annotated 540 articles, 2,000 quotes; no article reason_0 20, reason_1 19, reason_2 18, reason_3 17, "
        "reason_4 16, reason_5 15, 2 more"
    )
    assert line_of(RunFigures(seconds=0.4)) == (
        "0:00:00 reading: URLs 0 known; fetched 0 of 0; extracted 0 articles; annotated 0 articles, 0 quotes"
    )
    assert "; archives 7 pages; " in line_of(replace(RUN, archived=7))


def test_stream_line() -> None:
    assert line_of(STREAM) == (
        "1:01:01 flowing: feeds 20 watched, 1 failing; URLs 1,400 found, 12 waiting; "
        "articles 1,234, 41.3 per minute, 3,000 quotes; windows 13 committed; "
        "last live-20260304T100000: 42 articles of 50 URLs; watermark 2026-03-04 10:05:00 UTC, 0:01:15 behind; "
        "lag 0:00:21 from publication to commit, 0:01:05 at most; no article not_due 30, robots 4"
    )
    assert line_of(StreamFigures(seconds=0.4)) == (
        "0:00:00 flowing: URLs 0 found, 0 waiting; articles 0, 0.0 per minute, 0 quotes; windows 0 committed"
    )
    assert "lag" not in line_of(replace(STREAM, last=replace(WINDOW, lag_seconds=None, lag_most_seconds=None)))


@pytest.mark.parametrize(
    ("figures", "ended", "times"),
    [(RUN, 25, ["0:00:10", "0:00:20", "0:00:25"]), (STREAM, 151, ["0:01:00", "0:02:00", "0:02:31"])],
    ids=["run", "stream"],
)
def test_lines_at_intervals_and_at_the_end(
    figures: Figures, ended: int, times: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = display()
    for tenths in range(ended * 10):
        lines.updated(replace(figures, seconds=tenths / 10))
    lines.updated(replace(figures, seconds=ended, phase="ended"))
    out, errors = capsys.readouterr()
    assert [line.split()[:2] for line in errors.splitlines()] == [["onrecord:", time] for time in times]
    assert out == ""


def test_drain_message_once_per_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = display()
    for run in ("one", "two"):
        lines.run_started(run)
        lines.updated(replace(RUN, seconds=1))
        assert capsys.readouterr().err == ""
        lines.draining()
        lines.updated(replace(RUN, seconds=2))
        lines.updated(replace(RUN, seconds=3))
        assert capsys.readouterr().err == f"onrecord: {STOPPING}\n"


def test_drain_message_of_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    lines = display()
    lines.draining()
    lines.updated(replace(STREAM, seconds=1))
    lines.updated(replace(STREAM, seconds=2))
    assert capsys.readouterr().err == "onrecord: stopping now (12 URLs waiting, committed up to 10:05:00 UTC)\n"
    lines.run_started("live-stream")
    lines.draining()
    lines.updated(StreamFigures(seconds=0.4))
    assert capsys.readouterr().err == "onrecord: stopping now (0 URLs waiting)\n"


def test_sentences_are_not_cut_or_styled(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "[bold]Run[/bold] " + "long " * 100
    display().say("started", sentence)
    assert capsys.readouterr() == (f"{sentence}\n", "")


def test_json_lines_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Display(STOPPING, as_json=True)
    shown.say("sources_left_out", "None\nof these", names=["a"])
    shown.run_started("demo")
    shown.draining()
    shown.updated(ENDED)
    warn("it failed", "failed", exit_code=1)
    lines = json_lines(capsys)
    assert [(line["event"], line["level"], line["run_id"]) for line in lines] == [
        ("sources_left_out", "info", None),
        ("stopping", "info", "demo"),
        ("progress", "info", "demo"),
        ("failed", "error", "demo"),
    ]
    assert (lines[0]["message"], lines[0]["names"]) == ("None\nof these", ["a"])
    progress = lines[2]
    assert str(progress["time"]).endswith("+00:00")
    assert progress["message"] == line_of(ENDED)
    assert {*progress} == {
        *("time", "level", "event", "run_id", "message", "seconds", "phase", "known", "asked", "fetched", "archived"),
        *("cancelled", "extracted", "annotated", "quotes", "reasons", "per_second", "seconds_left"),
    }
    assert (progress["fetched"], progress["per_second"], progress["seconds_left"]) == (1_200, 12.34, None)
    assert progress["reasons"] == ENDED.reasons
    assert lines[3]["exit_code"] == 1


def test_json_lines_of_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display(as_json=True)
    shown.run_started("live-stream")
    second = replace(WINDOW, run_id="live-20260304T100500", lag_seconds=None, lag_most_seconds=None)
    shown.updated(StreamFigures(seconds=0.4, news=(WINDOW, second)))
    shown.draining()
    shown.updated(replace(STREAM, phase="ended"))
    first, other, stopping, progress = json_lines(capsys)
    assert (first["event"], first["run_id"], first["until"]) == (
        "committed",
        "live-20260304T100000",
        "2026-03-04T10:05:00+00:00",
    )
    assert first["message"] == "Committed 42 articles of 50 URLs up to 10:05:00 UTC"
    assert (first["rows"], first["lag_seconds"], first["lag_most_seconds"]) == (WINDOW.rows, 21.4, 65.2)
    assert (other["run_id"], other["lag_seconds"]) == ("live-20260304T100500", None)
    assert (stopping["event"], stopping["run_id"]) == ("stopping", "live-stream")
    assert (progress["event"], progress["run_id"]) == ("progress", "live-stream")
    assert {*progress} == {
        *("time", "level", "event", "run_id", "message", "seconds", "phase", "feeds", "feeds_failing", "named"),
        *("waiting", "articles", "quotes", "articles_per_minute", "windows", "last", "watermark", "behind_seconds"),
        "reasons",
    }
    assert {key: progress[key] for key in ("waiting", "articles_per_minute", "behind_seconds", "watermark")} == {
        "waiting": 12,
        "articles_per_minute": 41.26,
        "behind_seconds": 75.0,
        "watermark": "2026-03-04T10:05:00+00:00",
    }
    assert progress["last"] == {
        "run_id": "live-20260304T100000",
        "until": "2026-03-04T10:05:00+00:00",
        "rows": WINDOW.rows,
        "lag_seconds": 21.4,
        "lag_most_seconds": 65.2,
    }


def test_logs_of_libraries_become_json() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        display(as_json=True)
        try:
            raise ValueError("of the library")
        except ValueError:
            logging.getLogger("other.library").warning("%s went wrong", "it", exc_info=True)
    finally:
        logging.getLogger().removeHandler(handler)
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["message"]) == ("warning", "other.library", "it went wrong")
    assert "ValueError: of the library" in line["traceback"]


def test_live_view_of_a_run() -> None:
    shown, stream = live_display()
    shown.updated(RUN)
    first = stream.getvalue()
    for expected in (
        *("1,400 known", "600 of 1,200, 12.3/s, about 0:00:49 left", "540 articles, 2,000 quotes"),
        *("━━━━", "reason_0 20", "0:01:01 fetching"),
    ):
        assert expected in first
    shown.draining()
    shown.updated(RUN)
    shown.updated(ENDED)
    rest = stream.getvalue()[len(first) :]
    assert rest.count(f"onrecord: {STOPPING}") == 1
    assert rest.rindex("1,200 of 1,200") > rest.index(STOPPING)
    assert rest.endswith("\x1b[?25h"), "the cursor is visible again"
    assert "left" not in rest[rest.rindex("1,200 of 1,200") :]


def test_live_view_of_a_stream() -> None:
    shown, stream = live_display()
    shown.updated(StreamFigures(seconds=0.4))
    shown.updated(STREAM)
    first = stream.getvalue()
    for expected in (
        "20 watched, 1 failing",
        "1,400 found, 12 waiting",
        "1,234, 41.3 per minute, 3,000 quotes",
        "13 committed",
        "live-20260304T100000: 42 articles of 50 URLs",
        "2026-03-04 10:05:00 UTC, 0:01:15 behind",
        "0:00:21 from publication to commit, 0:01:05 at most",
        "not_due 30, robots 4",
        "1:01:01 flowing",
    ):
        assert expected in first
    shown.draining()
    shown.updated(replace(STREAM, phase="draining"))
    shown.updated(replace(STREAM, phase="ended"))
    rest = stream.getvalue()[len(first) :]
    assert rest.count("onrecord: stopping now (12 URLs waiting, committed up to 10:05:00 UTC)") == 1
    assert "1:01:01 draining" in rest
    assert rest.endswith("\x1b[?25h"), "the cursor is visible again"


def test_live_view_of_the_next_run_is_below() -> None:
    shown, stream = live_display()
    shown.updated(ENDED)
    before = stream.getvalue()
    shown.run_started("next")
    shown.updated(RUN)
    shown.updated(ENDED)
    second = stream.getvalue()[len(before) :]
    assert "\x1b[1A" not in second[: second.index("1,400 known")], "the cursor does not move up"


def test_live_view_in_a_narrow_terminal_is_folded() -> None:
    shown, stream = live_display(width=40)
    shown.updated(ENDED)
    for n in range(6):
        assert f"reason_{n}" in stream.getvalue()


@pytest.mark.parametrize("figures", [ENDED, replace(STREAM, phase="ended", news=(WINDOW,))], ids=["run", "stream"])
def test_quiet_prints_only_errors(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    silent = display(is_quiet=True)
    silent.say("started", "Run")
    silent.draining()
    silent.updated(figures)
    assert silent.is_stopped
    assert capsys.readouterr() == ("", "")
    warn("it failed", "failed", exit_code=1)
    assert capsys.readouterr().err == "onrecord: it failed\n"


def test_live_view_only_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_live(*, as_json: bool = False, is_quiet: bool = False, is_verbose: bool = False) -> bool:
        shown = display_for(STOPPING, as_json=as_json, is_quiet=is_quiet, is_verbose=is_verbose)
        return isinstance(shown, LiveDisplay)

    assert not is_live()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (is_live(), is_live(is_verbose=True), is_live(is_quiet=True), is_live(as_json=True)) == (True, *[False] * 3)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_live()
