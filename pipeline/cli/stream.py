"""The command `onrecord stream`."""

import os
import sys

from pipeline.cli.console import (
    EXIT_REFUSED,
    ConfigArgument,
    LakeOverride,
    SetOption,
    exit_on_error,
    quiet,
    warn,
)
from pipeline.cli.run import BeamArgument, JsonLogsOption, QuietOption, VerboseOption, display_of


def stream(
    config: ConfigArgument,
    beam_options: BeamArgument = None,
    lake: LakeOverride = None,
    set_: SetOption = None,
    verbose: VerboseOption = False,
    is_quiet: QuietOption = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Follow the sources of CONFIG continuously.

    Each time window is committed as a run. The first Ctrl-C drains: fetched pages are committed, and the same command
    continues with the rest. The second Ctrl-C aborts.
    """
    quiet(verbose)
    from pipeline.config.load import check_reachable, load_config
    from pipeline.run.engines import runner_of
    from pipeline.stream.runner import StreamError, run_stream, stream_options
    from transforms.schema.run import stream_id
    from transforms.storage.base import StoreError

    options = beam_options or []
    display = display_of(
        "stopping: fetched pages will be committed, the next start fetches the rest; press Ctrl-C again to abort",
        as_json=json_logs,
        is_quiet=is_quiet,
        is_verbose=verbose,
    )
    interrupted = "aborted; the same command fetches again what was not committed"
    with exit_on_error({StoreError: EXIT_REFUSED}, interrupted=interrupted):
        loaded = load_config(config, set_ or [], lake)
        check_reachable(loaded)
        runner, window = runner_of(stream_options(options)), loaded.stream.window
        display.run_started(stream_id(loaded.name))
        sentence = f"Stream {loaded.name} on {runner}, windows of {window}, lake {loaded.lake}"
        display.say("started", sentence, runner=runner, window=window, lake=loaded.lake)
        try:
            run_stream(loaded, options, display)
        except StreamError as error:
            if not error.can_restart:
                raise
            warn(str(error))
            # A new process replaces this one, so that nothing remains of the failed engine.
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same command
    display.say("stream_ended", f"Stream {loaded.name} has ended; its windows are in {loaded.lake}")
