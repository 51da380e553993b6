# The data exchange.  `make help` lists what there is to do; each target does its own set-up.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
SPARK := .venv/.spark
export NUMBA_THREADING_LAYER := workqueue
export PYTHONWARNINGS := ignore

.PHONY: help run test check docs up bench fuzz clean system
.DEFAULT_GOAL := help

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(READY) ## Set up, build the sample consortium once, and run it through the Airflow DAGs
	@$(BIN)/calis sample --keep
	@$(BIN)/calis run --airflow

test: $(SPARK) system check ## Set up, lint, check types and run all tests
	$(BIN)/pytest -n 2 --dist loadgroup -rs

check: $(READY) ## Lint and check types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

up: $(READY) ## Start Airflow in the browser (127.0.0.1:8080); Ctrl-C stops all of it
	@$(BIN)/calis sample --keep
	@$(BIN)/calis up

docs: $(READY) ## Write DATA_DICTIONARY.md anew from the tables of schemas/
	$(BIN)/calis dictionary > DATA_DICTIONARY.md

bench: $(READY) ## Measure parsing beside its peers, on MARC="file …"
	$(BIN)/python bench/parse.py $(MARC)

# The first half with all indices of compiled code checked, which has a cache of its own.
fuzz: $(READY) ## Damage records at random for ten minutes
	CALIS_FUZZ_SECONDS=300 NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/var/numba-checked \
		$(BIN)/pytest -n 0 -v tests/transforms/test_iso2709_fuzz.py tests/transforms/test_marcxml.py
	CALIS_FUZZ_SECONDS=300 $(BIN)/pytest -n 0 -v tests/transforms/test_iso2709_fuzz.py tests/transforms/test_marcxml.py

clean: ## Remove the virtual environment and all data below var/
	rm -rf .venv var build *.egg-info

# What Debian has to bring for tests in the browser and on Spark; without root they are skipped with a message.
system:
	@needed=""; command -v chromium >/dev/null || needed="chromium fonts-noto-cjk"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
		needed="$$needed postgresql"; \
	command -v yaz-ztest >/dev/null && command -v zebrasrv >/dev/null || \
		needed="$$needed yaz idzebra-2.0 libyaz5"; \
	test -n "$$JAVA_HOME" || command -v java >/dev/null || needed="$$needed default-jre-headless"; \
	if [ -z "$$needed" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			$$needed >/dev/null; \
	else echo "tests will be skipped for want of: $$needed (apt-get install $$needed)"; fi

# uv installs in seconds where pip takes minutes; pip does it where uv can't reach the packages.
comma := ,
uv_install = $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[$(1)]'
pip_install = $(BIN)/pip install -q -c constraints.txt -e '.[$(1)]'

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python3.11, 3.12 or 3.13 found"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "$(PYTHON) is not Python 3.11 to 3.13; say PYTHON=… to make"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
		[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear .venv; } \
		|| { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "installing into .venv …"
	@$(BIN)/pip install -q -c constraints.txt uv && $(call uv_install,dev) || $(call pip_install,dev)
	@touch $@

# Half a gigabyte that only the other engine needs: `make test` runs both, `make run` does without.
$(SPARK): $(READY)
	@echo "installing Spark into .venv …"
	@if $(call uv_install,dev$(comma)spark) || $(call pip_install,dev$(comma)spark); then touch $@; \
	else echo "PySpark could not be installed: tests on Spark will be skipped"; fi
