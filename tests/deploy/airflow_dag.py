"""Load the DAG in a real Airflow and run it against the demo site: `make test-airflow`.

Runs in Airflow's own environment, which has nothing of Onrecord, beside the site (``python -m tests.site``).
Arguments: the command `onrecord`.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = """
name: daily
lake: {lake}
sources:
  - type: feeds
    urls: [http://karra-times.example/feed.json]
fetch:
  resolve: {{"*.example": "${{ONRECORD_DEMO}}"}}
  allow_private_hosts: ["*.example"]
  delay_seconds: 0.1
"""
REFUSING = "#!/bin/sh\necho held by the quality gate\nexit 3\n"


def main(command: str, home: Path) -> None:
    """Run all checks."""
    # Airflow reads its settings when it is imported.
    os.environ.update(
        AIRFLOW_HOME=str(home / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "deploy" / "airflow"),
        ONRECORD=command,
        ONRECORD_HOME=str(home),
        ONRECORD_CONFIG="daily.yaml",
    )
    home.joinpath("daily.yaml").write_text(CONFIG.format(lake=home / "lake"))

    from airflow import __version__
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    bag = DagBag()
    expect(not bag.import_errors, f"import errors: {bag.import_errors}")
    expect(list(bag.dags) == ["onrecord_daily"], f"DAGs: {list(bag.dags)}")
    dag = bag.dags["onrecord_daily"]
    (task,) = dag.tasks
    expect((task.task_id, task.retries) == ("run", 3), f"task: {task}")

    morning = datetime(2026, 1, 31, 5, 15, tzinfo=timezone.utc)
    expect(dag.test(logical_date=morning).state == "success", "the run failed")
    manifest = home / "lake" / "_runs" / "daily-20260130T0000.json"
    expect(manifest.is_file(), "the run is not committed")
    written = manifest.stat().st_mtime_ns
    expect(dag.test(logical_date=morning, run_conf={"date": "2026-01-30"}).state == "success", "the repeat failed")
    expect(manifest.stat().st_mtime_ns == written, "the repeat made the run again")

    gate = home / "gate"
    gate.write_text(REFUSING)
    gate.chmod(0o755)
    os.environ["ONRECORD"] = str(gate)
    held = dag.test(logical_date=datetime(2026, 2, 1, 5, 15, tzinfo=timezone.utc))
    (instance,) = held.get_task_instances()
    expect((held.state, instance.state) == ("failed", "failed"), f"exit code 3 ends in {held.state}, {instance.state}")
    expect(instance.try_number == 1, f"exit code 3 was tried {instance.try_number} times")

    # Other failures are retried, for which `dag.test` would wait ten minutes.
    gate.write_text(REFUSING.replace("exit 3", "exit 1"))
    try:
        runpy.run_path(str(ROOT / "deploy" / "airflow" / "onrecord_daily.py"))["onrecord"]("run")
    except subprocess.CalledProcessError as error:
        expect(error.returncode == 1, f"exit code 1 is {error.returncode}")
    else:
        expect(False, "exit code 1 is no failure")
    sys.stdout.write(
        f"Airflow {__version__}: the DAG loads, runs, repeats without a second run, and stops at exit code 3\n"
    )


def expect(holds: bool, otherwise: str) -> None:
    """Exit with a message if a condition does not hold."""
    if not holds:
        sys.exit(f"airflow_dag: {otherwise}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(str(Path(sys.argv[1]).absolute()), Path(folder))
