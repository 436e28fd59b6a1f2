"""The daily run as an Airflow DAG (Airflow 3): put this file into the folder of your DAGs.

Onrecord lives in an environment of its own, whose libraries need not agree with Airflow's. Three variables of the
worker's environment say where:

    ONRECORD         its command; else `onrecord`
    ONRECORD_HOME    the folder to run in, by which relative paths in the configuration go; else the worker's own
    ONRECORD_CONFIG  the configuration; else configs/scheduled.yaml
"""

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

FINAL = {
    2: "the command or its configuration is refused",
    3: "the quality gate holds the run: look at it, then publish it with --accept or let it be",
}
"""Exit codes after which a retry would end the same (docs/running.md); the log of the task says what to do."""


@dag(
    schedule=CronDataIntervalTimetable("15 5 * * *", timezone="UTC"),  # each morning, the run of the day before
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "date": Param(None, type=["null", "string"], format="date", description="The run's day, else the day before.")
    },
    tags=["onrecord"],
    doc_md=__doc__,
)
def onrecord_daily():
    # A retry continues a run that crashed, and requests the URLs again of a run in which every URL failed.
    @task(retries=3, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=12))
    def run() -> str:
        context = get_current_context()
        interval = context.get("data_interval_start")
        day = context["params"]["date"] or f"{interval or context['dag_run'].run_after - timedelta(days=1):%Y-%m-%d}"
        onrecord("run", os.environ.get("ONRECORD_CONFIG", "configs/scheduled.yaml"), "--date", day)
        return day

    run()


def onrecord(*arguments: str) -> None:
    """Runs the command; its output goes to the task's log, and a stop of the task lets it commit what it has.

    Raises:
        AirflowFailException: it failed in a way that another try would not mend.
        CalledProcessError: it failed otherwise.
    """
    command = [os.environ.get("ONRECORD", "onrecord"), *arguments]
    process = subprocess.Popen(  # noqa: S603 - the command of whoever runs the worker
        command, cwd=os.environ.get("ONRECORD_HOME"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout:
            sys.stdout.write(line)
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code in FINAL:
        raise AirflowFailException(f"{FINAL[code]} (exit code {code})")
    if code:
        raise subprocess.CalledProcessError(code, command)


onrecord_daily()
