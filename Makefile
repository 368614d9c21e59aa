# `make demo` runs the main job, `make test` passes the tests; each sets up all it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Processes that share the tests out among them, file by file; 0 runs them in one.
PYTEST_WORKERS ?= 2
PYTEST = $(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder
NPM = PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix frontend

.PHONY: help setup setup-tests demo up test test-fast test-integration faults histories tutorial coverage lint format corpus bench lock generate generate-check clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-17s %s\n", $$1, $$2}'

setup: ## Set up everything that running needs
	@$(PYTHON) tools/setup.py demo

setup-tests:
	@$(PYTHON) tools/setup.py test

demo: setup ## Bring images, train, fetch the weights, see a failure and its fix
	@$(BIN)/python tools/demo.py

up: setup ## Start the platform on this machine
	@$(BIN)/vtp up

test: setup-tests ## Run all tests
	@$(NPM) run --silent test
	@$(PYTEST)

test-fast: setup-tests ## Run the tests that take no training and no browser
	@$(PYTEST) -m "not slow and not e2e and not browser"

test-integration: setup-tests ## Run the tests against real servers
	@$(BIN)/pytest tests/integration

faults: setup-tests ## Write the table of faults from the tests that cause them
	@VTP_FAULTS=write $(BIN)/pytest -q tests/integration

histories: setup-tests ## Record again what Temporal keeps of jobs, after a change of the workflow
	@VTP_HISTORIES=write $(BIN)/pytest -q tests/workflows/test_both_drivers.py

tutorial: setup-tests ## Take the tutorial's pictures anew, on the way that it tells
	@VTP_TUTORIAL=write $(BIN)/pytest -q tests/e2e/test_tutorial.py

coverage: setup-tests ## Show that every branch of the error core is tested
	@$(BIN)/coverage run --branch --source=backend/app/core -m pytest -q tests/core tests/test_errors.py tests/contract
	@$(BIN)/coverage report --fail-under=100 --skip-covered

lint: setup-tests ## Check style, types, import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy backend/app/core backend/app/diagnosis
	@$(BIN)/lint-imports
	@$(BIN)/python tools/lints.py
	@$(BIN)/python tools/generate.py --check
	@$(NPM) run --silent lint
	@$(NPM) run --silent typecheck

format: setup-tests ## Bring the sources into form
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .
	@$(NPM) run --silent format

corpus: setup-tests ## Measure the diagnosis on labelled failures
	@$(BIN)/python tools/corpus.py

bench: setup-tests ## Measure what the platform costs, beside its peers
	@$(BIN)/python benchmarks/bench_core.py
	@$(BIN)/python benchmarks/bench_http.py
	@$(BIN)/python benchmarks/bench_logs.py
	@$(BIN)/python benchmarks/bench_pipeline.py
	@$(BIN)/python benchmarks/bench_page.py
	@$(BIN)/python benchmarks/bench_mlflow.py

generate: setup-tests ## Write the files that are made from others
	@$(BIN)/python tools/generate.py

generate-check: setup-tests ## Say which of those are out of date
	@$(BIN)/python tools/generate.py --check

lock: setup-tests ## Renew the pins
	@$(BIN)/python tools/lock.py

clean: ## Remove all that set-up made
	rm -rf .venv .make .servers trainers/*/.venv frontend/node_modules frontend/dist samples/*.zip samples/digits-heldback
