# Every target installs its requirements into .venv, from hashed locks, and nothing elsewhere.
# Needs: Python 3.11 or newer and a POSIX shell. Try `make help`.

PYTHON ?= python3
RUN := .venv/bin/python -m
READY := .venv/.ready
# One process sets .venv up while others wait; then `make` sees that there is nothing left to do.
LOCKED := $(PYTHON) -c 'import fcntl, os, subprocess, sys; os.makedirs(".shadow", exist_ok=True); \
  lock = open(".shadow/setup.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); sys.exit(subprocess.call(sys.argv[1:]))'

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench simulate audit-scorers audit-redaction reference kafka lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 18

setup: ## Create .venv with all requirements
	@$(LOCKED) $(MAKE) --silent $(READY)

$(READY): requirements.lock requirements-bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "shadow-regret needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 setup"; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot create virtual environments; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@$(RUN) uv pip sync --quiet --require-hashes requirements.lock requirements-bootstrap.lock
	@$(RUN) uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run the whole product on this machine and open the dashboard
	@$(RUN) shadow demo $(DEMO)

# Two processes, because most tests wait. The tests of a file run in one of them, because they share
# services. The order is that of the folders, so that the long tests come first.
test: setup ## Run all tests
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

check: setup ## Lint, types, import rules
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## Format the code and fix what ruff can fix
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

bench: setup ## Measure, print the tables, write docs/benchmarks.md
	@$(RUN) tests.benchmarks

simulate: setup ## Run the whole statistical proof (minutes)
	@$(RUN) pytest tests/simulation -m "slow or not slow" -s

audit-scorers: setup ## Count false agreements of the scorers, write docs/scorers.md
	@$(RUN) tests.audit

audit-redaction: setup ## Measure recall and precision of redaction, write docs/redaction.md
	@$(RUN) tests.audit.redaction

reference: setup ## Generate docs/settings.md and docs/metrics.md
	@$(RUN) tests.reference

kafka: setup ## Run a real Apache Kafka on port 9092 until Ctrl-C (needs Java and Maven)
	@$(RUN) tests.run_kafka

lock: setup ## Update the dependency locks to the newest versions
	@$(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra embedded --extra meaning --group dev pyproject.toml -o requirements.lock
	@$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra gateway --extra workers --extra dashboard --extra meaning --group build \
	  --constraint requirements.lock pyproject.toml -o requirements-services.lock
	@echo uv | $(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header - -o requirements-bootstrap.lock

clean: ## Remove everything that the targets created
	rm -rf .venv .shadow .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
