"""Show a run or stream: live in a terminal, else in lines, as JSON lines for log collectors, or not at all."""

import json
import logging
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.console import JSON_LOG, terminal
from pipeline.run.progress import Figures, ProgressListener, clock

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Display(ProgressListener):
    """Prints sentences on standard output and progress lines on standard error, or all of it as JSON lines.

    Args:
        drain_message: printed when a run was asked to stop.
        as_json: print one JSON object per line on standard error: time, level, event, run_id, message and the event's
            figures.
        is_quiet: print nothing.
    """

    def __init__(self, drain_message: str, *, as_json: bool = False, is_quiet: bool = False) -> None:
        self.is_stopped = False
        """Whether the current run was asked to stop."""
        self.has_tables = not (as_json or is_quiet)
        """Whether the tables of a committed run are printed."""
        self._drain_message = drain_message
        self._is_quiet = is_quiet
        self._json = _start_json_log() if as_json else None

    def say(self, event: str, text: str, **figures: Any) -> None:
        """Print a sentence.

        Args:
            event: name of the event, for JSON.
            text: the sentence.
            figures: further keys of the JSON object.
        """
        if self._json is None and not self._is_quiet:
            terminal().print(text, highlight=False, markup=False)
        self.log(event, text, **figures)

    def log(self, event: str, text: str, **figures: Any) -> None:
        """As `say`, for JSON only: the tables show it already."""
        if self._json is not None:
            JSON_LOG.info(text, extra={"event": event, "figures": figures})

    def run_started(self, run_id: str) -> None:
        """A run or stream starts; all later output belongs to it."""
        self.is_stopped = self._has_drain_message = False
        self._shown_seconds = 0.0
        if self._json is not None:
            self._json.run_id = run_id

    def retrying(self, retriable: int, urls: int) -> None:
        """Say that a run in which every URL failed is run again."""
        again = "all its URLs" if retriable == urls else f"{retriable:,} of its {urls:,} URLs"
        self.say(
            "retrying",
            f"Every URL of this run failed before: requesting {again} again",
            retriable=retriable,
            urls=urls,
        )

    def draining(self) -> None:
        """The run was asked to stop; `updated` prints it, because a signal handler must not."""
        self.is_stopped = True

    def updated(self, figures: Figures) -> None:
        """Print what is due: new events, the drain message, a progress line."""
        if self._is_quiet:
            return
        for event, text, fields in figures.events():
            self.log(event, text, **fields)
        if self.is_stopped and not self._has_drain_message:
            self._has_drain_message = True
            self._print("stopping", f"{self._drain_message}{figures.drain_text}")
        self._show(figures)

    def _show(self, figures: Figures) -> None:
        if figures.phase == "ended" or figures.seconds - self._shown_seconds >= figures.LINE_SECONDS:
            self._shown_seconds = figures.seconds
            self._print("progress", line_of(figures), **figures.fields())

    def _print(self, event: str, text: str, **fields: Any) -> None:
        if self._json is not None:
            self.log(event, text, **fields)
        else:
            typer.echo(f"onrecord: {text}", err=True)


class LiveDisplay(Display):
    """Redraws the figures in a terminal during the run."""

    def __init__(self, drain_message: str, console: "Console") -> None:
        super().__init__(drain_message)
        self._console = console

    def run_started(self, run_id: str) -> None:
        """A run or stream starts, below the final figures of the previous one."""
        from rich.live import Live

        super().run_started(run_id)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)

    def _show(self, figures: Figures) -> None:
        self._live.start()
        self._live.update(table_of(figures), refresh=True)
        if figures.phase == "ended":
            self._live.stop()

    def _print(self, event: str, text: str, **fields: Any) -> None:  # noqa: ARG002 - for JSON
        self._console.print(f"onrecord: {text}", markup=False, highlight=False)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one JSON object."""

    run_id: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
            "run_id": self.run_id,
            "message": record.getMessage(),
            **getattr(record, "figures", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        rounded = {key: round(value, 2) if isinstance(value, float) else value for key, value in line.items()}
        return json.dumps(rounded, ensure_ascii=False, default=_json_value)


def _json_value(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _start_json_log() -> JsonFormatter:
    formatter = JsonFormatter()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    JSON_LOG.handlers = [handler]
    JSON_LOG.setLevel(logging.INFO)
    JSON_LOG.propagate = JSON_LOG.disabled = False
    for other in logging.getLogger().handlers:
        other.setFormatter(formatter)
    return formatter


def display_for(drain_message: str, *, as_json: bool, is_quiet: bool, is_verbose: bool) -> Display:
    """Choose the display: that of the options, else one that suits standard error.

    Args:
        drain_message: printed when a run was asked to stop.
        as_json: the option ``--json-logs``.
        is_quiet: the option ``--quiet``.
        is_verbose: the option ``--verbose``.
    """
    from rich.console import Console

    console = Console(stderr=True)
    # Beam's log would be written over the live view.
    if console.is_interactive and not (as_json or is_quiet or is_verbose):
        return LiveDisplay(drain_message, console)
    return Display(drain_message, as_json=as_json, is_quiet=is_quiet)


def line_of(figures: Figures) -> str:
    """Format the figures as one line."""
    parts = [f"{row.name} {row.text}" for row in figures.rows() if row.text]
    return f"{clock(figures.seconds)} {figures.phase}: {'; '.join(parts)}"


def table_of(figures: Figures) -> "RenderableType":
    """Format the figures as a small table with a progress bar."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in figures.rows():
        if row.share is None:
            table.add_row(row.name, row.text or "-")
            continue
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=1, completed=row.share, width=24), row.text)
        table.add_row(row.name, bar)
    table.add_row("time", f"{clock(figures.seconds)} {figures.phase}")
    return table
