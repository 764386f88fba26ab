# Two commands do everything, their own set-up included: `make demo` and `make test`.
# PYTHON is the interpreter that the virtual environment is made with (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# Where an image turns bytecode off, each of the tests' many processes would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

# The tests' databases lie in memory where there is room (KiB): a disk makes them wait, and shows no more than that.
export PYTEST_DEBUG_TEMPROOT := $(shell df -k /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')

.PHONY: demo test test-slow lint format lock bench clean help

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.run ## Run bot and sandbox; open the page and approve something (ARGS=--auto plays it by itself)
	@$(BIN)/python -m bot demo $(ARGS)

test: $(VENV)/.dev lint ## Static checks and the fast tests (about two minutes on two cores)
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist worksteal $(ARGS)

test-slow: $(VENV)/.dev ## The slow tests: crash points, long properties, floods
	$(BIN)/python -m pytest -q -m slow -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.dev ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Resolve the lock files anew (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o requirements.lock -q
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o requirements-dev.lock -q

bench: $(VENV)/.dev ## Measure; see bench/README.md
	$(BIN)/python bench/run.py $(ARGS)

clean: ## Remove what these commands made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	@echo "Setting up: this takes about a minute, once."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Signoff needs Python 3.11 or newer; try make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock | $(VENV)/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.run
