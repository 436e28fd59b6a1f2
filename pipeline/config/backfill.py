"""Which runs a command makes: one, or with ``--date 2026-01-01..2026-01-31`` one for each day.

Such a backfill reads what has a date. A source of type sitemaps is asked for the pages of the day alone. Any other has
a date when its options say ``${DATE}`` or ``${DAY}``, such as an archive's path; a source that gives the same on each
day of a month is left out.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from pipeline.config.errors import ConfigError
from pipeline.config.load import check_for_run, check_reachable, load_config
from pipeline.config.models import RunConfig
from transforms.sources.config import SitemapsSource, Source

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)
"""Logical dates that are taken: with four digits in every id, and with a calendar left on both sides."""


class ScheduledRun(NamedTuple):
    """One run to make."""

    config: RunConfig
    logical_time: datetime
    skipped_sources: list[str]
    """In a backfill, the keys of the sources that have no date."""


def scheduled_runs(path: str, overrides: Sequence[str], lake: str | None, when: str | None) -> Iterator[ScheduledRun]:
    """The runs that a command makes, in their order; each is checked when its turn comes.

    Args:
        path: the configuration's file.
        overrides: as `load_config` takes them.
        lake: replaces the file's `lake`.
        when: the option ``--date``: a logical time, or first and last day with two dots between; None for now.

    Raises:
        ConfigError: the configuration or the time is refused, or no source has a date.
    """
    if when is None or ".." not in when:
        moment = parse_logical_time(when)
        config = load_config(path, overrides, lake, moment.date())
        check_for_run(config)
        check_reachable(config)
        yield ScheduledRun(config, moment, [])
        return
    first, last = parse_days(when)
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        moment = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        # Of the same month: what changes with the month alone would come once for each of its days.
        other = day.replace(day=1 if day.day > 1 else 2)
        config = load_config(path, overrides, lake, day)
        check_for_run(config)
        pairs = list(zip(config.sources, load_config(path, overrides, lake, other).sources, strict=True))
        dated = tuple(s for mine, others in pairs if (s := _of_day(mine, others, day)) is not None)
        if not dated:
            raise ConfigError(
                f"--date {when}: no source of {path} has a date, so each day would bring the same: a source of type "
                "sitemaps is needed, or one whose options say ${DATE}, such as path: archive/${DATE}.warc.gz"
            )
        of_day = config.model_copy(update={"sources": dated})
        try:
            check_reachable(of_day)
        except ConfigError as error:
            raise ConfigError(f"{day}: {error}") from error
        left_out = [f"sources.{n}" for n, (mine, others) in enumerate(pairs) if _of_day(mine, others, day) is None]
        yield ScheduledRun(of_day, moment, left_out)


def _of_day(source: Source, on_another_day: Source, day: date) -> Source | None:
    """A source as a day's run reads it; None for one that has no date."""
    if source != on_another_day:
        return source
    if isinstance(source, SitemapsSource):
        return source.model_copy(update={"since": day, "until": day})
    return None


def parse_logical_time(when: str | None) -> datetime:
    """The logical time that ``--date`` gives, in UTC; now for None.

    Raises:
        ConfigError: it is no time, or one that is out of bounds.
    """
    if when is None:
        return datetime.now(timezone.utc)
    try:
        moment = datetime.fromisoformat(when)
    except ValueError as error:
        raise ConfigError(
            f"--date {when}: YYYY-MM-DD, YYYY-MM-DDTHH:MM or YYYY-MM-DD..YYYY-MM-DD is expected, such as 2026-01-31"
        ) from error
    _check_days(when, moment.date(), moment.date())
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def parse_days(when: str | None) -> tuple[date, date]:
    """First and last day of a range such as ``2026-01-01..2026-01-31``; all days for None.

    Raises:
        ConfigError: it is no range, ends before it begins, or is out of bounds.
    """
    if when is None:
        return date.min, date.max
    try:
        first, last = (date.fromisoformat(end) for end in when.split(".."))
    except ValueError as error:
        raise ConfigError(f"--date {when}: YYYY-MM-DD..YYYY-MM-DD is expected, first and last day") from error
    if first > last:
        raise ConfigError(f"--date {when}: the last day is before the first")
    _check_days(when, first, last)
    return first, last


def _check_days(when: str, first: date, last: date) -> None:
    if first < FIRST_DAY or last > LAST_DAY:
        raise ConfigError(f"--date {when}: days from {FIRST_DAY} to {LAST_DAY} are allowed")
