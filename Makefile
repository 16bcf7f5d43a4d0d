# Everything runs from .venv, made from requirements.lock (every version pinned, with hashes).
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: setup demo test lint faults bench clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@python=; for candidate in python3 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then echo "É preciso Python 3.11 ou mais novo."; exit 1; fi; \
	[ -x $(BIN)/python ] || $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation --editable .
	@touch $(STAMP)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Four at a time, as two cores have time for: most tests wait. A file's tests stay together, on a PostgreSQL of
# their worker's; in the order of their folders, as those that wait longest come early.
TESTERS ?= 4

test: $(STAMP)
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

PORT_BASE ?= 4700

demo: $(STAMP)
	$(BIN)/cloudtosys demo $(if $(ONCE),--once) --port-base $(PORT_BASE)

faults: $(STAMP)
	FAULTS=long $(BIN)/python -m pytest -s tests/faults tests/web/test_fuzz.py

PEERS := .venv-bench

$(PEERS)/.stamp: benchmarks/requirements.lock $(STAMP)
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r benchmarks/requirements.lock
	@touch $(PEERS)/.stamp

bench: $(STAMP) $(PEERS)/.stamp
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.legacy
	$(BIN)/python -m benchmarks.console

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
