"""How a command shows a run or a stream: live in a terminal, else in lines, as JSON for collectors, or not at all."""

import json
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from pipeline.cli.console import JSON_LOG, terminal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from pipeline.run.progress import Figures

LINE_SECONDS = 10.0
"""How far two lines are apart."""
_REASONS = 6


class Silent:
    """Shows nothing."""

    has_tables = False
    """Whether the run's tables are printed when it is committed."""

    def __init__(self, stopping: str, view: "View | None" = None) -> None:
        self.is_stopped = False
        """Whether the run under way was asked to stop."""
        self._stopping = stopping
        self._view = view or RUN_VIEW

    def say(self, event: str, text: str, **figures: Any) -> None:
        """Shows what happened.

        Args:
            event: what it is, for machines.
            text: the same for people.
            figures: what else belongs to it, for machines.
        """

    def log(self, event: str, text: str, **figures: Any) -> None:
        """Shows to machines what people see in the tables; as `say`."""

    def begins(self, run_id: str) -> None:  # noqa: ARG002 - for machines
        """What is shown from now on belongs to this run."""
        self.is_stopped = False

    def drains(self) -> None:
        """The run was asked to stop; said when it next moves, for this is called in a signal's handler."""
        self.is_stopped = True

    def moved(self, figures: Any) -> None:
        """Shows how far the run is."""


class Lines(Silent):
    """Sentences on standard output, progress now and then on standard error."""

    has_tables = True

    def say(self, event: str, text: str, **figures: Any) -> None:  # noqa: ARG002 - for machines
        terminal().print(text, highlight=False, markup=False)

    def begins(self, run_id: str) -> None:
        super().begins(run_id)
        self._has_said = False
        self._shown = 0.0

    def moved(self, figures: Any) -> None:
        for event, text, about in self._view.news(figures):
            self.log(event, text, **about)
        if self.is_stopped and not self._has_said:
            self._has_said = True
            self._say_stopping(f"{self._stopping}{self._view.left(figures)}")
        if figures.phase == "ended" or figures.seconds - self._shown >= self._view.line_seconds:
            self._shown = figures.seconds
            self._progress(figures)

    def _say_stopping(self, text: str) -> None:
        typer.echo(f"onrecord: {text}", err=True)

    def _progress(self, figures: Any) -> None:
        typer.echo(f"onrecord: {self._view.line(figures)}", err=True)


class Json(Lines):
    """One JSON object a line on standard error: time, level, event, run_id, message and the event's figures."""

    has_tables = False

    def __init__(self, stopping: str, view: "View | None" = None) -> None:
        super().__init__(stopping, view)
        self._formatter = JsonFormatter()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(self._formatter)
        JSON_LOG.handlers = [handler]
        JSON_LOG.setLevel(logging.INFO)
        JSON_LOG.propagate = JSON_LOG.disabled = False
        for other in logging.getLogger().handlers:
            other.setFormatter(self._formatter)

    def begins(self, run_id: str) -> None:
        super().begins(run_id)
        self._formatter.run_id = run_id

    def say(self, event: str, text: str, **figures: Any) -> None:
        self.log(event, text, **figures)

    def log(self, event: str, text: str, **figures: Any) -> None:
        JSON_LOG.info(text, extra={"event": event, "figures": figures})

    def _say_stopping(self, text: str) -> None:
        self.say("stopping", text)

    def _progress(self, figures: Any) -> None:
        self.say("progress", self._view.line(figures), **self._view.fields(figures))


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object."""

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
        return json.dumps(
            {key: round(value, 2) if isinstance(value, float) else value for key, value in line.items()},
            ensure_ascii=False,
            default=str,
        )


class Terminal(Lines):
    """A view in the terminal that is drawn anew as the run goes on."""

    def __init__(self, stopping: str, console: "Console", view: "View | None" = None) -> None:
        super().__init__(stopping, view)
        self._console = console
        self._live: Live | None = None

    def moved(self, figures: Any) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
            self._live.start()
        if self.is_stopped and not self._has_said:
            self._has_said = True
            text = f"onrecord: {self._stopping}{self._view.left(figures)}"
            self._live.console.print(text, markup=False, highlight=False)
        self._live.update(self._view.picture(figures), refresh=True)
        if figures.phase == "ended":
            self._live.stop()
            self._live = None


def display_for(
    stopping: str, *, as_json: bool, is_quiet: bool, is_verbose: bool, view: "View | None" = None
) -> Silent:
    """The display that the options ask for; without any, what fits standard error.

    Args:
        stopping: what is said when a run was asked to stop.
        as_json: the option ``--json-logs``.
        is_quiet: the option ``--quiet``.
        is_verbose: the option ``--verbose``.
        view: what is shown of figures; without it, that of a run.
    """
    from rich.console import Console

    if is_quiet:
        return Silent(stopping, view)
    if as_json:
        return Json(stopping, view)
    console = Console(stderr=True)
    # Beam's log and a picture would write over each other.
    is_drawn = console.is_interactive and not is_verbose
    return Terminal(stopping, console, view) if is_drawn else Lines(stopping, view)


class View(NamedTuple):
    """What is shown of figures."""

    line: Callable[[Any], str]
    picture: Callable[[Any], "RenderableType"]
    """The same for a terminal."""
    line_seconds: float
    """How far two lines are apart."""
    fields: Callable[[Any], dict[str, Any]]
    """The same for machines."""
    news: Callable[[Any], Iterable[tuple[str, str, dict[str, Any]]]]
    """What happened since the last figures, for machines: event, text and what else belongs to it (`Silent.log`)."""
    left: Callable[[Any], str]
    """What is behind the sentence that it stops."""


def line_of(figures: "Figures") -> str:
    """The figures in one line."""
    pages = f", {figures.archived:,} pages from archives" if figures.archived else ""
    parts = [
        f"{clock(figures.seconds)} {figures.phase}: {figures.fetched:,} of {figures.asked:,} URLs fetched{pages}",
        f"{figures.extracted:,} extracted",
        f"{figures.annotated:,} annotated ({figures.quotes:,} quotes)",
        *([f"{figures.per_second:,.1f}/s"] if figures.per_second else []),
        *([_left(figures)] if figures.seconds_left else []),
    ]
    return "; ".join([", ".join(parts), *([reasons_of(figures.reasons)] if figures.reasons else [])])


def picture_of(figures: "Figures") -> "RenderableType":
    """The figures as a small table with a bar."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    bar = Table.grid(padding=(0, 1))
    speed = f"{figures.per_second:,.1f}/s " if figures.per_second else ""
    left = _left(figures) if figures.seconds_left else ""
    bar.add_row(
        ProgressBar(total=max(1, figures.asked), completed=figures.fetched, width=24),
        f"{figures.fetched:,} of {figures.asked:,}",
        f"{speed}{left}",
    )
    rows: list[tuple[str, RenderableType]] = [("URLs", f"{figures.known:,} known"), ("fetched", bar)]
    if figures.archived:
        rows.append(("archives", f"{figures.archived:,} pages"))
    rows += [
        ("extracted", f"{figures.extracted:,} articles"),
        ("annotated", f"{figures.annotated:,} articles, {figures.quotes:,} quotes"),
        ("no article", reasons_of(figures.reasons) or "-"),
        ("time", f"{clock(figures.seconds)} {figures.phase}"),
    ]
    return table_of(rows)


def table_of(rows: "list[tuple[str, RenderableType]]") -> "RenderableType":
    """Names and what they are, below each other."""
    from rich.table import Table

    picture = Table.grid(padding=(0, 2))
    picture.add_column(style="bold")
    picture.add_column(overflow="fold")
    for name, value in rows:
        picture.add_row(name, value)
    return picture


def reasons_of(reasons: dict[str, int]) -> str:
    """The reasons why URLs have no article, as many as there is room for; the most frequent come first."""
    shown = list(reasons.items())[:_REASONS]
    more = len(reasons) - len(shown)
    return ", ".join([*(f"{reason} {number:,}" for reason, number in shown), *([f"{more} more"] if more else [])])


def clock(seconds: float) -> str:
    """A span of time as a clock shows it."""
    return str(timedelta(seconds=round(seconds)))


def _left(figures: "Figures") -> str:
    return f"about {clock(figures.seconds_left or 0)} left"


RUN_VIEW = View(line_of, picture_of, LINE_SECONDS, asdict, lambda _: (), lambda _: "")
"""What is shown of a run."""
