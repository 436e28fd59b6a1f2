"""Identify runs, their attempts and their staged files."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

STREAM = "-stream"
"""Suffix of a stream's run id. The id alone decides whether a run is a stream, since staging folders carry it too."""


def stream_id(name: str) -> str:
    """Return the run id of the stream of the configuration `name`."""
    return name + STREAM


def is_stream_id(run_id: str) -> bool:
    """Whether a run id is that of a stream."""
    return run_id.endswith(STREAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at a run or stream; all its rows and file names contain its identity."""

    run_id: str
    run_date: date
    """Logical date: the partition ``dt``."""
    attempt: str
    """Token of this attempt in its file names, so that it never overwrites a committed file."""
    lake: str
    """Root of the lake: a folder or ``gs://bucket/prefix``."""
    lease_owner: str = ""
    """Owner of the run's lock; the commit checks that it still holds the lock."""
    is_detached: bool = False
    """The launcher has exited and holds no lock; the commit step acquires it."""
    logical_time: datetime | None = None
    """Logical time in UTC; None: midnight of `run_date`."""
    recovered: "tuple[StagedFile, ...]" = ()
    """Staged files with rows that are reused: from a crashed attempt, or from the run that this one replaces."""
    is_retry: bool = False
    """Whether the temporary failures of the committed run of the same id are requested again."""
    config_hash: str | None = None
    """Hash of the configuration, for the manifest."""

    @property
    def time(self) -> datetime:
        """Logical time in UTC. Ages in the crawl state are measured from it."""
        return self.logical_time or datetime(*self.run_date.timetuple()[:3], tzinfo=timezone.utc)

    @property
    def is_stream(self) -> bool:
        """Whether this is a stream; each of its windows is committed as a run (`of_window`)."""
        return is_stream_id(self.run_id)

    @property
    def stream_name(self) -> str:
        """Name of the stream's configuration; the ids of its windows begin with it."""
        return self.run_id.removesuffix(STREAM)

    def of_window(self, start: datetime) -> "Run":
        """Return the run that commits one window of this stream.

        Args:
            start: start of the window, in UTC.
        """
        run_id = f"{self.stream_name}-{start:%Y%m%dT%H%M%S}"
        return replace(self, run_id=run_id, run_date=start.date(), logical_time=start, recovered=())

    @property
    def partition(self) -> str:
        """Name of the partition folder of the day, inside each table's folder."""
        return f"dt={self.run_date.isoformat()}"

    @property
    def staging(self) -> str:
        """Staging folder of this attempt, which readers ignore, relative to the lake."""
        return f"_staging/{self.run_id}/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A complete Parquet file or archive that readers do not see yet."""

    table: str
    partition: str
    path: str
    """Relative to the lake."""
    rows: int
    bytes: int
    ack_handles: tuple[str, ...] = ()
    """Ack handles of the queue messages for its rows (`UrlRequest.ack_handle`)."""
