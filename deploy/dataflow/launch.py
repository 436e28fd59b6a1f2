"""Entry point of the Dataflow flex template: launch a run with the template's parameters and Beam's options."""

import sys

from pipeline.cli.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
