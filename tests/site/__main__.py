"""Serve the demo's news site: ``python -m tests.site [COMMAND...]``.

With a COMMAND: sets ONRECORD_DEMO=127.0.0.1:PORT in its environment, runs it and exits with its code. Without one:
prints the address and serves until Ctrl-C.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType

from tests.site.server import Site


def run_beside(command: list[str], address: str) -> int:
    """Run a command with the site in ONRECORD_DEMO, and forward signals to it.

    Returns:
        Its exit code; 128 + n when signal n ended it, 127 when it could not be started.
    """
    try:
        # With its own session, the command gets a Ctrl-C in the terminal once, from this process, not twice.
        child = subprocess.Popen(command, env={**os.environ, "ONRECORD_DEMO": address}, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"Cannot run {command[0]}: {error.strerror}.\n")
        return 127

    def pass_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def main(command: list[str]) -> int:
    """Serve the site while the command runs, or until Ctrl-C."""
    with Site() as site:
        if command:
            return run_beside(command, site.address)
        with suppress(KeyboardInterrupt):
            sys.stdout.write(f"Serving {', '.join(site.hosts)} on {site.address} until Ctrl-C.\n")
            sys.stdout.write(f"Try: curl -H 'Host: wire.example' http://{site.address}/2025/storm-gates\n")
            sys.stdout.flush()
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
