"""What commands share: exit codes, options, the terminal, and how a command ends with one sentence."""

import logging
import re
import sys
import warnings
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED, EXIT_REFUSED, EXIT_HELD, EXIT_INTERRUPTED = 1, 2, 3, 130

JSON_LOG = logging.getLogger("onrecord")
"""Enabled where ``--json-logs`` is given."""
JSON_LOG.disabled = True

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

ConfigArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")]
LakeOverride = Annotated[
    str | None, typer.Option("--lake", help="The lake: a folder or gs://bucket/prefix, in place of the configured one.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Overrides one option, such as fetch.shards=8.")
]
LakeOption = Annotated[str, typer.Option("--lake", envvar="ONRECORD_LAKE", help="A folder or gs://bucket/prefix.")]


class RowFormat(str, Enum):
    """How rows are printed."""

    TABLE = "table"
    JSONL = "jsonl"


def warn(message: str, event: str = "warned", **figures: object) -> None:
    """Says a sentence on standard error.

    Args:
        message: the sentence.
        event: what it is about, for ``--json-logs``.
        figures: what else belongs to it there.
    """
    if JSON_LOG.disabled:
        typer.echo(f"onrecord: {message}", err=True)
    else:
        JSON_LOG.error(message, extra={"event": event, "figures": figures})


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a sentence on standard error."""
    warn(message, "failed", exit_code=code)
    raise typer.Exit(code)


def refuse(message: str) -> NoReturn:
    """Ends the command because of what the user asked for."""
    fail(message, EXIT_REFUSED)


def run_id_of_option(given: str | None) -> str | None:
    """An option's value, refused where it is no run's id (`pipeline.lake.manifest.check_run_id`)."""
    return _checked_run_id(given, is_new=False)


def new_run_id_of_option(given: str | None) -> str | None:
    """The same where a run is made under it."""
    return _checked_run_id(given, is_new=True)


def _checked_run_id(given: str | None, *, is_new: bool) -> str | None:
    if given is not None:
        from pipeline.lake.manifest import check_run_id

        try:
            check_run_id(given, is_new=is_new)
        except ValueError as error:
            refuse(str(error))
    return given


def quiet(verbose: bool = False) -> None:
    """Silences what libraries log, unless it is asked for."""
    JSON_LOG.disabled = True
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL)
    if not verbose:
        # Beam's libraries warn of their own affairs when they are imported.
        warnings.simplefilter("ignore")


def terminal() -> "Console":
    """Where tables are printed."""
    from rich.console import Console

    # A pipe or a file has no width: nothing is cut there.
    return Console(width=None if sys.stdout.isatty() else 10_000)


def cell(value: object) -> str:
    """A value as tables print it: without rich's markup, and without what a terminal takes for a command.

    Args:
        value: as it came, such as a site's own address for a page; None for an empty cell.
    """
    from rich.markup import escape

    return "" if value is None else escape(_CONTROL.sub("\ufffd", str(value)))
