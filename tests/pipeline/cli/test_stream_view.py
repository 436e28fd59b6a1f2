"""How a stream is shown: lag, rate, watermark, backlog, windows, feeds and reasons, in each of the ways."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from rich.console import Console

from pipeline.cli.console import JSON_LOG
from pipeline.cli.live_view import Json, Lines, Silent, Terminal
from pipeline.cli.stream_view import STREAM_VIEW, line_of
from pipeline.stream.progress import Committed, StreamFigures

STOPPING = "stopping now"
UNTIL = datetime(2026, 3, 4, 10, 5, tzinfo=timezone.utc)
WINDOW = Committed("live-20260304T100000", UNTIL, {"articles": 42, "fetches": 50, "quotes": 90}, 21.4, 65.2)
FIGURES = StreamFigures(
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
EMPTY = StreamFigures(seconds=0.4)


@pytest.fixture(autouse=True)
def json_log() -> Iterator[None]:
    yield
    JSON_LOG.disabled = True


def test_a_line_says_all_that_is_known() -> None:
    assert line_of(FIGURES) == (
        "1:01:01 flowing: 1,234 articles (3,000 quotes), 41.3 a minute; 1,400 URLs named, 12 waiting; "
        "13 windows committed, the last with 42 articles of 50 URLs; "
        "watermark 2026-03-04 10:05:00 UTC, 0:01:15 behind; "
        "lag 0:00:21 from publication to commit, 0:01:05 at most; feeds 20 watched, 1 failing; not_due 30, robots 4"
    )
    assert line_of(EMPTY) == (
        "0:00:00 flowing: 0 articles (0 quotes), 0.0 a minute; 0 URLs named, 0 waiting; 0 windows committed"
    )
    assert "lag" not in line_of(replace(FIGURES, last=replace(WINDOW, lag_seconds=None, lag_most_seconds=None)))


def test_lines_come_each_minute_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(STOPPING, STREAM_VIEW)
    lines.begins("live-stream")
    for seconds in range(150):
        lines.moved(replace(FIGURES, seconds=seconds, news=(WINDOW,) if seconds == 70 else ()))
    lines.moved(replace(FIGURES, seconds=151, phase="ended"))
    out, errors = capsys.readouterr()
    assert [line.split()[1] for line in errors.splitlines()] == ["0:01:00", "0:02:00", "0:02:31"]
    assert out == ""


def test_the_first_ctrl_c_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(STOPPING, STREAM_VIEW)
    lines.begins("live-stream")
    lines.drains()
    lines.moved(replace(FIGURES, seconds=1))
    lines.moved(replace(FIGURES, seconds=2))
    assert capsys.readouterr().err == ("onrecord: stopping now (12 URLs wait; windows stand up to 10:05:00 UTC)\n")
    lines.begins("live-stream")
    lines.drains()
    lines.moved(EMPTY)
    assert capsys.readouterr().err == "onrecord: stopping now (0 URLs wait)\n"


def test_json_has_an_event_for_each_window(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Json(STOPPING, STREAM_VIEW)
    shown.begins("live-stream")
    second = replace(WINDOW, run_id="live-20260304T100500", lag_seconds=None, lag_most_seconds=None)
    shown.moved(replace(EMPTY, news=(WINDOW, second)))
    shown.drains()
    shown.moved(replace(FIGURES, phase="ended"))
    first, other, stopping, progress = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["run_id"], first["until"]) == (
        "committed",
        "live-20260304T100000",
        "2026-03-04T10:05:00+00:00",
    )
    assert first["message"] == "42 articles of 50 URLs until 10:05:00 UTC are committed"
    assert (first["rows"], first["lag_seconds"], first["lag_most_seconds"]) == (WINDOW.rows, 21.4, 65.2)
    assert (other["run_id"], other["lag_seconds"]) == ("live-20260304T100500", None)
    assert (stopping["event"], stopping["run_id"]) == ("stopping", "live-stream")
    assert (progress["event"], progress["run_id"], progress["message"]) == (
        "progress",
        "live-stream",
        line_of(replace(FIGURES, phase="ended")),
    )
    assert {key: progress[key] for key in ("waiting", "articles_per_minute", "behind_seconds", "watermark")} == {
        "waiting": 12,
        "articles_per_minute": 41.26,
        "behind_seconds": 75.0,
        "watermark": "2026-03-04T10:05:00+00:00",
    }
    assert progress["last"]["run_id"] == "live-20260304T100000"
    assert "news" not in progress


def test_the_picture_shows_the_same_and_folds() -> None:
    stream = io.StringIO()
    shown = Terminal(STOPPING, Console(file=stream, force_terminal=True, width=100), STREAM_VIEW)
    shown.begins("live-stream")
    shown.moved(EMPTY)
    shown.moved(FIGURES)
    first = stream.getvalue()
    for expected in (
        "20 watched, 1 failing",
        "1,400 named, 12 waiting",
        "1,234, 41.3 a minute; 3,000 quotes",
        "13 committed",
        "live-20260304T100000: 42 articles of 50 URLs",
        "2026-03-04 10:05:00 UTC, 0:01:15 behind",
        "0:00:21 from publication to commit, 0:01:05 at most",
        "not_due 30, robots 4",
        "1:01:01 flowing",
    ):
        assert expected in first
    shown.drains()
    shown.moved(replace(FIGURES, phase="draining"))
    shown.moved(replace(FIGURES, phase="ended"))
    rest = stream.getvalue()[len(first) :]
    assert rest.count("onrecord: stopping now (12 URLs wait; windows stand up to 10:05:00 UTC)") == 1
    assert "1:01:01 draining" in rest
    assert rest.endswith("\x1b[?25h"), "the cursor is shown again"


def test_silent_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent(STOPPING, STREAM_VIEW)
    silent.begins("live-stream")
    silent.drains()
    silent.moved(replace(FIGURES, news=(WINDOW,)))
    assert capsys.readouterr() == ("", "")
