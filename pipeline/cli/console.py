"""Share exit codes, options, messages and error handling between the commands."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from transforms.schema.errors import ExitCode, OnrecordError, cause_of

if TYPE_CHECKING:
    from rich.console import Console

    from transforms.storage.base import Store

EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = ExitCode.FAILED, ExitCode.REFUSED, ExitCode.INTERRUPTED
EXIT_LOCKED = ExitCode.LOCKED

JSON_LOG = logging.getLogger("onrecord")
"""Logger of all messages, enabled by ``--json-logs``."""
JSON_LOG.disabled = True

NO_RUN = "--lake {} has no committed run; `onrecord run` creates one"
"""Sentence for an empty lake."""

_LONG_WORD = re.compile(r"\S{2000,}")
"""A misplaced value, such as a page or a key, that would fill the screen."""
_messages: list[str] = []
"""Events of the sentences that were printed."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

ConfigArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")]
LakeOverride = Annotated[
    str | None, typer.Option("--lake", help="The lake, a folder or gs://bucket/prefix; replaces the configured one.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one option, such as fetch.shards=8.")
]
LakeOption = Annotated[
    str, typer.Option("--lake", envvar="ONRECORD_LAKE", help="The lake, a folder or gs://bucket/prefix.")
]


class RowFormat(str, Enum):
    """Output format of rows."""

    TABLE = "table"
    JSONL = "jsonl"


def warn(message: str, event: str = "warned", **figures: object) -> None:
    """Print a sentence on standard error.

    Args:
        message: the sentence.
        event: name of the event, for ``--json-logs``.
        figures: further keys of the JSON object, for ``--json-logs``.
    """
    _messages.append(event)
    message = _LONG_WORD.sub(lambda match: f"{match[0][:100]}...", message)
    if JSON_LOG.disabled:
        typer.echo(f"onrecord: {message}", err=True)
    else:
        JSON_LOG.error(message, extra={"event": event, "figures": figures})


def has_message() -> bool:
    """Whether a sentence has said why the command ends."""
    return "failed" in _messages


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the command with a sentence on standard error and an exit code."""
    warn(message, "failed", exit_code=int(code))
    raise typer.Exit(code)


def refuse(message: str) -> NoReturn:
    """End the command because its arguments, its configuration or the state of the lake do not allow it."""
    fail(message, EXIT_REFUSED)


@contextmanager
def exit_on_error(
    codes: Mapping[type[Exception], int] | None = None, *, interrupted: str | None = None
) -> Iterator[None]:
    """End the command with one sentence and an exit code if the code inside raises an error.

    Args:
        codes: exit codes of other errors, and of an `OnrecordError` that needs another code in this command.
        interrupted: sentence for KeyboardInterrupt; without it, the interrupt is not handled here.
    """
    codes = codes or {}
    handled: tuple[type[Exception], ...] = (OnrecordError, OSError, *codes)
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe has ended; typer ends without a message
    except handled as error:
        code = next((code for kind, code in codes.items() if isinstance(error, kind)), None)
        if isinstance(error, OnrecordError):
            fail(str(error), error.exit_code if code is None else code)
        fail(cause_of(error), EXIT_FAILED if code is None else code)
    except KeyboardInterrupt:
        if interrupted is None:
            raise
        fail(interrupted, EXIT_INTERRUPTED)


def committed_store(lake: str) -> "Store":
    """Open a lake, and refuse one without a committed run."""
    from pipeline.lake.manifest import manifests
    from transforms.storage.open import open_store

    store = open_store(lake)
    if not manifests(store):
        refuse(NO_RUN.format(lake))
    return store


def run_id_option(value: str | None) -> str | None:
    """Check an option or argument that names a run (`pipeline.lake.manifest.check_run_id`)."""
    return _checked_run_id(value, is_new=False)


def new_run_id_option(value: str | None) -> str | None:
    """Check an option that names a new run."""
    return _checked_run_id(value, is_new=True)


def _checked_run_id(value: str | None, *, is_new: bool) -> str | None:
    if value is not None:
        from pipeline.lake.manifest import check_run_id

        try:
            check_run_id(value, is_new=is_new)
        except ValueError as error:
            refuse(str(error))
    return value


def quiet(verbose: bool = False) -> None:
    """Suppress logs and warnings of libraries unless `verbose`."""
    JSON_LOG.disabled = True
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL)
    if not verbose:
        # Libraries of Beam emit warnings at their import that a user cannot act on.
        warnings.simplefilter("ignore")


def terminal() -> "Console":
    """The console of standard output."""
    from rich.console import Console

    # A pipe or a file has no width, so lines are not cut there.
    return Console(width=None if sys.stdout.isatty() else 10_000)


def cell(value: object) -> str:
    """Format a value for a table, with rich's markup escaped and control characters replaced.

    Args:
        value: any value, such as the URL of a page; None gives an empty cell.
    """
    from rich.markup import escape

    if isinstance(value, float) and 1e-4 <= abs(value) < 1e7:
        value = f"{value:.7g}"
    return "" if value is None else escape(_CONTROL.sub("\ufffd", str(value)))
