"""Select the manifests to export, and check that they can be exported."""

from pipeline.lake.manifest import Manifest, manifests
from transforms.schema.errors import ExitCode, OnrecordError
from transforms.storage.base import Store


class ExportError(OnrecordError):
    """The lake cannot be exported to the target; the message is one sentence with what to do."""

    exit_code = ExitCode.REFUSED


def select_manifests(store: Store, run_id: str | None) -> list[Manifest]:
    """Select the manifests to export.

    Args:
        store: the lake.
        run_id: export only this run, or the compaction that holds its rows now; None: all runs.

    Raises:
        ExportError: the run is not committed, or the lake is empty.
    """
    found = [m for m in manifests(store) if run_id is None or run_id in exported_runs(m)]
    if not found:
        raise ExportError(
            f"{store.root} has no committed run; `onrecord run` creates one"
            if run_id is None
            else f"--run {run_id} is not committed in {store.root}; `onrecord runs` lists the runs"
        )
    return found


def exported_runs(manifest: Manifest) -> set[str]:
    """Run ids of the rows in a manifest's files that are current: its own run, or the runs that it compacted."""
    return ({*manifest.supersedes} or {manifest.run_id}) - manifest.excluded_runs


def check_exportable(runs: list[Manifest]) -> None:
    """Check that no file holds outdated rows, because a warehouse loads whole files.

    Raises:
        ExportError: a compacted file still holds rows of a run that was replaced later.
    """
    for manifest in runs:
        if manifest.excluded_runs:
            raise ExportError(
                f"the files of {manifest.run_id} still hold outdated rows of "
                f"{', '.join(sorted(manifest.excluded_runs))}, which ran again later: "
                "`onrecord compact` removes them, then export again"
            )
