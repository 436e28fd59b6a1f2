"""Identity of a run, an attempt at it, and the files that it stages."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

STREAM = "-stream"
"""What the name of a configuration has behind it where its stream is meant, not one of its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one run: what every row and every file name carries."""

    run_id: str
    run_date: date
    """The run's logical date: the partition ``dt``."""
    attempt: str
    """A token of this attempt alone, so that nothing committed is ever overwritten."""
    lake: str
    """The lake's root: a folder or ``gs://bucket/prefix``."""
    lease_owner: str = ""
    """The name under which the run's lock is held; the commit asks whether it still is."""
    is_detached: bool = False
    """No process waits for the run and holds its lock: the commit takes it."""
    logical_time: datetime | None = None
    """The run's logical time, in UTC; None: the beginning of its date."""
    recovered: "tuple[StagedFile, ...]" = ()
    """Files with rows that stand already: what a dead attempt at this run staged, or what is made anew."""

    @property
    def time(self) -> datetime:
        """The run's logical time: by it the ledger counts how old a fetch is."""
        return self.logical_time or datetime(*self.run_date.timetuple()[:3], tzinfo=timezone.utc)

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream, whose windows are runs (`of_window`)."""
        return self.run_id.endswith(STREAM)

    def of_window(self, start: datetime) -> "Run":
        """The run that commits one window of a stream, whose attempt this is (`run_id`: the name and `STREAM`).

        Args:
            start: the window's beginning.
        """
        run_id = f"{self.run_id.removesuffix(STREAM)}-{start:%Y%m%dT%H%M%S}"
        return replace(self, run_id=run_id, run_date=start.date(), logical_time=start, recovered=())

    @property
    def partition(self) -> str:
        """The folder of the run's day below a table's."""
        return f"dt={self.run_date.isoformat()}"

    @property
    def staging(self) -> str:
        """This attempt's folder for files that no reader sees, relative to the lake."""
        return f"_staging/{self.run_id}/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A finished Parquet file that no reader sees yet. ``path`` is relative to the lake."""

    table: str
    partition: str
    path: str
    rows: int
    bytes: int
    receipts: tuple[str, ...] = ()
    """Those of its rows (`UrlRequest.receipt`)."""
