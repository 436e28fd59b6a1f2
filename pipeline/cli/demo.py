"""The command `onrecord demo`."""

import json
import os
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import fail, refuse

if TYPE_CHECKING:
    from pipeline.demo.server import Site


def demo(
    run: Annotated[bool, typer.Option("--run", help="Run the pipeline on the site, then stop.")] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65_535, help="Port of the site (default: 8765, or a free one)."),
    ] = None,
) -> None:
    """Serve a small news site on this machine, and write a configuration for it.

    The site has four invented publishers and needs no internet access. demo.yaml and demo-urls.txt are written to the
    current folder unless they exist; copy and edit them for your own URLs. Ctrl-C stops the site.
    """
    from pipeline.demo.beside import run_beside
    from pipeline.demo.files import CONFIG, PORT, write_config

    with ExitStack() as stack:
        site = _start(stack, port)
        try:
            written = write_config(Path(), site.address)
        except OSError as error:
            fail(f"{CONFIG} cannot be written to {Path().absolute()}: {error.strerror}; change to another folder")
        if run:
            files = " and ".join(written)
            typer.echo(f"{f'Wrote {files}' if written else f'Using {CONFIG}'}; the site is on {site.address}.")
            resolve = f"fetch.resolve={json.dumps({'*.example': site.address})}"
            override = [] if site.address == f"127.0.0.1:{PORT}" else ["--set", resolve]
            command = [sys.executable, "-m", "onrecord", "run", CONFIG, "--run-id", "demo", "--replace", *override]
            code = run_beside(command, os.environ)
            if code == 0:
                typer.echo(f"Next: `onrecord demo` serves the site for your own copy of {CONFIG}.")
            raise typer.Exit(code)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            typer.echo(f"Serving {', '.join(site.hosts)} on {site.address} until Ctrl-C.")
            typer.echo(f"{'Wrote ' + ' and '.join(written) if written else CONFIG + ' exists and is kept'}.")
            typer.echo(f"In another terminal: onrecord run {CONFIG}")
            threading.Event().wait()


def _start(stack: ExitStack, port: int | None) -> "Site":
    """Start the site on the port, or on the port of the configuration, or else on a free one."""
    from pipeline.demo.files import PORT
    from pipeline.demo.server import Site

    try:
        return stack.enter_context(Site(port or PORT))
    except OSError as error:
        if port is not None:
            refuse(f"--port {port} cannot be used: {os.strerror(error.errno or 0)}; choose another port")
    return stack.enter_context(Site())
