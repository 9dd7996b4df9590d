# What a visitor and a developer run; every target sets up .venv first and needs only Python >= 3.12 and make.
PYTHON_RUN = .venv/bin/python
PYTEST_ARGS ?=
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test slow lint bench docs clean

setup:  ## make .venv, once
	@sh scripts/bootstrap.sh

demo: setup  ## a first model, from data to effects
	@echo "Running examples/quickstart.py"
	@$(PYTHON_RUN) examples/quickstart.py

test: setup  ## all but the slow tests; PYTEST_ARGS="-n 4" runs them side by side
	@$(PYTHON_RUN) -m pytest $(PYTEST_ARGS)

slow: setup  ## recovery, calibration and published tables
	@$(PYTHON_RUN) -m pytest -m slow $(PYTEST_ARGS)

lint: setup  ## style, format and types
	@$(PYTHON_RUN) -m ruff check .
	@$(PYTHON_RUN) -m ruff format --check .
	@$(PYTHON_RUN) -m mypy

bench: setup  ## every script of benchmarks/, one after another
	@ls benchmarks/*.py >/dev/null 2>&1 || { echo "There are no scripts in benchmarks/."; exit 1; }
	@set -e; for script in benchmarks/*.py; do echo "Running $$script"; $(PYTHON_RUN) "$$script"; done

docs:  ## the documentation as HTML, in out/docs
	@sh scripts/bootstrap.sh docs
	@$(PYTHON_RUN) -m sphinx -W -b html docs out/docs

clean:  ## remove what the other targets made, .venv included
	rm -rf .venv build dist out .pytest_cache .mypy_cache .ruff_cache
