"""Run the command line: ``python -m onrecord`` and the console script ``onrecord``."""

import sys

from onrecord.packages import package_error


def main() -> None:
    """Run the command line, unless another package shadows one of ours."""
    if (error := package_error()) is not None:
        sys.stderr.write(f"onrecord: {error}\n")
        sys.exit(2)
    from pipeline.cli.app import main as run_command

    run_command()


if __name__ == "__main__":
    main()
