# make          create .venv with all development dependencies
# make demo     compare a basic CNN with transfer learning on Fashion-MNIST; writes demo/report.html
# make test     lint, types, import directions, all tests
# make fast     the same without the tests that train for a long time
# make coverage all tests, and the share of executed lines: at least 95%; takes longer
# make faults   kill, fail and cut off the power of small commands in thousands of ways; hours
# make mutations   remove one protection at a time; each must make a test fail; half an hour
# make docs     build the site of the documentation in build/site; warnings are errors
# make notebooks    execute the tutorials again and keep their output; tens of minutes
# make tables   write the tables of benchmarks again from their result files
# make serve-docs   show the site at http://127.0.0.1:8080
# make oldest   the fast tests with the oldest supported versions of the dependencies

PYTHON ?= python3.11
BIN := .venv/bin
# Created once; a change of pyproject.toml updates it.
READY := .venv/ready

# Tests of one file run in one process, because they share what is expensive to make. Many wait for
# commands that they started, so there is one process more than cores.
PROCESSES := $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() + 1))")
PARALLEL := --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder
# The measured coverage is 96%. The floor leaves room for branches that only other machines take.
COVERAGE := --cov=headstart --cov-report=term:skip-covered --cov-fail-under=95
# Tests start many processes, which share the compiled modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all demo test coverage fast faults mutations lint docs notebooks tables serve-docs oldest clean
all: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/headstart compare fashion-mnist --time-limit 5m --out demo

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/run_faults.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/shared_folder.py

mutations: $(READY)
	$(BIN)/python tests/faults/run_mutations.py

test: lint
	$(BIN)/python -m pytest $(PARALLEL)

coverage: lint
	$(BIN)/python -m pytest $(PARALLEL) $(COVERAGE)

fast: lint
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

.venv-docs/ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-docs/bin/python -m pip install --quiet --group docs
	touch .venv-docs/ready

docs: .venv-docs/ready
	PYTHONPATH=src .venv-docs/bin/python docs/command_pages.py --check
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --nitpicky --conf-dir docs . build/site

notebooks: $(READY)
	$(BIN)/python -m pip install --quiet --group notebooks
	$(BIN)/python docs/notebooks.py

tables: $(READY)
	$(BIN)/python benchmarks/features.py table
	$(BIN)/python benchmarks/fit.py table
	$(BIN)/python benchmarks/serve.py table
	$(BIN)/python benchmarks/startup.py table
	$(BIN)/python benchmarks/time_to_accuracy.py table
	$(BIN)/python benchmarks/time_to_tune.py table

serve-docs: docs
	.venv-docs/bin/python -m http.server --bind 127.0.0.1 --directory build/site 8080

oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade pip
	.venv-oldest/bin/python -m pip install --quiet --editable '.[dev]' --constraint constraints/oldest.txt
	.venv-oldest/bin/python -m pytest $(PARALLEL) -m 'not slow'

clean:
	rm -rf .venv .venv-docs .venv-oldest build demo runs
