"""Run Onrecord daily as an Airflow DAG (Airflow 3): copy this file into your DAG folder.

Onrecord is installed in a separate environment, so its libraries cannot conflict with Airflow's. Three environment
variables of the worker locate it:

    ONRECORD         the command (default: `onrecord`)
    ONRECORD_HOME    the working folder, base of relative paths in the configuration (default: that of the worker)
    ONRECORD_CONFIG  the configuration (default: configs/scheduled.yaml)
"""

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

FINAL = {
    2: "the command or its configuration is invalid",
    3: "the quality gate holds the run: check it, and commit it with --accept if it is right",
}
"""Exit codes after which a retry would end the same (docs/running.md); the log of the task says what to do."""


@dag(
    schedule=CronDataIntervalTimetable("15 5 * * *", timezone="UTC"),  # each morning, the run of the previous day
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "date": Param(
            None, type=["null", "string"], format="date", description="Day of the run; default: the previous day."
        )
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
    """Run the command with its output in the task's log. If the task is stopped, the command commits fetched pages.

    Raises:
        AirflowFailException: the command failed, and a retry would fail too.
        CalledProcessError: the command failed in another way.
    """
    command = [os.environ.get("ONRECORD", "onrecord"), *arguments]
    process = subprocess.Popen(  # noqa: S603 - the command is set by the operator of the worker
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
