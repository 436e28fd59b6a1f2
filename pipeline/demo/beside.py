"""Run a command beside the demo's site."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType


def run_beside(command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> int:
    """Run a command, and forward signals to it.

    Args:
        command: the command with its arguments.
        environment: all its environment variables.
        folder: its working directory (default: the current one).

    Returns:
        Its exit code; 128 + n if signal n ended it, 127 if it could not be started.
    """
    try:
        # With its own session, the command gets a Ctrl-C in the terminal once, from this process, not twice.
        child = subprocess.Popen(command, env=dict(environment), cwd=folder, start_new_session=True)  # noqa: S603 - ours
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
