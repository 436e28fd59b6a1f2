"""How a run is shown: lines now and then, JSON for collectors, a picture in a terminal, and nothing at all."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.cli.console import JSON_LOG, warn
from pipeline.cli.live_view import LINE_SECONDS, Json, Lines, Silent, Terminal, display_for, line_of
from pipeline.run.progress import Figures

STOPPING = "stopping now"
FIGURES = Figures(
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
ENDED = replace(FIGURES, fetched=1_200, phase="ended", seconds_left=None)


@pytest.fixture(autouse=True)
def json_log() -> Iterator[None]:
    yield
    JSON_LOG.disabled = True


def test_a_line_says_all_that_is_known() -> None:
    assert line_of(FIGURES) == (
        "0:01:01 fetching: 600 of 1,200 URLs fetched, 550 extracted, 540 annotated (2,000 quotes), 12.3/s, "
        "about 0:00:49 left; reason_0 20, reason_1 19, reason_2 18, reason_3 17, reason_4 16, reason_5 15, 2 more"
    )
    assert line_of(Figures(seconds=0.4)) == "0:00:00 reading: 0 of 0 URLs fetched, 0 extracted, 0 annotated (0 quotes)"
    assert ", 7 pages from archives, " in line_of(replace(FIGURES, archived=7))


def test_lines_come_now_and_then_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(STOPPING)
    lines.begins("demo")
    for tenths in range(250):
        lines.moved(replace(FIGURES, seconds=tenths / 10))
    lines.moved(replace(ENDED, seconds=25))
    errors = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in errors] == ["0:00:10", "0:00:20", "0:00:25"]
    assert LINE_SECONDS == 10
    assert all(line.startswith("onrecord: ") for line in errors)


def test_that_it_stops_is_said_once_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(STOPPING)
    for run in ("one", "two"):
        lines.begins(run)
        lines.moved(replace(FIGURES, seconds=1))
        assert capsys.readouterr().err == ""
        lines.drains()
        lines.moved(replace(FIGURES, seconds=2))
        lines.moved(replace(FIGURES, seconds=3))
        assert capsys.readouterr().err == f"onrecord: {STOPPING}\n"


def test_what_is_said_goes_to_standard_output_whole_and_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    said = "[bold]Run[/bold] " + "long " * 100
    Lines(STOPPING).say("started", said)
    assert capsys.readouterr() == (f"{said}\n", "")


def test_json_has_one_object_a_line_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Json(STOPPING)
    shown.say("sources_left_out", "None\nof these", names=["a"])
    shown.begins("demo")
    shown.drains()
    shown.moved(ENDED)
    warn("it failed", "failed", exit_code=1)
    out, errors = capsys.readouterr()
    lines = [json.loads(line) for line in errors.splitlines()]
    assert out == ""
    assert [(line["event"], line["level"], line["run_id"]) for line in lines] == [
        ("sources_left_out", "info", None),
        ("stopping", "info", "demo"),
        ("progress", "info", "demo"),
        ("failed", "error", "demo"),
    ]
    assert (lines[0]["message"], lines[0]["names"]) == ("None\nof these", ["a"])
    progress = lines[2]
    assert progress["time"].endswith("+00:00")
    assert (progress["fetched"], progress["per_second"], progress["seconds_left"]) == (1_200, 12.34, None)
    assert progress["reasons"]["reason_0"] == 20
    assert lines[3]["exit_code"] == 1


def test_what_libraries_log_becomes_json_too() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        Json(STOPPING)
        try:
            raise ValueError("of theirs")
        except ValueError:
            logging.getLogger("other.library").warning("%s went wrong", "it", exc_info=True)
    finally:
        logging.getLogger().removeHandler(handler)
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["message"]) == ("warning", "other.library", "it went wrong")
    assert "ValueError: of theirs" in line["traceback"]


def test_the_picture_is_drawn_anew_and_stays_when_the_run_has_ended() -> None:
    stream = io.StringIO()
    shown = Terminal(STOPPING, Console(file=stream, force_terminal=True, width=100))
    shown.begins("demo")
    shown.moved(FIGURES)
    first = stream.getvalue()
    for expected in ("1,400 known", "600 of 1,200", "12.3/s about 0:00:49 left", "540 articles, 2,000 quotes"):
        assert expected in first
    assert "reason_0 20" in first
    assert "0:01:01 fetching" in first
    shown.drains()
    shown.moved(FIGURES)
    shown.moved(ENDED)
    rest = stream.getvalue()[len(first) :]
    assert rest.count(f"onrecord: {STOPPING}") == 1
    assert rest.rindex("1,200 of 1,200") > rest.index(STOPPING)
    assert rest.endswith("\x1b[?25h"), "the cursor is shown again"
    assert "left" not in rest[rest.rindex("1,200 of 1,200") :]


def test_a_narrow_terminal_folds_and_cuts_nothing() -> None:
    stream = io.StringIO()
    shown = Terminal(STOPPING, Console(file=stream, force_terminal=True, width=40))
    shown.begins("demo")
    shown.moved(ENDED)
    for n in range(6):
        assert f"reason_{n}" in stream.getvalue()


def test_silent_says_nothing_but_errors(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent(STOPPING)
    silent.begins("demo")
    silent.say("started", "Run")
    silent.drains()
    silent.moved(ENDED)
    assert capsys.readouterr() == ("", "")
    warn("it failed", "failed", exit_code=1)
    assert capsys.readouterr().err == "onrecord: it failed\n"


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*, as_json: bool = False, is_quiet: bool = False, is_verbose: bool = False) -> type[Silent]:
        return type(display_for(STOPPING, as_json=as_json, is_quiet=is_quiet, is_verbose=is_verbose))

    assert (shown(), shown(is_quiet=True), shown(as_json=True)) == (Lines, Silent, Json)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (shown(), shown(is_verbose=True), shown(is_quiet=True)) == (Terminal, Lines, Silent)
    monkeypatch.setenv("TERM", "dumb")
    assert shown() is Lines
