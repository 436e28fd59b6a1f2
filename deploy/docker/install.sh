#!/bin/sh
# Install Onrecord from this folder into a new virtual environment with the locked versions: install.sh TARGET
set -eu
target=$1
python3 -m venv "$target"
"$target/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-dataflow.txt
"$target/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .
"$target/bin/python" -m pip check
