# make        sets up .venv
# make demo   compares a basic CNN with transfer learning on Fashion-MNIST and writes demo/report.html
# make test   lint, types, the direction of imports, all tests
# make fast   the same without the tests that train for long

PYTHON ?= python3.11
BIN := .venv/bin
# What the machine lacks is set up once; a change of pyproject.toml sets it up again.
READY := .venv/ready

# The tests of a file stay together: they share what is dear to make.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadgroup
# Tests start many processes, which compile our modules once and share them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all demo test fast lint clean
all: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/headstart compare fashion-mnist --time-limit 5m --out demo

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

fast: lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'not slow'

clean:
	rm -rf .venv demo runs
