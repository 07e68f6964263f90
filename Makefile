# Two commands on a fresh machine do everything:
#   make compare CELL=K562    the main job, on the embedded dataset
#   make test                 the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CELL ?= K562

.PHONY: compare test check figures clean

compare: $(VENV)/installed
	$(BIN)/chromviz compare --cell $(CELL) --out results/$(CELL)

test: $(VENV)/tested
	$(BIN)/pytest

# Style, types and the direction of imports.
check: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

figures: $(VENV)/installed
	$(BIN)/python figures/simulator_calibration.py --out figures

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The constraints name the versions that were tested; with them pip takes a CPU build of torch
# where one is at hand.
$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
