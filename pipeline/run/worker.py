"""The worker process of a local run: Beam's own, without log output and with signals ignored.

A Ctrl-C in a terminal, and a SIGTERM of a service manager, reach every process of a command. The first process makes
the others finish their current work (`transforms.runtime.drain`), so workers must not end on a signal; they end when
their connection to the first process closes.
"""

import logging
import os
import signal
import sys
import warnings

from pipeline.run.malloc import configure_malloc


def main(level: int) -> None:
    """Work until the first process ends or has no more work.

    Args:
        level: minimum level of logged messages.
    """
    # There is one worker per processor, so thread pools of numpy and Arrow would only compete for it.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    configure_malloc()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Beam changes the levels of loggers later; this limit still applies.
    logging.disable(level - 1)
    # Only the first process prints messages; the workers send theirs to it.
    logging.getLogger().addHandler(logging.NullHandler())
    if level > logging.INFO:
        warnings.simplefilter("ignore")

    # Libraries read the settings above at their import.
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
