"""Check a command line without running it."""

from typing import Any

import typer.main
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.cli.app import app


def check_call(arguments: list[str]) -> None:
    """Parse arguments like the command line, without running anything; an invalid one raises UsageError."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"onrecord has no command {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("onrecord", [*arguments])
    beam_options = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    given = {option[2:].partition("=")[0] for option in beam_options}
    assert given <= PipelineOptions([]).get_all_options().keys(), f"not options of Beam: {given}"
