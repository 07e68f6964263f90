# Two commands are enough on a new machine:
#   make compare CELL=K562    the main job, on the embedded dataset
#   make test                 the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CELL ?= K562

# For the figures: the cell types of the paper's Table 3, a folder of data (default: the embedded
# dataset), and the folders for results and figures.
CELLS ?= H1-hESC GM12878 K562
DATA ?=
RESULTS ?= results
FIGURES ?= $(RESULTS)/figures
FROM = $(if $(DATA),--data $(DATA))

.PHONY: compare test igv tutorial check figures clean

compare: $(VENV)/installed
	$(BIN)/chromviz compare --cell $(CELL)

test: $(VENV)/tested
	$(BIN)/pytest

# Installs igv.js; a test opens exported sessions in it, and is skipped without it.
igv: $(VENV)/tested
	$(BIN)/python -m tests.browser.igv

# Runs docs/tutorial.ipynb and compares it with its stored outputs; STORE=1 replaces them.
tutorial: $(VENV)/tested
	$(BIN)/python docs/run_tutorial.py $(if $(STORE),--store)

# Style, types and the direction of imports.
check: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every figure and table of the paper, with additional panels. The result folders are made first;
# steps that are up to date are not run again.
figures: $(VENV)/installed
	for cell in $(CELLS); do \
	    $(BIN)/chromviz compare --cell $$cell $(FROM) --out $(RESULTS)/$$cell --quiet || exit $$?; \
	done
	$(BIN)/chromviz validate --cell $(CELL) $(FROM) --out $(RESULTS)/$(CELL)/validation --quiet
	$(BIN)/chromviz suite $(FROM) --out $(RESULTS)/suite --quiet
	$(BIN)/python figures/figure2.py $(RESULTS)/$(CELL) --out $(FIGURES)
	$(BIN)/python figures/table1.py --out $(FIGURES)
	$(BIN)/python figures/table3.py $(addprefix $(RESULTS)/,$(CELLS)) --out $(FIGURES)
	for table in table2 tableS1 tableS2 tableS3; do \
	    $(BIN)/python figures/$$table.py $(RESULTS)/suite --out $(FIGURES) || exit $$?; \
	done
	$(BIN)/python figures/simulator_calibration.py --out figures

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The constraints name the tested versions; pip then takes a CPU build of torch if available.
$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
