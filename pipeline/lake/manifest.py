"""The lake: where tables lie, which files count, and how they change together (`pipeline.lake.commit`).

    LAKE/<table>/dt=YYYY-MM-DD/part-<run>-<attempt>-<n>.parquet    what readers see
    LAKE/_runs/<run_id>.json                                       the run's manifest, written last: the commit
    LAKE/_warc/<run_id>/<run>-<attempt>-<token>.warc.gz            pages as they came, where `archive` is on
    LAKE/_reports/<run_id>.html                                    what the run brought, as a page
    LAKE/_runs/<run_id>.lock                                       held while the run is made
    LAKE/_staging/<run_id>/<attempt>/rows, /publish                what no reader sees
    LAKE/_staging/<run_id>/<attempt>/attempt.json                  says that the next attempt may take rows over
    LAKE/_staging/<run_id>/<attempt>/manifest.json                 the decision to commit (a write-ahead log)
    LAKE/_staging/<run_id>/<attempt>/held.json                     the manifest of a run that the quality gate holds

A run passes three states. *Staged*: its files lie under ``_staging``; if it dies now, the same run started again takes
them over (`pipeline.lake.recovery`), and after a day any run removes them.
*Publishing*: the write-ahead manifest stands, and files move to their places; if it dies now, the next run finishes the
moves, for all that they need is named in that manifest. *Committed*: the manifest stands in ``_runs``. Readers that use
the manifests (`open_lake` does) see a run entirely or not at all; readers that glob see its files during the moves.
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
"""Name of the lock that compactions and whatever else changes their files hold, and of the folder they stage in."""


TIME_PATTERN = r"T[0-9]{4}([0-9]{2}(-late[0-9]+)?)?"
"""How the id of a run of a configuration goes on behind its day; with seconds it is a window of a stream."""

COMPACTED = "compact."
"""What the ids of compactions begin with."""

KEEP_CRASHED = timedelta(days=1)
"""For how long what a dead attempt staged is kept for the next attempt at the same run."""

KEEP_HELD = timedelta(days=7)
"""For how long a run that the quality gate holds waits to be accepted."""


_WINDOW = re.compile(r".+-[0-9]{8}T[0-9]{6}(-late[0-9]+)?")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_run_id(run_id: str, *, is_new: bool = False) -> None:
    """Refuses what is no run's id, for it makes paths.

    Args:
        run_id: as a user gave it.
        is_new: whether a run is made under it, so that it may not be a compaction's.

    Raises:
        ValueError: the message is one sentence.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"{run_id[:80]!r} is no run id: up to 128 letters (a to z), digits, dots, - and _ are allowed, the first a "
            "letter or digit"
        )
    if is_new and run_id.startswith(COMPACTED):
        raise ValueError(f"{run_id!r} is no id for a run: {COMPACTED} is what the ids of compactions begin with")
    if is_new and is_stream_id(run_id):
        raise ValueError(f"{run_id!r} is no id for a run: {STREAM} is what the ids of streams end with")


def _checked_id(run_id: str) -> str:
    check_run_id(run_id)
    return run_id


def _checked_path(path: str) -> str:
    # A lake may come from elsewhere, and what manifests name is moved and deleted.
    if not all(part.strip(".") for part in path.split("/")):
        raise ValueError(f"{path!r} leads out of the lake")
    return path


_Path = Annotated[str, AfterValidator(_checked_path)]


class LakeFile(BaseModel):
    """One published file: its path relative to the lake, its rows and its bytes."""

    model_config = ConfigDict(frozen=True)

    path: _Path
    rows: int
    bytes: int
    schema_version: int | None = None
    """Where it is not the manifest's: of a file that was written anew since."""


class Check(BaseModel):
    """What the quality gate says of one limit (`pipeline.lake.quality_gate`)."""

    model_config = ConfigDict(frozen=True)

    name: str
    """The limit's key in the configuration, below ``quality``."""
    figure: float
    """The share that was measured."""
    limit: float
    of: int
    """Of how many."""
    breach: str | None = None
    """One sentence, where the figure is over the limit."""


class Manifest(BaseModel):
    """The files of a committed run, and what they replace."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    run_id: Annotated[str, AfterValidator(_checked_id)]
    run_date: date
    attempt: str
    schema_version: int
    committed_at: datetime
    urls: int
    """Distinct URLs that came in; equal to the rows of ``fetches``."""
    files: dict[str, list[LakeFile]]
    """By table; a table without rows has an empty list. ``_warc``: the run's archives, where it keeps any."""
    replaces: list[_Path] = []
    """Files that the manifest before this one named and this one does not, deleted after the commit."""
    checks: list[Check] = []
    """What the quality gate said."""
    revision: int = 0
    """How often rows were taken out of the attempt's files since (`pipeline.lake.forget`)."""
    parent_version: str | None = Field(default=None, validation_alias="follows", serialization_alias="follows")
    """The `version` of the manifest that this one replaces; ``follows`` in its JSON."""
    supersedes: dict[str, str] = {}
    """Of a compaction: the runs whose rows its files hold, each with the `version` that it had then."""
    excluded_runs: frozenset[str] = Field(default=frozenset(), exclude=True)
    """Of a compaction as `manifests` gives it: runs that were made anew since; their rows in its files do not count."""

    @property
    def version(self) -> str:
        """Says which attempt's files these are, and in which state."""
        return f"{self.attempt}.{self.revision}"

    @property
    def is_accepted(self) -> bool:
        """Whether, once committed, it was published in spite of what the quality gate said (``--accept``)."""
        return any(check.breach for check in self.checks)

    @property
    def paths(self) -> list[str]:
        """All files, of all tables."""
        return [f.path for table in self.files.values() for f in table]

    def contains_run(self, run_id: str) -> bool:
        """Whether its files hold the rows of a run, its own or one that it compacted, and these count."""
        return run_id == self.run_id or run_id in self.supersedes.keys() - self.excluded_runs

    def rows(self, table: str) -> int:
        """The number of rows that the run wrote to a table."""
        return sum(f.rows for f in self.files.get(table, []))


def read_manifest(store: Store, run_id: str) -> Manifest | None:
    """The manifest of a committed run, or None."""
    return read_manifest_file(store, manifest_path(run_id))


def read_manifest_file(store: Store, path: str) -> Manifest | None:
    """The manifest that stands in a file, or None where there is none.

    Raises:
        StoreError: it is damaged, or of something else.
    """
    data = store.read(path)
    try:
        return Manifest.model_validate_json(data) if data is not None else None
    except ValidationError as error:
        raise StoreError(
            f"{store.uri(path)} is no manifest ({_first(error)}): put a copy in its place, or take it away, and its "
            "run's rows with it"
        ) from error


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg'][:200]}".removeprefix(": ")


def manifests(store: Store) -> list[Manifest]:
    """The manifests in effect, by run id: of all committed runs, and in place of superseded ones their compaction's.

    The files that they name are the lake. A compaction's file holds rows of several runs; where its manifest excludes
    one of them (`excluded_runs`), the rows of that run in its files do not count. A superseded manifest may be gone
    (`pipeline.lake.compaction`).
    """
    read = (read_manifest_file(store, path) for path in store.files("_runs") if path.endswith(".json"))
    found = [manifest for manifest in read if manifest is not None]
    versions = {m.run_id: m.version for m in found}
    superseded = {run for m in found for run, version in m.supersedes.items() if versions.get(run) == version}
    return [_in_effect(m, versions) for m in found if m.run_id not in superseded]


def run_ids(standing: Iterable[Manifest]) -> set[str]:
    """The runs that these manifests name: their own, and those that they compacted."""
    return {run_id for manifest in standing for run_id in (manifest.run_id, *manifest.supersedes)}


def is_window(run_id: str) -> bool:
    """Whether this is the id of a window of a stream."""
    return _WINDOW.fullmatch(run_id) is not None


def runs_of(standing: Iterable[Manifest], name: str, first: date = date.min, last: date = date.max) -> list[str]:
    """The ids of a configuration's runs among these, of the days from `first` to `last`, by logical time."""
    own = re.compile(rf"{re.escape(name)}-([0-9]{{8}}){TIME_PATTERN}")
    found = {run_id: own.fullmatch(run_id) for run_id in run_ids(standing)}
    # Digits have the order of days, also in an id that somebody gave and that names none.
    low, high = (day.isoformat().replace("-", "") for day in (first, last))
    return sorted(run_id for run_id, match in found.items() if match and low <= match[1] <= high)


def newest_run(store: Store) -> str | None:
    """The run that was committed last, compactions aside; None in an empty lake."""
    names = [PurePosixPath(p).stem for p in store.files("_runs") if p.endswith(".json")]
    read = (read_manifest(store, name) for name in names if not name.startswith(COMPACTED))
    newest = max((m for m in read if m is not None), key=lambda m: (m.committed_at, m.run_id), default=None)
    return newest.run_id if newest else None


def _in_effect(manifest: Manifest, versions: dict[str, str]) -> Manifest:
    superseded = manifest.supersedes.items()
    excluded = frozenset(run for run, version in superseded if versions.get(run, version) != version)
    archives = [f for f in manifest.files.get(ARCHIVES, []) if f.path.split("/")[1] not in excluded]
    files = {**manifest.files, ARCHIVES: archives} if excluded else manifest.files
    return manifest.model_copy(update={"excluded_runs": excluded, "files": files})


def report_path(run_id: str | None) -> str:
    """Where the report of a run lies (`pipeline.report`); None: that of the whole lake."""
    return f"_reports/{run_id or '_lake'}.html"


def manifest_path(run_id: str) -> str:
    """Where a run's manifest lies."""
    return f"_runs/{run_id}.json"


def to_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest as written to the lake."""
    return json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=1).encode()
