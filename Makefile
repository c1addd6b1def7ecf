# Every target installs what it needs into .venv, from hashed locks, and nothing elsewhere.
# Needs: Python 3.11 or newer and a POSIX shell. Try `make help`.

PYTHON ?= python3
RUN := .venv/bin/python -m
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench simulate audit-scorers reference kafka lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 18

setup: $(READY) ## Make .venv with everything in it

$(READY): requirements.lock requirements-bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "shadow-regret needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 setup"; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@$(RUN) uv pip sync --quiet --require-hashes requirements.lock requirements-bootstrap.lock
	@$(RUN) uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Run the whole product on this machine and open the dashboard
	@$(RUN) shadow demo $(DEMO)

# Two at a time, for most of them wait; a file's tests together, for they share what they start; in the
# order of the folders, so that the long ones come first.
test: $(READY) ## Run all tests
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

check: $(READY) ## Lint, types, import rules
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@.venv/bin/lint-imports --no-logo

format: $(READY) ## Format the code and mend what ruff can mend
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

bench: $(READY) ## Measure, print the tables, write docs/benchmarks.md
	@$(RUN) tests.benchmarks

simulate: $(READY) ## The whole statistical proof (minutes)
	@$(RUN) pytest tests/simulation -m "slow or not slow" -s

audit-scorers: $(READY) ## Count false agreements of the scorers, write docs/scorers.md
	@$(RUN) tests.audit

reference: $(READY) ## Write docs/settings.md and docs/metrics.md anew
	@$(RUN) tests.reference

kafka: $(READY) ## Run a real Apache Kafka on port 9092 until Ctrl-C (needs Java and Maven)
	@$(RUN) tests.run_kafka

lock: $(READY) ## Resolve the dependencies anew
	@$(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra embedded --group dev pyproject.toml -o requirements.lock
	@$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra gateway --extra workers --extra dashboard --group build \
	  --constraint requirements.lock pyproject.toml -o requirements-services.lock
	@echo uv | $(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header - -o requirements-bootstrap.lock

clean: ## Remove what the targets made
	rm -rf .venv .shadow .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
