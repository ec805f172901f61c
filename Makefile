# wan-noc: `make` explains itself. Two commands do everything on a fresh machine: make noc, make test.
.DEFAULT_GOAL := help
SHELL := bash
BIN := .venv/bin
export PATH := $(PATH):/usr/sbin:/sbin
unexport PYTHONDONTWRITEBYTECODE # byte code makes every start faster
STATE ?= .state
TODAY := $(shell date -u +%F)

.PHONY: help install noc test nightly lint bench smoke engine clean lock debian-noc debian-test

help: ## Show this list
	@echo "wan-noc: runs and watches a wide area network. On a fresh machine: make noc, or make test."
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: debian-noc .venv/installed node_modules/installed ## Install what is missing to run the NOC
noc: install ## Run the NOC on the simulated wide area network (Ctrl-C stops it)
	@exec $(BIN)/noc up --state-dir $(STATE)

test: debian-test .venv/installed node_modules/installed lint engine ## Lint, type check and test, with real peers
	$(BIN)/python -m pytest -m "not nightly" -n auto --dist loadfile tests/infra*
	$(BIN)/python -m pytest -m "not nightly" --ignore-glob='tests/infra*'

nightly: debian-test .venv/installed node_modules/installed engine ## What is too long for make test: a quiet hour, long tests
	$(BIN)/python -m pytest -m nightly
	$(BIN)/noc soak --for 60m --settle 15m --json | tee docs/results/$(TODAY)-quiet-hour.json

lint: .venv/installed ## ruff and strict type checking
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: debian-test .venv/installed node_modules/installed ## Benchmarks beside the real peers, with a yardstick
	$(BIN)/python -m tests.bench

smoke: install ## Break 24+ things on the simulated WAN and time the alerts
	$(BIN)/noc smoke

engine: .venv/installed ## Find the Pulumi engine, or build it once (some minutes)
	@$(BIN)/python -m infra.engine.find >/dev/null

clean: ## Remove what make made (not the state directory)
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: .venv/installed # Pin the dependencies again, with hashes and without any registry's address
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --extra infra --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --python-version 3.11 -o requirements.lock

debian-noc debian-test:
	@.ci/debian $(@:debian-%=%)

.venv/installed: requirements.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$(python3 --version)" >&2; exit 2; }
	@echo "Installing Python packages into .venv (pinned by hash)" >&2
	@test -x $(BIN)/python || python3 -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

node_modules/installed: package-lock.json .npmrc
	@echo "Installing the console's browser files (pinned by hash)" >&2
	@npm ci --silent --ignore-scripts
	@touch $@
