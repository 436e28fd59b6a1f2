"""What a command shows of a stream (`pipeline.cli.live_view` shows it)."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.cli.live_view import View, clock, reasons_of, table_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.stream.progress import Committed, StreamFigures

LINE_SECONDS = 60.0
"""How far two lines are apart."""


def line_of(figures: "StreamFigures") -> str:
    """The figures in one line."""
    last = figures.last
    parts = [
        f"{clock(figures.seconds)} {figures.phase}: {figures.articles:,} articles ({figures.quotes:,} quotes), "
        f"{figures.articles_per_minute:,.1f} a minute",
        f"{figures.named:,} URLs named, {figures.waiting:,} waiting",
        f"{figures.windows:,} windows committed" + (f", the last with {_rows_of(last)}" if last else ""),
        *([_watermark_of(figures)] if figures.watermark else []),
        *([f"lag {lag}"] if last and (lag := _lag_of(last)) else []),
        *([_feeds_of(figures)] if figures.feeds else []),
        *([reasons_of(figures.reasons)] if figures.reasons else []),
    ]
    return "; ".join(parts)


def picture_of(figures: "StreamFigures") -> "RenderableType":
    """The figures as a small table."""
    last = figures.last
    rows: list[tuple[str, RenderableType]] = [
        *([("feeds", _feeds_of(figures).removeprefix("feeds "))] if figures.feeds else []),
        ("URLs", f"{figures.named:,} named, {figures.waiting:,} waiting"),
        ("articles", f"{figures.articles:,}, {figures.articles_per_minute:,.1f} a minute; {figures.quotes:,} quotes"),
        ("windows", f"{figures.windows:,} committed"),
        ("last", f"{last.run_id}: {_rows_of(last)}" if last else "-"),
        ("watermark", _watermark_of(figures).removeprefix("watermark ") or "-"),
        ("lag", (last and _lag_of(last)) or "-"),
        ("no article", reasons_of(figures.reasons) or "-"),
        ("time", f"{clock(figures.seconds)} {figures.phase}"),
    ]
    return table_of(rows)


def fields_of(figures: "StreamFigures") -> dict[str, Any]:
    """The figures for machines."""
    fields = asdict(figures)
    del fields["news"]
    fields["watermark"] = figures.watermark.isoformat() if figures.watermark else None
    fields["last"] = _fields_of(figures.last) if figures.last else None
    return fields


def news_of(figures: "StreamFigures") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """An event for each window that was committed."""
    for window in figures.news:
        yield "committed", f"{_rows_of(window)} until {window.until:%H:%M:%S} UTC are committed", _fields_of(window)


def left_of(figures: "StreamFigures") -> str:
    """What a drain leaves, and what it goes on to commit."""
    until = f"; windows stand up to {figures.watermark:%H:%M:%S} UTC" if figures.watermark else ""
    return f" ({figures.waiting:,} URLs wait{until})"


def _fields_of(window: "Committed") -> dict[str, Any]:
    return {**asdict(window), "until": window.until.isoformat()}


def _rows_of(window: "Committed") -> str:
    return f"{window.rows.get('articles', 0):,} articles of {window.rows.get('fetches', 0):,} URLs"


def _watermark_of(figures: "StreamFigures") -> str:
    if figures.watermark is None or figures.behind_seconds is None:
        return ""
    return f"watermark {figures.watermark:%Y-%m-%d %H:%M:%S} UTC, {clock(figures.behind_seconds)} behind"


def _lag_of(window: "Committed") -> str:
    if window.lag_seconds is None or window.lag_most_seconds is None:
        return ""
    return f"{clock(window.lag_seconds)} from publication to commit, {clock(window.lag_most_seconds)} at most"


def _feeds_of(figures: "StreamFigures") -> str:
    return f"feeds {figures.feeds:,} watched, {figures.feeds_failing:,} failing"


STREAM_VIEW = View(line_of, picture_of, LINE_SECONDS, fields_of, news_of, left_of)
"""What is shown of a stream."""
