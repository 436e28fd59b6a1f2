"""Commit each window of a stream as a run (`pipeline.lake.commit`).

A run id consists of the configuration's name and the start of the window. Rows that arrive later for the same window
become another run (``-late1``), also if the stream was restarted inside the window. A runner that lost a worker may
commit a window twice: the manifest then names the same attempt, and only the queue messages are acknowledged again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import apache_beam as beam
from apache_beam.transforms.window import IntervalWindow
from apache_beam.utils.windowed_value import PaneInfo

from pipeline.lake.commit import commit, exclusive, is_committed
from pipeline.lake.manifest import Manifest, read_manifest
from pipeline.lake.transaction import CommitError
from pipeline.steps.known_urls import Acknowledge
from pipeline.stories.assign import write_stories
from transforms.runtime.metrics import count
from transforms.schema.run import Run, StagedFile
from transforms.storage.open import open_store
from transforms.write.parquet import merge_staged_files


@dataclass
class CommitWindows(beam.PTransform):
    """Commit the files of each window: PCollection[StagedFile], in fixed windows, -> PCollection[str], the run ids.

    Args:
        run: the stream's attempt.
        acknowledge: acknowledges the queue messages of committed rows by their handles.
    """

    run: Run
    acknowledge: Acknowledge

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[str]":
        return (
            files
            | "OneKey" >> beam.Map(lambda file: ("", file)).with_output_types(tuple[str, StagedFile])
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_CommitWindow(self.run, self.acknowledge)).with_output_types(str)
        )


class _CommitWindow(beam.DoFn):
    def __init__(self, run: Run, acknowledge: Acknowledge) -> None:
        self._run, self._acknowledge = run, acknowledge

    def process(
        self,
        group: tuple[str, Iterable[StagedFile]],
        window: IntervalWindow = beam.DoFn.WindowParam,
        pane: PaneInfo = beam.DoFn.PaneInfoParam,
    ) -> Iterable[str]:
        files = list(group[1])
        run = window_run(self._run, window.start.to_utc_datetime(has_tz=True), pane.index)
        commit_window(run, files)
        self._acknowledge(handle for file in files for handle in file.ack_handles)
        open_store(run.lake).delete([file.path for file in files])
        yield run.run_id


def window_run(stream: Run, start: datetime, pane: int) -> Run:
    """The run that commits one pane of a window; the same pane always gives the same run.

    Args:
        stream: the stream's attempt.
        start: start of the window, in UTC.
        pane: index of the pane. Runs of the same window that other attempts committed keep their ids.
    """
    run, store = stream.of_window(start), open_store(stream.lake)

    def late_id(number: int) -> str:
        return f"{run.run_id}-late{number}" if number else run.run_id

    committed: list[Manifest] = []
    while (manifest := read_manifest(store, late_id(len(committed)))) is not None:
        committed.append(manifest)
    own = [number for number, manifest in enumerate(committed) if manifest.attempt == run.attempt]
    return replace(run, run_id=late_id(own[pane] if pane < len(own) else len(committed) + pane - len(own)))


def commit_window(run: Run, files: Iterable[StagedFile]) -> None:
    """Commit one window; idempotent for the same attempt.

    Args:
        run: the window's run.
        files: staged files of all tables.

    Raises:
        RunLockedError: another worker commits the same window.
        CommitError: another attempt committed the window.
    """
    store = open_store(run.lake)
    with exclusive(store, run.run_id, recover_others=False) as lease_owner:
        if is_committed(store, run):
            return
        if read_manifest(store, run.run_id) is not None:
            raise CommitError(f"window {run.run_id} was committed by another attempt at the stream meanwhile")
        run = replace(run, lease_owner=lease_owner)
        by_table = groupby(sorted(files, key=attrgetter("table")), key=attrgetter("table"))
        merged = [file for _, staged in by_table for file in merge_staged_files(run, staged)]
        merged += write_stories(run, [file for file in merged if file.table == "articles"])
        # A URL that still waits has its row in a later window, so the rows themselves are the count.
        urls = sum(file.rows for file in merged if file.table == "fetches")
        commit(store, run, merged, urls)
        count("windows", "committed")
