"""The base class of all errors that end a command with one clear message.

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

from typing import ClassVar


class OnrecordError(Exception):
    """An error that a user can act on; the message says what failed, where, and what to do."""

    exit_code: ClassVar[int] = 1
    """Exit code of a command that ends with this error: 1 failed, 2 refused, 3 held by the quality gate."""
