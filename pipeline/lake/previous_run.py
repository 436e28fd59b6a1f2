"""Decide whether the run that is committed under a run id is run again: it is if every URL failed.

A failed run keeps its id. If its configuration is the same, only its temporary failures are requested again, and its
other rows are copied (`pipeline.lake.recovery.start_attempt`); otherwise all its URLs are requested again.
"""

import json
from dataclasses import dataclass

import duckdb

from pipeline.config.models import RunConfig
from pipeline.lake.manifest import Manifest, manifests, read_manifest
from pipeline.lake.query.catalog import open_manifests, quoted
from transforms.schema.errors import cause_of
from transforms.schema.records import content_hash
from transforms.storage.base import Store, StoreError

_COUNTS = "SELECT count(*), count(*) FILTER (outcome = 'failed'), count(*) FILTER (retriable) FROM fetches"


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The committed run of a run id."""

    manifest: Manifest
    holding: list[Manifest]
    """The manifests with the files of its rows: its own, or its compaction's."""
    has_failed: bool
    """Whether every URL failed, and a user did not accept that (``--accept``)."""
    urls: int
    retriable: int
    """Number of URLs that failed for a temporary reason."""
    has_other_config: bool
    """Whether it was made with another configuration; False if its manifest does not say."""

    @property
    def is_repeated(self) -> bool:
        """Whether the same command runs it again."""
        return self.has_failed and (self.retriable > 0 or self.has_other_config)

    @property
    def to_retry(self) -> list[Manifest]:
        """The manifests with rows that a repeated run keeps; none if all its URLs are requested again."""
        return [] if self.has_other_config else self.holding


def previous_run(store: Store, config: RunConfig, run_id: str) -> PreviousRun | None:
    """Read the committed run of a run id; None if there is none.

    Args:
        store: the lake. The caller holds the run's lock.
        config: the configuration of the command.
        run_id: the run.

    Raises:
        StoreError: a manifest is not valid, or a file of the run is damaged.
    """
    manifest = read_manifest(store, run_id)
    if manifest is None:
        return None
    holding = manifests_with(store, run_id)
    where = f" WHERE run_id = {quoted(run_id)}"
    try:
        with open_manifests(store, holding, tables=("fetches",), where=where) as database:
            urls, failed, retriable = _counts(database)
    except duckdb.Error as error:
        raise StoreError(f"the committed run {run_id} cannot be read: {cause_of(error)}, or use --replace") from error
    return PreviousRun(
        manifest,
        holding,
        has_failed=bool(urls) and urls == failed and not manifest.is_accepted,
        urls=urls,
        retriable=retriable,
        has_other_config=manifest.config_hash not in (None, config_hash(config)),
    )


def manifests_with(store: Store, run_id: str) -> list[Manifest]:
    """The manifests with the files of a run's rows: its own, or its compaction's."""
    return [m for m in manifests(store) if m.contains_run(run_id)]


def has_failed(database: duckdb.DuckDBPyConnection) -> bool:
    """Whether the run in a database has URLs and all of them failed."""
    urls, failed, _ = _counts(database)
    return bool(urls) and urls == failed


def _counts(database: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    urls, failed, retriable = database.execute(_COUNTS).fetchone() or (0, 0, 0)
    return urls, failed, retriable


def config_hash(config: RunConfig) -> str:
    """Hash of a configuration without its lake, to detect a change between two runs of one id."""
    return content_hash(json.dumps(config.model_dump(mode="json", exclude={"lake"}), sort_keys=True))
