# make venv | demo | test | test-fast | test-deploy | lint | types | docs | hooks | constraints | clean
# PYTHON=python3.12 chooses another interpreter than the first of 3.11, 3.12, 3.10 found.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,10) <= sys.version_info[:2] <= (3,12))' 2>/dev/null && echo $$p && break; done)
# Test files run side by side; each takes a core and up to 3 GB of memory.
JOBS ?= 2
# `make test` reports coverage with Python 3.12, whose sys.monitoring makes it nearly free. With an earlier one the tests
# take half as long again: `make test COVERAGE=--cov` asks for it, `COVERAGE=` leaves it out.
COVERAGE ?= $(shell $(BIN)/python -c 'import sys; print("--cov" if sys.version_info >= (3, 12) else "")')
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: venv demo test test-fast test-deploy lint types docs hooks constraints clean

venv: $(STAMP)

$(STAMP): requirements.txt requirements-test.txt constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10, 3.11 or 3.12 found: install one, or say make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-test.txt -c constraints.txt
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python scripts/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest --ignore tests/deployments -n $(JOBS) --dist loadfile $(COVERAGE)
	@test -n "$(COVERAGE)" || echo "coverage: not measured (make venv PYTHON=python3.12, or make test COVERAGE=--cov)"

test-fast: $(STAMP)
	$(BIN)/python -m pytest --ignore tests/deployments -n $(JOBS) --dist loadfile -m "not slow"

# Every deployment started and queried for real, each in an environment of its own under .venvs/.
test-deploy: $(STAMP)
	$(BIN)/python scripts/environments.py
	$(BIN)/python -m pytest tests/deployments

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) types

# Everything but the tests, folder by folder: several hold modules of one name.
types: $(STAMP)
	$(BIN)/mypy
	@for folder in . scripts benchmarks clue docs multi_label multi_label/analysis deploy/*/ multi_label/deploy/*/; do \
	  $(BIN)/mypy $${folder%/}/*.py || failed=1; done; test -z "$$failed"

# Every package that the requirements install, with its version, for all Pythons and systems that they run on. Pins that
# still hold are kept; `make constraints UPGRADE=--upgrade` takes the newest versions instead.
UPGRADE ?=
COMPILE = $(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python $(BIN)/python --no-annotate \
  --no-emit-package ernie-toolkit --custom-compile-command "make constraints"
constraints: $(STAMP)
	$(COMPILE) --python-version 3.10 requirements.txt requirements-test.txt -o constraints.txt
	$(COMPILE) --python-version 3.10 deploy/simple_serving/requirements.txt -o deploy/simple_serving/constraints.txt
	$(COMPILE) --python-version 3.10 deploy/triton_serving/requirements.txt -o deploy/triton_serving/constraints.txt
	$(COMPILE) --python-version 3.8 deploy/python/requirements.txt -o deploy/python/constraints.txt
	$(COMPILE) --python-version 3.8 deploy/predictor/requirements_cpu.txt -o deploy/predictor/constraints.txt
	$(COMPILE) --python-version 3.10 deploy/predictor/requirements_openvino.txt -o deploy/predictor/constraints_openvino.txt
	$(COMPILE) --python-version 3.8 multi_label/deploy/paddle_serving/requirements.txt \
	  -o multi_label/deploy/paddle_serving/constraints.txt
	$(COMPILE) --python-version 3.11 tests/deployments/huggingface/requirements.txt \
	  -o tests/deployments/huggingface/constraints.txt

# The pages of docs/ and the READMEs as a site in build/site; a link that leads nowhere is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file docs/mkdocs.yml
	@echo "pages: build/site/index.html"

# ruff and mypy before each commit, from this environment.
hooks: $(STAMP)
	$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* demo_output
