"""Schedule the runs of one command: one run, or with ``--date 2026-01-01..2026-01-31`` one run for each day.

A backfill reads only dated sources. Sitemaps are dated: the run of a day reads the pages of that day. Any other source
is dated if an option contains ``${DATE}`` or ``${DAY}``, such as the path of an archive. A source that is the same on
two days of a month is skipped.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from pipeline.config.errors import ConfigError
from pipeline.config.load import check_for_run, check_reachable, load_config
from pipeline.config.models import RunConfig
from transforms.sources.config import SitemapsSource, Source

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)
"""Range of logical dates: years have four digits in run ids, and the days before and after exist too."""


class ScheduledRun(NamedTuple):
    """One run of a command."""

    config: RunConfig
    logical_time: datetime
    skipped_sources: list[str]
    """In a backfill, the keys of the sources that are not dated."""


def scheduled_runs(path: str, overrides: Sequence[str], lake: str | None, when: str | None) -> Iterator[ScheduledRun]:
    """The runs of a command in order; each is checked just before it is yielded.

    Args:
        path: the configuration file.
        overrides: as in `load_config`.
        lake: replaces the `lake` of the file.
        when: value of ``--date``: a logical time, or the first and last day separated by two dots; None for now.

    Yields:
        Each run.

    Raises:
        ConfigError: the configuration or the time is not valid, or no source is dated.
    """
    if when is None or ".." not in when:
        logical_time = parse_logical_time(when)
        config = load_config(path, overrides, lake, logical_time.date())
        check_for_run(config)
        check_reachable(config)
        yield ScheduledRun(config, logical_time, [])
        return
    first, last = parse_days(when)
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        # Another day of the same month: a source that changes only by month would repeat on each of its days.
        other_day = day.replace(day=1 if day.day > 1 else 2)
        config = load_config(path, overrides, lake, day)
        check_for_run(config)
        pairs = list(zip(config.sources, load_config(path, overrides, lake, other_day).sources, strict=True))
        sources = [_dated(source, other, day) for source, other in pairs]
        dated = tuple(source for source in sources if source is not None)
        if not dated:
            raise ConfigError(
                f"--date {when}: no source of {path} is dated, so each day would give the same rows; use a source of "
                "type sitemaps, or put ${DATE} into an option, such as path: archive/${DATE}.warc.gz"
            )
        config = config.model_copy(update={"sources": dated})
        try:
            check_reachable(config)
        except ConfigError as error:
            raise ConfigError(f"{day}: {error}") from error
        logical_time = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        yield ScheduledRun(config, logical_time, [f"sources.{n}" for n, source in enumerate(sources) if source is None])


def _dated(source: Source, on_other_day: Source, day: date) -> Source | None:
    """A source as the run of a day reads it; None if it is not dated."""
    if source != on_other_day:
        return source
    if isinstance(source, SitemapsSource):
        return source.model_copy(update={"since": day, "until": day})
    return None


def parse_logical_time(when: str | None) -> datetime:
    """Parse the value of ``--date`` as a logical time in UTC; None is now.

    Raises:
        ConfigError: it is not a valid time, or out of range.
    """
    if when is None:
        return datetime.now(timezone.utc)
    try:
        moment = datetime.fromisoformat(when)
    except ValueError as error:
        raise ConfigError(
            f"--date {when}: expected YYYY-MM-DD, YYYY-MM-DDTHH:MM or YYYY-MM-DD..YYYY-MM-DD, such as 2026-01-31"
        ) from error
    _check_days(when, moment.date(), moment.date())
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def parse_days(when: str | None) -> tuple[date, date]:
    """Parse a range such as ``2026-01-01..2026-01-31`` into its first and last day; None is all days.

    Raises:
        ConfigError: it is not a valid range, ends before it begins, or is out of range.
    """
    if when is None:
        return date.min, date.max
    try:
        first, last = (date.fromisoformat(end) for end in when.split(".."))
    except ValueError as error:
        raise ConfigError(f"--date {when}: expected YYYY-MM-DD..YYYY-MM-DD, the first and the last day") from error
    if first > last:
        raise ConfigError(f"--date {when}: the last day is before the first")
    _check_days(when, first, last)
    return first, last


def _check_days(when: str, first: date, last: date) -> None:
    if first < FIRST_DAY or last > LAST_DAY:
        raise ConfigError(f"--date {when}: allowed are days from {FIRST_DAY} to {LAST_DAY}")
