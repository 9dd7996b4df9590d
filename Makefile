# What a visitor and a developer run; every target sets up .venv first and needs only Python >= 3.12 and make.
PYTHON_RUN = .venv/bin/python
PYTEST_ARGS ?= -n 2
BENCH_ARGS ?=
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-slow lint bench reliability docs library dist clean

setup:  ## make .venv, once
	@sh scripts/bootstrap.sh

demo: setup  ## a first model, from data to effects
	@echo "Running examples/quickstart.py"
	@$(PYTHON_RUN) examples/quickstart.py

test: setup  ## all but the slow tests, on two cores; PYTEST_ARGS="-n 4" for more
	@$(PYTHON_RUN) -m pytest $(PYTEST_ARGS)

test-slow: setup  ## recovery, calibration and published tables
	@$(PYTHON_RUN) -m pytest -m slow $(PYTEST_ARGS)

lint: setup  ## style, format and types
	@$(PYTHON_RUN) -m ruff check .
	@$(PYTHON_RUN) -m ruff format --check .
	@$(PYTHON_RUN) -m mypy

bench: setup  ## ours and the peers, takes hours; the tables of docs/benchmarks.md
	@$(PYTHON_RUN) -m benchmarks.gradient
	@$(PYTHON_RUN) -m benchmarks.walltime
	@$(PYTHON_RUN) -m benchmarks.effects
	@$(PYTHON_RUN) -m benchmarks --series --docs docs/benchmarks.md $(BENCH_ARGS)

reliability: setup  ## the tables of docs/reliability.md, about an hour
	@$(PYTHON_RUN) scripts/reliability.py

docs:  ## the documentation as HTML, in out/docs
	@sh scripts/bootstrap.sh docs
	@$(PYTHON_RUN) -m sphinx -q -j 2 -W --keep-going -b html docs out/docs

library: setup  ## the engine's machine code for this machine, after its sources changed; no need, fits compile what they use
	@$(PYTHON_RUN) scripts/build_libraries.py

dist:  ## wheel and sdist, each installed and run in a fresh environment; a few minutes
	@sh scripts/bootstrap.sh release
	@$(PYTHON_RUN) scripts/check_distribution.py

clean:  ## remove what the other targets made, .venv included
	rm -rf .venv build dist out bayes_glmm/engine/libraries .pytest_cache .mypy_cache .ruff_cache
