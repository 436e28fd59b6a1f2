"""Serve the demo's news site: ``python -m tests.site [COMMAND...]``.

With a COMMAND: sets ONRECORD_DEMO=127.0.0.1:PORT in its environment, runs it and exits with its code. Without one:
prints the address and serves until Ctrl-C.
"""

import os
import sys
import threading
from contextlib import suppress

from pipeline.demo.beside import run_beside
from pipeline.demo.server import Site


def main(command: list[str]) -> int:
    """Serve the site while the command runs, or until Ctrl-C."""
    with Site() as site:
        if command:
            return run_beside(command, {**os.environ, "ONRECORD_DEMO": site.address})
        with suppress(KeyboardInterrupt):
            sys.stdout.write(f"Serving {', '.join(site.hosts)} on {site.address} until Ctrl-C.\n")
            sys.stdout.write(f"Try: curl -H 'Host: wire.example' http://{site.address}/2025/storm-gates\n")
            sys.stdout.flush()
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
