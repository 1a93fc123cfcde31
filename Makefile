# Everything needs only Python >= 3.11; `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help venv web up cluster test test-packages lint format bench docs lock clean v2-machine

help: ## what can be made
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

venv: $(STAMP) ## the environment .venv that all other targets use

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) scripts/check_python.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

web: venv ## the pages, built from dashboard/web
	$(BIN)/python scripts/build_web.py

up: venv web ## the main job on this machine: make up ARGS=--once
	$(BIN)/slacktide up $(ARGS)

cluster: venv ## a Kubernetes with slacktide on this machine, until Ctrl-C: make cluster ARGS=--help
	@$(BIN)/python -m scripts.cluster $(ARGS)

test: venv web test-packages lint ## every check and test: what CI runs
	$(BIN)/pytest $(ARGS)

v2-machine: venv ## the agent on cgroup v2 alone, in a virtual machine: make v2-machine ARGS=scenes
	@$(BIN)/python -m scripts.v2_machine $(ARGS)

test-packages: ## Chromium, Prometheus, containerd and more for tests, where Debian's packages can be installed
	sh scripts/install_test_packages.sh

lint: venv ## ruff, mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache

format: venv ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: venv ## lists the benchmarks
	@$(BIN)/python -m bench

docs: venv ## the generated parts of docs/ (settings, command line, the worked example)
	$(BIN)/python -m scripts.build_docs
	$(BIN)/python -m scripts.build_worked_example

lock: venv ## requirements/*.txt anew, hash-pinned, without download addresses
	$(BIN)/pip install --quiet --upgrade uv
	sh scripts/lock.sh

clean: ## remove what was built
	rm -rf .venv dashboard/static dashboard/web/node_modules build dist
