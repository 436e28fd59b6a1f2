"""What all commands share: their exit codes, how they end with one sentence, and how the lake is named."""

import logging
import warnings
from typing import Annotated, NoReturn

import typer

EXIT_FAILED, EXIT_REFUSED, EXIT_NOT_COMMITTED, EXIT_INTERRUPTED = 1, 2, 3, 130

LakeOption = Annotated[str, typer.Option("--lake", envvar="ONRECORD_LAKE", help="A folder or gs://bucket/prefix.")]


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a sentence on standard error."""
    typer.echo(f"onrecord: {message}", err=True)
    raise typer.Exit(code)


def refuse(message: str) -> NoReturn:
    """Ends the command because of what the user asked for."""
    fail(message, EXIT_REFUSED)


def quiet(verbose: bool = False) -> None:
    """Silences what libraries log, unless it is asked for."""
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL)
    if not verbose:
        # Beam's libraries warn of their own affairs when they are imported.
        warnings.simplefilter("ignore")
