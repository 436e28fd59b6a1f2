"""Launch a run on an engine and exit before it ends; the launcher of a Dataflow flex template calls this module.

    python -m pipeline.cli.launch --config=gs://bucket/daily.yaml --date=2026-01-31 --runner=DataflowRunner ...

The job itself commits the run, so no other process has to wait for it. If a run is launched twice, the job that ends
last determines its rows; Dataflow rejects a second job of the same name, so name jobs after their runs.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime

import apache_beam as beam

from pipeline.config.backfill import scheduled_runs
from pipeline.config.errors import ConfigError
from pipeline.config.models import RunConfig
from pipeline.graph import build
from pipeline.lake.commit import exclusive
from pipeline.lake.previous_run import previous_run
from pipeline.lake.recovery import start_attempt
from pipeline.run.engines import check_job, remote_options
from pipeline.run.runner import run_id_of
from transforms.schema.errors import ExitCode, OnrecordError
from transforms.storage.open import open_store


def main(arguments: Sequence[str]) -> int:
    """Launch the run that the arguments name.

    Args:
        arguments: ``--config`` and the other options below; all others are passed to Beam.

    Returns:
        The exit code (`transforms.schema.errors.ExitCode`); 0 too if the run is already committed.
    """
    parser = argparse.ArgumentParser(prog="onrecord-launch", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="The configuration: a file or gs://bucket/name.")
    parser.add_argument("--date", help="Logical time of the run, YYYY-MM-DD or YYYY-MM-DDTHH:MM in UTC (default: now).")
    parser.add_argument("--lake", help="The lake; replaces the configured one.")
    parser.add_argument("--set", default="", help="Options that override the configuration: key=value;key=value.")
    given, beam_options = parser.parse_known_args(list(arguments))
    try:
        if given.date and ".." in given.date:
            raise ConfigError(f"--date {given.date}: a job is one run; launch one job for each day")
        overrides = [pair for pair in given.set.split(";") if pair]
        ((config, moment, _),) = scheduled_runs(given.config, overrides, given.lake or None, given.date or None)
        run_id = run_id_of(config.name, moment)
        is_launched = launch(config, run_id, moment, beam_options)
    except OnrecordError as error:
        sys.stderr.write(f"onrecord: {error}\n")
        return error.exit_code
    if not is_launched:
        sys.stdout.write(f"Nothing to launch: run {run_id} is already committed\n")
        return ExitCode.OK
    sys.stdout.write(f"Run {run_id} is launched; its rows will be in {config.lake} when the job has ended\n")
    return 0


def launch(config: RunConfig, run_id: str, logical_time: datetime, beam_options: Sequence[str]) -> bool:
    """Submit the graph of a run to its runner, and return while the job runs.

    Args:
        config: the checked configuration; the job's workers can reach its lake.
        run_id: the run's id.
        logical_time: its date is the partition of all rows.
        beam_options: Beam's own options, with a runner.

    Returns:
        False if the run is already committed, and is not retried (`pipeline.lake.previous_run`).

    Raises:
        ConfigError: Beam rejects its options, or the workers cannot reach the lake or have another version of the code.
        RunLockedError: another process holds the lock of the run.
    """
    check_job(config, beam_options)
    try:
        pipeline = beam.Pipeline(options=remote_options(beam_options))
    except ValueError as error:
        raise ConfigError(str(error).splitlines()[-1]) from error
    store = open_store(config.lake)
    with exclusive(store, run_id):
        previous = previous_run(store, config, run_id)
        if previous is not None and not previous.is_repeated:
            return False
        to_retry = previous.to_retry if previous is not None else []
        run = start_attempt(store, config, run_id, logical_time, lease_owner=None, to_retry=to_retry)
        build(pipeline, config, run)
        pipeline.run()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
