"""Which manifests a publish takes, and which it refuses."""

from pipeline.lake.manifest import Manifest, manifests
from transforms.schema.errors import OnrecordError
from transforms.storage.base import Store


class ExportError(OnrecordError):
    """The lake cannot be exported to the target; the message is one sentence with what to do."""

    exit_code = 2


def chosen(store: Store, run_id: str | None) -> list[Manifest]:
    """The manifests to publish.

    Args:
        store: the lake.
        run_id: this run alone, or the compaction that holds its rows now; None for all.

    Raises:
        ExportError: there is no such run, or no run at all.
    """
    found = [m for m in manifests(store) if run_id is None or run_id in runs_of(m)]
    if not found:
        raise ExportError(
            f"no committed run lies in {store.root}: `onrecord run` makes one"
            if run_id is None
            else f"--run {run_id}: no such run is committed in {store.root}; `onrecord files --format jsonl` names them"
        )
    return found


def runs_of(manifest: Manifest) -> set[str]:
    """The runs whose rows the files of a manifest hold and that count: its own, or those that it compacted."""
    return ({*manifest.supersedes} or {manifest.run_id}) - manifest.excluded_runs


def check_settled(runs: list[Manifest]) -> None:
    """Refuses files that hold rows which no longer count, for a warehouse would take them with the file.

    Raises:
        ExportError: a compaction's files still hold rows of runs that were made anew.
    """
    for manifest in runs:
        if manifest.excluded_runs:
            raise ExportError(
                f"the files of {manifest.run_id} still hold earlier rows of "
                f"{', '.join(sorted(manifest.excluded_runs))}, which were "
                "run again: `onrecord compact` removes them, then publish again"
            )
