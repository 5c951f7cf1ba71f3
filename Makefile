# Every target works from a fresh clone on a bare Debian or Ubuntu machine; those that need root say so.
# SPDX-License-Identifier: GPL-3.0-or-later
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
COLLECTION := build/ansible_collections/psw/ai
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# uv brings its own list of authorities; like pip, it is to trust those this machine trusts, so that a mirror in the house serves.
export UV_SYSTEM_CERTS := true

.DEFAULT_GOAL := help
.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.made: pyproject.toml hatch_build.py
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || apt-get install -y -qq python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	mkdir -p .dev/ansible_collections/psw && ln -sfn ../../.. .dev/ansible_collections/psw/ai
	@# Compiled as pip does it: else every program compiles what it imports, for a second or more, where the machine lets none keep that.
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable . --group dev --group lab
	touch $@

.PHONY: venv
venv: $(VENV)/.made ## Make the virtual environment with psw, its tools and the collection from this checkout

# --- the lab (needs root) ------------------------------------------------------------------------------------------
.PHONY: demo
demo: venv ## Bring up the lab and ask a model a question through https://chat.<domain>/api (root)
	$(BIN)/python -m lab.demo

.PHONY: lab-cache
lab-cache: venv ## Make what the lab's machines consist of, where the cache lacks it (root)
	$(BIN)/python -m lab prepare

.PHONY: lab-down
lab-down: venv ## Remove the lab without trace (root)
	$(BIN)/python -m lab down --all

# --- tests ---------------------------------------------------------------------------------------------------------
.PHONY: test
test: venv ## Everything CI runs (root, for the lab)
	@# Begun in this order, so that what waits for servers runs beside what computes.
	$(MAKE) --jobs=3 --output-sync=target lint test-integration test-unit test-e2e

.PHONY: lint
lint: venv sanity ## ruff, mypy, yamllint, ansible-lint production; ansible-test sanity
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy psw_cli plugins/plugin_utils lab
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline --profile production
	$(BIN)/antsibull-changelog lint

.PHONY: sanity
sanity: venv ## ansible-test sanity over what the collection ships
	@# ansible-test fetches get-pip.py from a server of its own, unless its cache has one; ensurepip brings a pip without the internet.
	mkdir -p ~/.ansible/test/cache && echo 'import ensurepip; ensurepip.bootstrap()' | tee ~/.ansible/test/cache/get_pip_24_2.py ~/.ansible/test/cache/get_pip_25_1_1.py >/dev/null
	@# Outside the checkout: inside, ansible-test would ask git for the files, and git knows none of build/. With a plain PATH: it would
	@# take pyenv's shims for Pythons.
	set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; place="$$scratch/ansible_collections/psw/ai"; mkdir -p "$$place"; \
	$(BIN)/ansible-galaxy collection build --output-path "$$scratch" . >/dev/null; \
	tar -xzf "$$scratch"/psw-ai-*.tar.gz -C "$$place"; rm "$$place"/MANIFEST.json "$$place"/FILES.json; \
	cd "$$place"; PATH="$(CURDIR)/$(BIN):/usr/local/bin:/usr/bin:/bin" ansible-test sanity --color no --requirements --python default

.PHONY: test-unit
test-unit: venv ## Pure logic, modules, CLI and the promises about the repository
	$(BIN)/pytest tests/unit tests/cli

.PHONY: test-integration
test-integration: venv lab-cache ## Modules against the real programs: sops, Open WebUI, fakepve
	$(BIN)/pytest --durations=20 tests/integration

.PHONY: test-e2e test-e2e-house test-e2e-machines
test-e2e: test-e2e-house test-e2e-machines ## The whole road and the roles on lab nodes (root)

test-e2e-house: venv lab-cache
	$(BIN)/pytest --durations=20 tests/e2e -m house

test-e2e-machines: venv lab-cache
	$(BIN)/pytest --durations=20 tests/e2e -m 'not house'

.PHONY: test-full
test-full: export PSW_FULL := 1
test-full: test ## The same tiers with all they can do: other vendors' cards, every drift and fault alone (root, hours)

.PHONY: bench
bench: venv ## Measure converge, its growth, start-up and relay; writes docs/benchmarks.md (root)
	@# In an environment of its own: Ansible loads paramiko, which it brings, wherever there is one.
	test -x .venv-bench/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-bench
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-bench/bin/python --group bench
	@# Everybody's modules may stay compiled, as they do where people use them.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks

# --- housekeeping --------------------------------------------------------------------------------------------------
.PHONY: docs
docs: venv ## Check that generated docs are those of this code
	$(BIN)/pytest -q tests/unit/contract

.PHONY: generate
generate: venv ## Write what is generated from the catalogue and the example
	$(BIN)/python -c 'from ansible_collections.psw.ai.plugins.plugin_utils import _gpus; _gpus.TABLE_FILE.write_text(_gpus.render_table(_gpus.load_gpus()))'
	$(BIN)/psw plan -C inventory/example --graph docs/plan-example.svg

.PHONY: clean
clean: ## Remove what the tools made in this checkout
	rm -rf $(VENV) .venv-bench .dev build dist .ansible .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
