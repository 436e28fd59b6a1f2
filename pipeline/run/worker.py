"""A worker process of a run on this machine: Beam's own, as silent as the command, and deaf to its signals.

A terminal's Ctrl-C, and a service manager's SIGTERM, reach every process of a command. The first process has the others
finish what is under way (`transforms.runtime.drain`), so these must not end by themselves; they end with their
connection to it.
"""

import logging
import os
import signal
import sys
import warnings

from pipeline.run.malloc import give_back_memory


def main(level: int) -> None:
    """Works until the first process is gone or has no more work.

    Args:
        level: of the least severe messages that are logged.
    """
    # There is a worker for each processor: pools of threads, numpy's and Arrow's, would only take turns on them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    give_back_memory()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Beam sets levels anew; this holds whatever it sets.
    logging.disable(level - 1)
    # Messages go to the first process alone, which prints them in its own way.
    logging.getLogger().addHandler(logging.NullHandler())
    if level > logging.INFO:
        warnings.simplefilter("ignore")

    # Only now, as libraries read their settings when they are imported.
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
