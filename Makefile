# Everything runs from a virtual environment that is made here on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Ports of the sandbox: a number, or auto for any free one.
PORT ?= 8080
GITHUB_PORT ?= 8090
# A folder with a repository of your own for `make demo`; empty for the sample server.
REPO ?=
# Set to 1 to end `make demo` after the tool call.
ONCE ?=
# The tool that `make demo` calls, and its arguments as JSON; chosen by their schema when empty.
TOOL ?=
ARGS ?=
export PORT GITHUB_PORT REPO ONCE TOOL ARGS

CHECK = $(PYTHON) sandbox/preflight.py --venv $(VENV) \
	--port PORT '$(PORT)' --port GITHUB_PORT '$(GITHUB_PORT)'

.DEFAULT_GOAL := help
.PHONY: help demo up down status test test-long lint bench lock settings clean check-demo check-up

help: ## Show this list
	@echo 'make <target>, and what it does:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: PORT=8080 GITHUB_PORT=8090 (numbers or auto), PYTHON=python3,'
	@echo '  REPO=<folder> ONCE=1 TOOL=<name> ARGS=<json> (for demo)'

demo: check-demo $(VENV)/installed ## Push a server through the whole system, and call one of its tools
	@$(BIN)/python -m sandbox.demo

up: check-up $(VENV)/installed ## Start the same system in the background; var/sandbox.json tells how to reach it
	@$(BIN)/python -m sandbox up

down: ## Stop what `make up` started
	@if test -x $(BIN)/python; then $(BIN)/python -m sandbox down; else echo 'Nothing runs.'; fi

status: ## Show what runs
	@if test -x $(BIN)/python; then $(BIN)/python -m sandbox status; else echo 'Nothing runs.'; fi

test: $(VENV)/installed-dev lint ## Lint, and run the tests that this machine can run, but those of test-long
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST)

test-long: $(VENV)/installed-dev ## Minutes of kills and a random life among faults (SIGIL_SEED=7 SIGIL_STEPS=60)
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -m long $(PYTEST)

lint: $(VENV)/installed-dev ## Format, style, types and the floors of the house
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/installed-dev ## Measure, as ratios to a named baseline
	@$(BIN)/python -m bench.receiver
	@$(BIN)/python -m bench.pipeline

lock: $(VENV)/installed ## Pin the newest versions that requirements*.in allow
	@$(BIN)/uv pip compile -q --upgrade --no-annotate --custom-compile-command 'make lock' --python-version 3.11 requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --upgrade --no-annotate --custom-compile-command 'make lock' --python-version 3.11 requirements-dev.in -o requirements-dev.txt

settings: $(VENV)/installed ## Print the table of settings for the README
	@$(BIN)/python -m config.settings

clean: down ## Stop everything and remove what was made here
	@if test -x $(BIN)/python; then $(BIN)/python -m sandbox clean; fi
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

check-demo:
	@$(CHECK) --own var/demo/sandbox.json --other var/sandbox.json --repo '$(REPO)'

check-up:
	@$(CHECK) --own var/sandbox.json --other var/demo/sandbox.json

$(VENV)/made:
	@$(PYTHON) sandbox/preflight.py --venv $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.txt | $(VENV)/made
	@echo 'Installing requirements.txt into $(VENV) (about a minute, once) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt | $(VENV)/made
	@echo 'Installing requirements-dev.txt into $(VENV) (about a minute, once) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/installed
