"""Run the command line: ``python -m onrecord``."""

from pipeline.cli.app import main

if __name__ == "__main__":
    main()
