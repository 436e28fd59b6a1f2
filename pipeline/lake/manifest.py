"""Read and write manifests, which list the files of committed runs (`pipeline.lake.commit`).

    LAKE/<table>/dt=YYYY-MM-DD/part-<run>-<attempt>-<n>.parquet    the rows that readers see
    LAKE/_runs/<run_id>.json                                       manifest of the run, written last: the commit
    LAKE/_warc/<run_id>/<run>-<attempt>-<token>.warc.gz            fetched pages, if `archive` is on
    LAKE/_reports/<run_id>.html                                    report of the run
    LAKE/_runs/<run_id>.lock                                       lock file of the run
    LAKE/_staging/<run_id>/<attempt>/rows, /publish                files that readers do not see
    LAKE/_staging/<run_id>/<attempt>/attempt.json                  lets the next attempt recover the rows
    LAKE/_staging/<run_id>/<attempt>/manifest.json                 write-ahead manifest
    LAKE/_staging/<run_id>/<attempt>/held.json                     manifest of a run that the quality gate holds

A run has three states:

* *Staged*: its files are under ``_staging``. After a crash, the next attempt at the run recovers them
  (`pipeline.lake.recovery`); after a day, any run deletes them.
* *Publishing*: the write-ahead manifest exists, and its files are moved to the tables. After a crash, the next run
  completes the moves, because the manifest names all files.
* *Committed*: the manifest is in ``_runs``.

Readers that use manifests, as `open_lake` does, see a complete run or nothing; readers that list the folders see files
during the moves too.
"""

import json
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from transforms.schema.run import STREAM, is_stream_id
from transforms.schema.tables import ARCHIVES
from transforms.storage.base import Store, StoreError

COMPACTION = "_compact"
"""Lock and staging folder of commands that change files of several runs: compaction and the deletion of rows."""
COMPACTED = "compact."
"""Prefix of the ids of compactions."""
TIME_PATTERN = r"T[0-9]{4}([0-9]{2}(-late[0-9]+)?)?"
"""The part of a run id after the day: hour and minute; with seconds, the run is a window of a stream."""

KEEP_CRASHED = timedelta(days=1)
"""How long the staged files of a crashed attempt are kept for recovery."""
KEEP_HELD = timedelta(days=7)
"""How long a run that the quality gate holds can be accepted."""

_WINDOW = re.compile(r".+-[0-9]{8}T[0-9]{6}(-late[0-9]+)?")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_run_id(run_id: str, *, is_new: bool = False) -> None:
    """Check that a run id is valid, since it becomes part of paths.

    Args:
        run_id: the id that a user gave.
        is_new: whether a run is started under it; ids of compactions and streams are then not allowed.

    Raises:
        ValueError: the id is not valid; the message is one sentence.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"{run_id[:80]!r} is not a valid run ID: allowed are up to 128 letters (a to z), digits, dots, - and _, "
            "starting with a letter or digit"
        )
    if is_new and run_id.startswith(COMPACTED):
        raise ValueError(f"{run_id!r} is not allowed as a run ID: IDs of compactions begin with {COMPACTED}")
    if is_new and is_stream_id(run_id):
        raise ValueError(f"{run_id!r} is not allowed as a run ID: IDs of streams end with {STREAM}")


def _checked_id(run_id: str) -> str:
    check_run_id(run_id)
    return run_id


def _checked_path(path: str) -> str:
    # A lake may come from an untrusted source, and the files that manifests name are moved and deleted.
    if not all(part.strip(".") for part in path.split("/")):
        raise ValueError(f"the path {path!r} is outside the lake")
    return path


_Path = Annotated[str, AfterValidator(_checked_path)]


class LakeFile(BaseModel):
    """A committed file."""

    model_config = ConfigDict(frozen=True)

    path: _Path
    """Relative to the lake."""
    rows: int
    bytes: int
    schema_version: int | None = None
    """Schema version if it differs from that of the manifest, since the file was rewritten later."""


class Check(BaseModel):
    """The result of the quality gate for one limit (`pipeline.lake.quality_gate`)."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Key of the limit in the configuration, below ``quality``."""
    figure: float
    """The measured share."""
    limit: float
    of: int
    """Size of the sample."""
    breach: str | None = None
    """A sentence if the figure exceeds the limit."""


class Manifest(BaseModel):
    """The files of a committed run or compaction, and what they replace."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    run_id: Annotated[str, AfterValidator(_checked_id)]
    run_date: date
    attempt: str
    schema_version: int
    committed_at: datetime
    urls: int
    """Number of distinct URLs of the run; equal to the number of rows in ``fetches``."""
    files: dict[str, list[LakeFile]]
    """Files by table, with an empty list for a table without rows. ``_warc``: the run's archives, if it has any."""
    replaces: list[_Path] = []
    """Files of the previous manifest that this one no longer names; they are deleted after the commit."""
    checks: list[Check] = []
    """Results of the quality gate."""
    revision: int = 0
    """How often rows were deleted from the files of the attempt (`pipeline.lake.forget`)."""
    parent_version: str | None = Field(default=None, validation_alias="follows", serialization_alias="follows")
    """The `version` of the manifest that this one replaces; the key in the file is ``follows``."""
    config_hash: str | None = None
    """Hash of the run's configuration (`pipeline.lake.previous_run.config_hash`); None in older manifests."""
    supersedes: dict[str, str] = {}
    """For a compaction: the runs that its files contain, each with its `version` at that time."""
    excluded_runs: frozenset[str] = Field(default=frozenset(), exclude=True)
    """For a compaction, set by `manifests`: runs that were run again later; their rows in these files do not count."""

    @property
    def version(self) -> str:
        """The attempt and revision of the files."""
        return f"{self.attempt}.{self.revision}"

    @property
    def is_accepted(self) -> bool:
        """Whether the committed run exceeds a limit of the quality gate, and was accepted (``--accept``)."""
        return any(check.breach for check in self.checks)

    @property
    def paths(self) -> list[str]:
        """Paths of the files of all tables."""
        return [f.path for table in self.files.values() for f in table]

    def contains_run(self, run_id: str) -> bool:
        """Whether the current rows of a run are in these files: of the run itself, or of one that was compacted."""
        return run_id == self.run_id or run_id in self.supersedes.keys() - self.excluded_runs

    def rows(self, table: str) -> int:
        """Number of rows in a table."""
        return sum(f.rows for f in self.files.get(table, []))


def read_manifest(store: Store, run_id: str) -> Manifest | None:
    """Read the manifest of a committed run; None if there is none.

    Raises:
        StoreError: the manifest is not valid.
    """
    return read_manifest_file(store, manifest_path(run_id))


def read_manifest_file(store: Store, path: str) -> Manifest | None:
    """Read a manifest from a file; None if there is none.

    Raises:
        StoreError: the manifest is not valid.
    """
    data = store.read(path)
    try:
        return Manifest.model_validate_json(data) if data is not None else None
    except ValidationError as error:
        raise StoreError(
            f"{store.uri(path)} is not a valid manifest ({_first_error(error)}): restore it from a copy, or delete it, "
            "which also removes the rows of its run"
        ) from error


def _first_error(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg'][:200]}".removeprefix(": ")


def manifests(store: Store) -> list[Manifest]:
    """Read the current manifests, ordered by run id; their files are the lake.

    A compaction takes the place of the runs that it supersedes, and their manifests may have been deleted. If one of
    these runs was run again later, the compaction excludes its rows (`Manifest.excluded_runs`).

    Raises:
        StoreError: a manifest is not valid.
    """
    read = (read_manifest_file(store, path) for path in store.files("_runs") if path.endswith(".json"))
    found = [manifest for manifest in read if manifest is not None]
    versions = {m.run_id: m.version for m in found}
    superseded = {run for m in found for run, version in m.supersedes.items() if versions.get(run) == version}
    return [_with_exclusions(m, versions) for m in found if m.run_id not in superseded]


def _with_exclusions(manifest: Manifest, versions: dict[str, str]) -> Manifest:
    superseded = manifest.supersedes.items()
    excluded = frozenset(run for run, version in superseded if versions.get(run, version) != version)
    archives = [f for f in manifest.files.get(ARCHIVES, []) if f.path.split("/")[1] not in excluded]
    files = {**manifest.files, ARCHIVES: archives} if excluded else manifest.files
    return manifest.model_copy(update={"excluded_runs": excluded, "files": files})


def run_ids(current: Iterable[Manifest]) -> set[str]:
    """Ids of all runs in these manifests, including compacted ones."""
    return {run_id for manifest in current for run_id in (manifest.run_id, *manifest.supersedes)}


def is_window(run_id: str) -> bool:
    """Whether a run id is that of a window of a stream."""
    return _WINDOW.fullmatch(run_id) is not None


def runs_of(current: Iterable[Manifest], name: str, first: date = date.min, last: date = date.max) -> list[str]:
    """Ids of the runs of a configuration, ordered by logical time.

    Args:
        current: manifests.
        name: name of the configuration.
        first: first logical date.
        last: last logical date.
    """
    own = re.compile(rf"{re.escape(name)}-([0-9]{{8}}){TIME_PATTERN}")
    found = {run_id: own.fullmatch(run_id) for run_id in run_ids(current)}
    # Digits are compared instead of dates: a run id that a user chose may look like one, but with an invalid date.
    low, high = (day.isoformat().replace("-", "") for day in (first, last))
    return sorted(run_id for run_id, match in found.items() if match and low <= match[1] <= high)


def newest_run(store: Store) -> str | None:
    """Id of the run that was committed last, without compactions; None in an empty lake."""
    names = [PurePosixPath(p).stem for p in store.files("_runs") if p.endswith(".json")]
    read = (read_manifest(store, name) for name in names if not name.startswith(COMPACTED))
    newest = max((m for m in read if m is not None), key=lambda m: (m.committed_at, m.run_id), default=None)
    return newest.run_id if newest else None


def report_path(run_id: str | None) -> str:
    """Path of the report of a run (`pipeline.report`); None: of the whole lake."""
    return f"_reports/{run_id or '_lake'}.html"


def manifest_path(run_id: str) -> str:
    """Path of the manifest of a run."""
    return f"_runs/{run_id}.json"


def to_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest file."""
    return json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=1).encode()
