"""The commit of a stream: each window becomes a run of its own, by the same protocol (`pipeline.lake.commit`).

A run's id is the configuration's name and the window's beginning; what comes later of the same window is a run of its
own (``-late1``), be it late, or of a stream that was stopped and started again inside the window. A runner that lost a
worker may hand a window's files over once more: the manifest that stands names the same attempt then, and nothing is
done but to tell the queues.
"""

from collections.abc import Iterable
from dataclasses import replace
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
from transforms.write.parquet import publish_files


class CommitWindows(beam.PTransform):
    """Commits the files of each window: PCollection[StagedFile], in fixed windows, -> PCollection[str], the runs' ids.

    Args:
        run: the stream's attempt.
        acknowledge: is called with the ack_handles of rows that stand.
    """

    def __init__(self, run: Run, acknowledge: Acknowledge) -> None:
        super().__init__()
        self._run, self._acknowledge = run, acknowledge

    def expand(self, files: "beam.PCollection[StagedFile]") -> "beam.PCollection[str]":
        return (
            files
            | "Whole" >> beam.Map(lambda file: ("", file)).with_output_types(tuple[str, StagedFile])
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_CommitWindow(self._run, self._acknowledge)).with_output_types(str)
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
        self._acknowledge(ack_handle for file in files for ack_handle in file.ack_handles)
        open_store(run.lake).delete([file.path for file in files])
        yield run.run_id


def window_run(stream: Run, start: datetime, pane: int) -> Run:
    """The run that commits one pane of a window; the same whenever it is asked for.

    Args:
        stream: the stream's attempt.
        start: the window's beginning.
        pane: the pane's number. What other attempts have committed of the same window stays, and is counted too.
    """
    run, store = stream.of_window(start), open_store(stream.lake)

    def named(number: int) -> str:
        return f"{run.run_id}-late{number}" if number else run.run_id

    standing: list[Manifest] = []
    while (manifest := read_manifest(store, named(len(standing)))) is not None:
        standing.append(manifest)
    own = [number for number, manifest in enumerate(standing) if manifest.attempt == run.attempt]
    return replace(run, run_id=named(own[pane] if pane < len(own) else len(standing) + pane - len(own)))


def commit_window(run: Run, files: Iterable[StagedFile]) -> None:
    """Commits one window; doing it again for the same attempt changes nothing.

    Args:
        run: the window's run.
        files: staged files of all tables.

    Raises:
        RunLockedError: another worker is at the same window.
        CommitError: another attempt committed it.
    """
    store = open_store(run.lake)
    with exclusive(store, run.run_id, recover_others=False) as lease_owner:
        if is_committed(store, run):
            return
        if read_manifest(store, run.run_id) is not None:
            raise CommitError(f"window {run.run_id} was committed by another attempt at the stream meanwhile")
        run = replace(run, lease_owner=lease_owner)
        by_table = groupby(sorted(files, key=attrgetter("table")), key=attrgetter("table"))
        published = [file for _, several in by_table for file in publish_files(run, several)]
        published += write_stories(run, [file for file in published if file.table == "articles"])
        # What came in is what was settled: a URL that still waits has its row in a later window.
        urls = sum(file.rows for file in published if file.table == "fetches")
        commit(store, run, published, urls)
        count("windows", "committed")
