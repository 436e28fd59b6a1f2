"""Define the base class of all errors that end a command with one clear message.

    OnrecordError
    ├── CommitError          the run failed before its commit (pipeline.lake.transaction)
    │   └── HeldError        the quality gate holds the run (pipeline.lake.transaction)
    ├── ConfigError          the configuration or an option is not valid (pipeline.config.errors)
    ├── ExportError          the lake cannot be exported to a target (pipeline.export.selection)
    ├── GazetteerError       a gazetteer is not valid (transforms.annotate.entities.gazetteer_files)
    ├── ListError            a list of URLs is not valid (transforms.sources.url_lists)
    ├── NoSuchRunError       the run is not committed in this lake (pipeline.lake.query.diff)
    ├── NothingHeldError     the quality gate holds no attempt at the run (pipeline.lake.transaction)
    ├── RunLockedError       another process holds the lock of the run (pipeline.lake.transaction)
    ├── ShowError            the page cannot be shown (pipeline.cli.show)
    ├── StoreError           a file or bucket cannot be read or written (transforms.storage.base)
    ├── StreamError          the engine of a stream failed (pipeline.stream.runner)
    └── SubscriptionError    a Pub/Sub subscription cannot be read (transforms.sources.streaming.pubsub)

Exceptions that the caller always handles are outside this tree: `Rejected` (an input without output), `Locked` and
`Changed` (results of a store operation), `PrivateAddress` (an OSError for aiohttp).
"""

import re
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of all commands. `docs/running.md` shows them as a table, with `meaning`."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "ExitCode":
        """A code with its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "the command is complete, or there was nothing to do"
    FAILED = 1, "every URL of the run failed; or the command failed, and the lake is unchanged"
    REFUSED = 2, "the command, the configuration or a file is not valid"
    HELD = 3, "the quality gate holds the run, and nothing of it is visible"
    LOCKED = 4, "another process holds the lock"
    INTERRUPTED = 130, "the command was aborted before its end"


_CLASS = re.compile(r"(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|ArrowInvalid|Interrupt): ")
_PREFIX = re.compile(r"(?:(?:[A-Z]\w* )+Error: )?(?:\[Errno [0-9]+\] )?")
_STEP = re.compile(r" \[while running .*\]$")
_DAMAGED = re.compile(r"(?:magic bytes|parquet)\b.*?([^\s'\"]+\.parquet)", re.IGNORECASE)


def cause_of(error: BaseException) -> str:
    """The cause of an error of the system or of a library as one line, without class names, codes and steps of Beam.

    Args:
        error: the error; its message may contain the traceback of a worker.
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    details = [line.removeprefix("details = ").strip('"') for line in lines if line.startswith("details = ")]
    raised = [line for line in lines if _CLASS.match(line)]
    line = (details or raised or (lines if "Traceback" in str(error) else lines[:1]) or [type(error).__name__])[-1]
    while match := _CLASS.match(line):
        line = line[match.end() :]
    cause = _STEP.sub("", _PREFIX.sub("", line, count=1))
    if damaged := _DAMAGED.search(cause):
        return f"{cause}: the file {damaged[1]} is damaged, restore it from a copy"
    return cause


class OnrecordError(Exception):
    """An error that a user can act on; the message says what failed, where, and what to do."""

    exit_code: ClassVar[int] = ExitCode.FAILED
    """Exit code of a command that ends with this error."""
